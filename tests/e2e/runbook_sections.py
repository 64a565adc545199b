"""The sections of docs/operations.md whose commands run on the local stack."""

# Sections whose commands only look, or do what an operator may always do.
HARMLESS = (
    "Set the variables",
    "Provider unavailable",
    "Queue age",
    "Providers paused",
    "Dispatches failed",
    "Spend near ceiling",
    "Executions failed",
    "Recovery failed",
    "Recovery missing",
    "Audit failed",
    "Audit missing",
    "Template drift",
    "Catalog check missing",
    "Callback age",
    "Delete the stack",
)
WALKED = (
    "Account at its limits",
    "Find a job by its id",
    "Read one job",
    "Suspend an account",
    "Pause new jobs",
    "Webhooks rejected",
    "Provider account refused",
    "Spend ceiling reached",
    "Stuck job",
    "Slots leaked",
    "Ledger mismatch",
    "Callback dead letters",
    "Flood by one account",
    "Restore",
)

"""The flow of an account in a provider's queue: its virtual finish and its virtual starts.

`domain/provider_queue.py` has the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.storage.queue_rows import FlowRow, flow_key
from darkroom.storage.transactions import update


def correct(job: Job, correction: int) -> None:
    """Change the finish of the account's flow after a prediction, if the account has a flow."""
    update(
        flow_key(job.account, job.model_input.provider),
        [FlowRow.finish.add(correction), FlowRow.version.add(1)],
        FlowRow.pk.exists(),
    )


def read(account: AccountId, provider: str) -> FlowRow | None:
    """Return the flow of an account, with a strongly consistent read. None if it has no flow."""
    key = flow_key(account, provider)
    try:
        return FlowRow.get(key.pk, key.sk, consistent_read=True)
    except FlowRow.DoesNotExist:
        return None


def starts_of(flow: FlowRow | None) -> Sequence[Any]:
    """Return the virtual starts of a flow's entries, some of which have left the queue."""
    return flow.starts if flow else []

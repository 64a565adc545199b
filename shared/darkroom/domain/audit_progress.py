"""The progress of the audit: one round audits all accounts, in several invocations if necessary."""

from __future__ import annotations

from dataclasses import dataclass, replace

type Key = tuple[str, str]
"""The keys of a row: `pk` and `sk`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a round through all accounts, and the results of this round and the last one.

    `after` is the last row of the last audited account. `failed` counts the accounts that could not
    be audited.
    """

    after: Key | None = None
    mismatches: int = 0
    failed: int = 0
    mismatches_before: int = 0
    failed_before: int = 0

    def advanced(self, key: Key, mismatches: int | None) -> Progress:
        """Return the progress after one more account.

        `key` is the account's last row. `mismatches` is None if the account could not be audited.
        """
        return replace(
            self,
            after=key,
            mismatches=self.mismatches + (mismatches or 0),
            failed=self.failed + (mismatches is None),
        )

    def finished(self) -> Progress:
        """Return the progress at the start of the next round."""
        return Progress(mismatches_before=self.mismatches, failed_before=self.failed)

    @property
    def mismatches_known(self) -> int:
        """The number of mismatches for the metric: the larger one of this round and the last.

        It becomes 0 only after a complete round without mismatches.
        """
        return max(self.mismatches, self.mismatches_before)

    @property
    def failed_known(self) -> int:
        """The accounts that could not be audited: the larger number of this round and the last."""
        return max(self.failed, self.failed_before)

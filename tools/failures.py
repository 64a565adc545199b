"""Write docs/failures.md from the tables of the code: python -m tools.failures."""

from __future__ import annotations

import sys
import textwrap

from darkroom.domain.failures import KINDS, FailureCode, FailureKind
from darkroom.observability import Metric
from darkroom.providers.provider_texts import WORDINGS, Flagged, Wording
from darkroom.services.failure_metrics import FAILURE_METRICS

_INTRODUCTION = """\
# Failures

A job that was accepted can fail later. Then `error` of the job has a `code`, a `message` for the
user, and `retryable`. Everything that was not delivered is refunded. A refusal of a request is not
a failure: see [problems](problems.md).

- `retryable` is true if the same job may succeed when it is submitted again.
- A **fault** is caused by Darkroom or by a provider. Its execution ends as failed. Three faults in
  15 minutes ring `ExecutionsFailedAlarm`. The other failures end the execution as succeeded.
- Every failure counts in `JobsFailed`, and a canceled job in `JobsCanceled`. The table names the
  metrics and alarms of single codes.
- The message quotes the provider where its words help the user. Links, keys, ids, addresses and
  e-mail addresses are cut out of the quotation.
- The log has the line `provider refused` for each refusal of a provider, with the status and 500
  characters of the answer.

`make failures` writes this page from `domain/failures.py`, `providers/provider_texts.py` and
`services/failure_metrics.py`.

| code | caused by | retryable | fault | own metric and alarm |
|---|---|---|---|---|
"""
_WORDINGS = """\
## Refusals by their words

A provider may accept a request and refuse it later, in words. These patterns make the code
`refused`. The first one that matches also names the refused input or output. Upper and lower case
count the same.

| refused | words | source |
|---|---|---|
"""


def failures_text() -> str:
    """Return the text of the page."""
    rows = "".join(_row(code, kind) for code, kind in KINDS.items())
    sections = "".join(_section(code, kind) for code, kind in KINDS.items())
    wordings = "".join(map(_wording, WORDINGS))
    return f"{_INTRODUCTION}{rows}\n{sections}{_WORDINGS}{wordings}"


def _row(code: FailureCode, kind: FailureKind) -> str:
    cause = "Darkroom or the provider" if kind.is_fault else "the user"
    metric = FAILURE_METRICS.get(code)
    alarm = f"`{metric.value}`, `{_alarm_of(metric)}`" if metric else ""
    cells = [f"[`{code.value}`](#{code.value})", cause, _yes(kind.retryable), _yes(kind.is_fault)]
    return f"| {' | '.join(cells)} | {alarm} |\n"


def _alarm_of(metric: Metric) -> str:
    return f"{metric.value}Alarm"


def _yes(value: bool) -> str:  # noqa: FBT001 (a cell of the table)
    return "yes" if value else "no"


def _section(code: FailureCode, kind: FailureKind) -> str:
    message = textwrap.fill(kind.message, 98, initial_indent="> ", subsequent_indent="> ")
    return f"## {code.value}\n\n{kind.meaning}\n\n{message}\n\n"


def _wording(wording: Wording) -> str:
    # A table needs the backslash before the character, also inside of code.
    pattern = wording.pattern.pattern.replace("|", r"\|")
    return f"| {_flagged(wording.flagged)} | `{pattern}` | {wording.source} |\n"


def _flagged(flagged: Flagged | None) -> str:
    match flagged:
        case None:
            return "not told"
        case Flagged.AUDIO:
            return "the audio of the output"
        case Flagged.IMAGE:
            return "the input image"
        case _:
            return f"the {flagged.value}"


if __name__ == "__main__":
    sys.stdout.write(failures_text())

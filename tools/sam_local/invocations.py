"""`sam local invoke`: one container for one event."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from local.sam_local.files import invoke_command
from tools.events import write_event
from tools.sam_local.results import Result
from tools.sample_events import samples
from tools.sample_events.prepare import Check, prepare

_SECONDS_MAX = 300
_TEXT_CHARACTERS_MAX = 2_000


def invoke(function: str, name: str, options: list[str]) -> Result:
    """Make what an event names, invoke the function with the event, and check the answer."""
    prepared = prepare(function, name)
    path = write_event(function, name, prepared.event)
    started_at = time.monotonic()
    completed = subprocess.run(  # noqa: S603 (SAM CLI of the virtual environment)
        [*invoke_command(samples.logical_id(function), path), *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        cwd=Path.cwd(),
    )
    seconds = time.monotonic() - started_at
    return Result(
        f"{function}/{name}",
        _short(completed.stdout),
        seconds,
        _problem(completed, prepared.check),
    )


def _problem(completed: subprocess.CompletedProcess[str], check: Check) -> str | None:
    log = completed.stderr[-_TEXT_CHARACTERS_MAX:]
    try:
        answer = json.loads(completed.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return f"no answer: {completed.stdout[-_TEXT_CHARACTERS_MAX:]}{log}"
    if isinstance(answer, dict) and "errorType" in answer:
        return f"the function failed: {completed.stdout.strip()}{log}"
    try:
        is_right = check(answer)
    except Exception as error:  # noqa: BLE001 (a wrong answer can break its check anyhow)
        return f"{type(error).__name__}: {error}. The answer is {completed.stdout.strip()}{log}"
    return None if is_right else f"the answer or its effect is wrong: {completed.stdout}{log}"


def _short(answer: str) -> str:
    """Return the status of an HTTP answer, or the whole answer."""
    try:
        document = json.loads(answer.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return "none"
    if isinstance(document, dict) and "statusCode" in document:
        return str(document["statusCode"])
    return json.dumps(document)

"""Invoke one function beside `make run`, in AWS's Lambda Runtime Interface Emulator.

    PYTHONPATH=shared python -m tools.invoke FUNCTION [EVENT]

EVENT is the name of a sample event, or the path of a JSON file of your own. What a sample event
names is made just before the invocation. A file of your own is sent unchanged. The function starts
in a new execution environment, with the variables of the running stack and the current build.

The function's log goes to standard error and the answer to standard output. The exit status is 0,
1 if the function failed, or 2 if it was not invoked.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from local.description import NoStack, StackDescription
from local.lambda_runtime.execution_environment import (
    EmulatorUnavailable,
    ExecutionEnvironment,
    InvocationResponse,
)
from local.lambda_runtime.functions import FunctionSpec
from local.lambda_runtime.processes import Watchdog
from local.lambda_runtime.runtime_directory import install_runtime
from tools.sample_events import samples
from tools.sample_events.environment import RealProvider, enter

_RUNTIME_DIRECTORY = Path(".aws-sam/runtime")
_NOT_INVOKED = 2
_ARGUMENTS_MAX = 2


class InvalidEvent(ValueError):
    """The file of an event cannot be read. The message names it."""


_REFUSALS = (
    samples.UnknownEvent,
    InvalidEvent,
    NoStack,
    RealProvider,
    EmulatorUnavailable,
)


def invoke(spec: FunctionSpec, payload: bytes) -> tuple[InvocationResponse, str]:
    """Invoke a function once in a new execution environment. Return the response and the log."""
    runtime_dir = install_runtime(_RUNTIME_DIRECTORY.resolve())
    watchdog = Watchdog()
    try:
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            environment = ExecutionEnvironment(
                spec, runtime_dir=runtime_dir, log=log, watchdog=watchdog
            )
            try:
                response = environment.invoke(payload)
            finally:
                environment.end()
            return response, _until_report(log.read_text())
    finally:
        watchdog.close()


def payload_of(stack: StackDescription, function: str, event: str) -> bytes:
    """Return the event as JSON: the user's own file, or a sample event about things made now.

    Raises UnknownEvent, InvalidEvent or RealProvider.
    """
    if _is_path(event):
        try:
            text = Path(event).read_text()
            json.loads(text)
        except (OSError, ValueError) as error:
            raise InvalidEvent(f"{event} is not a readable JSON file: {error}") from None
        return text.encode()
    name = samples.choose(function, event)
    enter(stack)
    # The application reads its environment at import.
    from tools.sample_events.prepare import prepare  # noqa: PLC0415

    return json.dumps(prepare(function, name).event).encode()


def main(arguments: list[str]) -> int:
    """Run the command. Returns the exit status."""
    if not 1 <= len(arguments) <= _ARGUMENTS_MAX:
        sys.stderr.write("usage: PYTHONPATH=shared python -m tools.invoke FUNCTION [EVENT]\n")
        return _NOT_INVOKED
    function, event = (*arguments, "")[:_ARGUMENTS_MAX]
    try:
        samples.check_function(function)
        if not _is_path(event):
            samples.choose(function, event)
        stack = StackDescription.read()
        payload = payload_of(stack, function, event)
        response, log = invoke(stack.functions[samples.logical_id(function)], payload)
    except (
        samples.UnknownEvent,
        InvalidEvent,
        NoStack,
        RealProvider,
        EmulatorUnavailable,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return _NOT_INVOKED
    sys.stderr.write(log)
    sys.stdout.write(_pretty(response.payload))
    return 1 if response.failed else 0


def _until_report(log: str) -> str:
    """Return the log without the lines that the emulator writes when it is ended."""
    before, report, rest = log.rpartition("REPORT RequestId")
    return f"{before}{report}{rest.partition('\n')[0]}\n" if report else log


def _is_path(event: str) -> bool:
    return "/" in event or event.endswith(".json")


def _pretty(payload: bytes) -> str:
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False) + "\n"
    except ValueError:
        return payload.decode(errors="replace") + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One execution environment: AWS's Runtime Interface Emulator and the Python process of a function.

The emulator behaves as Lambda does. It runs an init and one invocation at a time. It sends SIGKILL
at the time-out, and runs a new init after a crash. It limits the response, and logs START, END and
REPORT lines.

The Python process can import from the function's folder, its layers and the runtime directory. It
has no packages and no environment variables of this machine.
"""

import contextlib
import http.client
import json
import platform
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import samcli

from local.lambda_runtime.functions import FunctionSpec
from local.lambda_runtime.processes import Watchdog, end_session, free_ports

_BINARIES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_STARTING_SECONDS_MAX = 10.0
# The emulator counts the init as part of the invocation. AWS limits the init separately, to 10 s.
_RESPONSE_SECONDS_EXTRA = 15
_TIMED_OUT = re.compile(rb"Task timed out after \d+\.\d\d seconds")


class EmulatorUnavailable(Exception):
    """AWS publishes no emulator for this machine. The message has the remedy."""


@dataclass(frozen=True)
class InvocationResponse:
    """The response of an invocation: the function's response, or an error document if `failed`."""

    payload: bytes
    failed: bool


def emulator() -> Path:
    """Return the path of AWS's Runtime Interface Emulator in the wheel of aws-sam-cli.

    Raises EmulatorUnavailable if the machine is not Linux on x86_64 or arm64.
    """
    architecture = _BINARIES.get(platform.machine().lower())
    if sys.platform != "linux" or architecture is None:
        raise EmulatorUnavailable(
            f"AWS's Lambda emulator runs only on Linux (x86_64, arm64). This is {sys.platform}"
            f" ({platform.machine()}). docs/macos-and-windows.md has the ways on other systems."
        )
    return Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{architecture}"


class ExecutionEnvironment:
    """A running emulator. The caller must send one invocation at a time."""

    def __init__(
        self, function: FunctionSpec, *, runtime_dir: Path, log: Path, watchdog: Watchdog
    ) -> None:
        """Start the emulator, and append its output to the file `log`.

        Raises TimeoutError if the emulator does not accept connections in time.
        """
        self.started_at = time.monotonic()
        self.has_responded = False
        # Whether the execution environment must not be used again. After a time-out or a crash,
        # the emulator may refuse the next invocation (Sandbox.Failure).
        self.is_spent = False
        self._function = function
        self._watchdog = watchdog
        self._ending = Lock()
        self._has_ended = False
        self._port, self._process = self._start(runtime_dir, log)

    @property
    def is_alive(self) -> bool:
        """Whether the emulator is running."""
        return self._process.poll() is None

    def invoke(self, payload: bytes) -> InvocationResponse:
        """Invoke the function once.

        If the execution environment dies, returns Lambda's error document for a killed process.
        """
        connection = http.client.HTTPConnection(
            "127.0.0.1",
            self._port,
            timeout=self._function.timeout_seconds + _RESPONSE_SECONDS_EXTRA,
        )
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", payload)
            response = connection.getresponse()
            status, body = response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.end()
            return error_response("Runtime.ExitError", "Runtime exited with error: signal: killed")
        finally:
            connection.close()
            self.has_responded = True
        self.is_spent = status != http.client.OK or _TIMED_OUT.fullmatch(body) is not None
        return read_response(status, body)

    def end(self) -> None:
        """Kill the emulator and its processes. A second call does nothing.

        A second kill could hit another process, because the system reuses process ids.
        """
        with self._ending:
            if self._has_ended:
                return
            end_session(self._process.pid)
            self._process.wait()
            self._watchdog.forget(self._process.pid)
            self._has_ended = True

    def _start(self, runtime_dir: Path, log: Path) -> tuple[int, subprocess.Popen[bytes]]:
        deadline = time.monotonic() + _STARTING_SECONDS_MAX
        while time.monotonic() < deadline:
            port, runtime_api_port = free_ports(2)
            process = self._spawn(port, runtime_api_port, runtime_dir, log)
            while process.poll() is None and time.monotonic() < deadline:
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", port), timeout=1),
                ):
                    return port, process
                time.sleep(0.005)
            # Another process uses one of the ports. Try other ports.
            end_session(process.pid)
            process.wait()
            self._watchdog.forget(process.pid)
        raise TimeoutError(
            f"the execution environment of {self._function.name} did not start within"
            f" {_STARTING_SECONDS_MAX:.0f} seconds; see {log}"
        )

    def _spawn(
        self, port: int, runtime_api_port: int, runtime_dir: Path, log: Path
    ) -> subprocess.Popen[bytes]:
        function = self._function
        path = [function.task_root, *(layer / "python" for layer in function.layers), runtime_dir]
        # Without site-packages (-S, -s), the interpreter imports only deployed packages. It
        # writes no bytecode (-B), because /var/task is read-only on AWS.
        python = [
            getattr(sys, "_base_executable", sys.executable),
            "-S",
            "-s",
            "-B",
            "-m",
            "awslambdaric",
            function.handler,
        ]
        addresses = [
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{port}",
            "--runtime-api-address",
            f"127.0.0.1:{runtime_api_port}",
        ]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(emulator()), *addresses, *python],
                env={**function.variables, "PYTHONPATH": ":".join(map(str, path))},
                cwd=function.task_root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watchdog.watch(process.pid)
        return process


def read_response(status: int, body: bytes) -> InvocationResponse:
    """Convert the emulator's HTTP response.

    `failed` is true where Lambda sends the header X-Amz-Function-Error. The emulator sends 200
    with an error document if the handler raised, and with plain text after a time-out.
    """
    if _TIMED_OUT.fullmatch(body):
        return error_response("Sandbox.Timedout", body.decode())
    if status != http.client.OK:
        return InvocationResponse(body, failed=True)
    # Only the runtime's error documents have a request id and a stack trace. A handler's normal
    # response is very unlikely to have both.
    if body.startswith(b"{") and b'"errorType"' in body:
        document = json.loads(body)
        return InvocationResponse(
            body, failed=document.keys() >= {"errorType", "errorMessage", "requestId", "stackTrace"}
        )
    return InvocationResponse(body, failed=False)


def error_response(error_type: str, message: str) -> InvocationResponse:
    """Make the error document of a failed invocation."""
    return InvocationResponse(
        json.dumps({"errorType": error_type, "errorMessage": message}).encode(), failed=True
    )

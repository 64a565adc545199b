"""Run the whole system on this machine.

python -m local run     Start the system. It runs until Ctrl-C.
python -m local demo    Start the system, run three jobs, check the results, and stop it.
"""

import ipaddress
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Event
from types import FrameType
from urllib.parse import urlsplit

from rich.text import Text

from local.api_gateway.http_server import HOST, PortTaken
from local.api_gateway.web_files import DEMO_ADMIN, DEMO_USERS
from local.demo_data import DemoData
from local.job_lines import JobLines
from local.lambda_runtime.execution_environment import EmulatorUnavailable
from local.real_replicate import InvalidVariable, RealReplicate
from local.sam_local.files import EVENTS_DIRECTORY, invoke_line, write_files
from local.stack import LocalStack

_PORT_MAX = 65_535
_API_PORT, _AWS_PORT, _REPLICATE_PORT = 3000, 4566, 3001
_IPV4 = 4
_CONTAINERS = "   (start with HOST=172.17.0.1 make run: containers cannot reach 127.0.0.1)"
_DEMO = "The demo data comes within a minute (without: DEMO_DATA=0)."
# A backslash at the end of a line joins it with the next one: each command is printed as one line.
_ADDRESSES = """\
Open {api}/ in a browser: it is the gallery. {demo}

API         {api}
API docs    {api}/docs   (all routes)
AWS         {aws}   (simulated; set AWS_ENDPOINT_URL to it; any credentials)
Replicate   {replicate}   ({about})
Runway      {runway}   ({about_others})
WebUI       {webui}   ({about_others}; a Stable Diffusion WebUI)
Logs        .aws-sam/logs   (one file for each function)
Audit       {audit}   (in another terminal: it checks the ledger)
Invoke      make invoke FUNCTION=api EVENT=submit_job   (one function alone; docs/sam-local.md)
SAM local   make events && {sam_local}{containers}

To try the API, paste these lines into another terminal. They sign in a user and an administrator,
grant credits, submit a job, wait for its end, and show the job:

  field() {{ python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
  TOKEN=$(curl -s {api}/local/token -d '{{"user": "ann"}}' | field token)
  ADMIN=$(curl -s {api}/local/token -d '{{"user": "grace", "groups": ["admin"]}}' | field token)
  curl -s {api}/accounts/web/ann/credits -H "Authorization: Bearer $ADMIN" \
-H 'Content-Type: application/json' \
-d '{{"amount": 100, "reason": "welcome", "reference": "first"}}'; echo
  JOB=$(curl -s {api}/jobs -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"template": "flux-schnell", "parameters": {{"prompt": "a lighthouse at dawn"}}}}' | field id)
  for second in $(seq 60); do curl -s {api}/jobs/$JOB -H "Authorization: Bearer $TOKEN" \
| field status | grep -E 'completed|failed|canceled' && break; sleep 1; done
  curl -s {api}/jobs/$JOB -H "Authorization: Bearer $TOKEN" | python3 -m json.tool

The `url` of an output opens in a browser. Press Ctrl-C to stop everything.

Each change of a job is one line, with the seconds since its submit:
"""


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name. Returns the exit status."""
    match arguments:
        case ["run"]:
            return _run()
        case ["demo"]:
            from local.demo import main as demo  # noqa: PLC0415 (only the demo needs it)

            return demo()
    print(__doc__, file=sys.stderr)
    return 2


def _run() -> int:
    stopping = Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    real = RealReplicate.from_environment(os.environ)
    api_port, aws_port, replicate_port = (
        _port("PORT", _API_PORT),
        _port("AWS_PORT", _AWS_PORT),
        _port("REPLICATE_PORT", _REPLICATE_PORT),
    )
    webhook_port = _port("WEBHOOK_PORT", 3002)
    host = _host()
    # The demo data must not cost anything at the real Replicate.
    has_demo_data = _is_wanted("DEMO_DATA") and real is None
    print("Starting the stack from template.yaml …", flush=True)
    with (
        JobLines(sys.stdout) as lines,
        LocalStack(
            host=host,
            api_port=api_port,
            aws_port=aws_port,
            replicate_port=replicate_port,
            webhook_port=webhook_port,
            real_replicate=real,
        ) as stack,
        _described(stack),
    ):
        signal.signal(signal.SIGINT, stop)
        print(describe(stack, real, has_demo_data=has_demo_data), end="", flush=True)
        stack.watch_table(lines.watch)
        with _filled(stack, lines) if has_demo_data else nullcontext():
            stopping.wait()
        stack.watch_table(None)
        print("\nStopping …", flush=True)
    return 0


def describe(stack: LocalStack, real: RealReplicate | None, *, has_demo_data: bool = False) -> str:
    """Describe the addresses of a running stack, and the commands that try it."""
    aws_port = urlsplit(stack.aws_url).port
    simulated = f"simulated; PUT {stack.replicate_url}/faults injects faults"
    # The API listens at 127.0.0.1 in any case, and signs users in only there.
    api_url = f"http://{HOST}:{urlsplit(stack.api_url).port}"
    return _ADDRESSES.format(
        api=api_url,
        demo=_DEMO if has_demo_data else f"Sign in as {DEMO_ADMIN} to grant credits.",
        aws=stack.aws_url,
        replicate=stack.replicate_url,
        runway=stack.runway_url,
        webui=stack.stable_diffusion_url,
        about=_describe(real, stack.webhook_url) if real else simulated,
        sam_local=invoke_line("ApiFunction", EVENTS_DIRECTORY / "api/submit_job.json"),
        containers=_CONTAINERS if stack.api_url == api_url else "",
        about_others="simulated, not used beside the real Replicate" if real else "simulated",
        audit="make audit" if aws_port == _AWS_PORT else f"make audit AWS_PORT={aws_port}",
    )


@contextmanager
def _described(stack: LocalStack) -> Iterator[None]:
    """Write the files for commands in other processes. Delete the description at the end."""
    description = stack.describe()
    write_files(description)
    try:
        yield
    finally:
        description.remove()


@contextmanager
def _filled(stack: LocalStack, lines: JobLines) -> Iterator[None]:
    """Fill the stack with the demo data. Print no lines for its users until it is there."""

    def show() -> None:
        lines.hide(())
        lines.add(Text("The demo data is there."))

    lines.hide(DEMO_USERS)
    with DemoData(stack, on_end=show):
        yield


def _is_wanted(name: str) -> bool:
    """Return whether a variable is not 0. Exits for another value than 0 and 1."""
    value = os.environ.get(name) or "1"
    if value not in ("0", "1"):
        raise SystemExit(f"{name} must be 0 or 1.")
    return value == "1"


def _host() -> str:
    """Return HOST, an address of this machine that is not public.

    Exits for any other value. The address 0.0.0.0 would open the stack to the whole network.
    """
    host = os.environ.get("HOST") or HOST
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or address.version != _IPV4 or address.is_global or address.is_unspecified:
        raise SystemExit(
            "HOST must be a private IPv4 address of this machine, such as 172.17.0.1, the address"
            " of Docker's bridge."
        )
    return host


def _describe(real: RealReplicate, webhook_url: str | None) -> str:
    how = (
        f"its webhooks go to {real.public_url}, which must lead to {webhook_url}"
        if real.public_url
        else "PUBLIC_URL is not set, so Darkroom polls it"
    )
    return f"the real Replicate: you pay for each prediction; {how}"


def _port(name: str, default: int) -> int:
    try:
        port = int(os.environ.get(name, default))
    except ValueError:
        port = -1
    if not 0 <= port <= _PORT_MAX:
        raise SystemExit(f"{name} must be a port number from 0 to {_PORT_MAX}.")
    return port


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PortTaken as error:
        sys.exit(
            f"{error}. To use other ports, set PORT (the API), AWS_PORT, REPLICATE_PORT or"
            " WEBHOOK_PORT."
        )
    except (EmulatorUnavailable, FileNotFoundError, InvalidVariable) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)

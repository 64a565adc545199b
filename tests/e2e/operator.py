"""An operator who runs the blocks of docs/operations.md against the local stack.

The AWS CLI runs in this process, because a new process for each command would take a second. A
small program `aws` on the path sends its words here.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from awscli.clidriver import create_clidriver

from local.stack import LocalStack
from tests.aws import ROOT
from tests.integration.servers import Received, Reply, server
from tests.unit.runbook import section

# The command that the page's first block evaluates.
PREPARATION = "make -s variables"
_SECONDS_MAX = 120
_REPORTS = re.compile(r"^make (audit|repair)\b.*", re.MULTILINE)
# The statuses 200 and 500 carry the exit status 0 or another one.
_AWS = """\
#!/bin/bash
printf '%s\\0' "$@" | curl -s --fail-with-body --data-binary @- "$AWS_CLI_URL"
"""
# The packages are installed, and the file's time must not install them again.
_MAKE = """\
#!/bin/bash
exec /usr/bin/make -s -o .venv/.ready "$@"
"""


@dataclass(frozen=True)
class Operator:
    """Runs blocks in bash, with the variables that the first block of the page sets."""

    environment: dict[str, str]
    variables: str = ""

    def run(self, title: str, *numbers: int, **variables: str) -> str:
        """Run the blocks of a section that need no AWS, or those with these numbers from 0.

        Returns what they print. Fails if a command fails.
        """
        blocks = section(title).local_blocks
        chosen = [blocks[number] for number in numbers] if numbers else blocks
        return self.run_script("\n".join(chosen), **variables)

    def run_script(self, script: str, **variables: str) -> str:
        """Run blocks. `make audit` and `make repair` may fail, because they report mismatches."""
        script = _REPORTS.sub(r"\g<0> || true", script)
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", f"{self.variables}\n{script}"],
            env=self.environment | variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def operator_of(stack: LocalStack, folder: Path) -> Iterator[Operator]:
    """Yield an operator of this stack. Their programs `aws` and `make` are in `folder`."""
    for name, text in (("aws", _AWS), ("make", _MAKE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    with server(_run_aws_cli) as url:
        environment = {
            "PATH": f"{folder}:{ROOT / '.venv/bin'}:{os.environ['PATH']}",
            "AWS_CLI_URL": url,
            "AWS_PORT": stack.aws_url.rpartition(":")[2],
            "no_proxy": "127.0.0.1",
        }
        # The block sets the variables by `eval`. Here every later script gets them as text.
        printed = Operator(environment).run_script(PREPARATION)
        yield Operator(environment, printed)


def _run_aws_cli(request: Received) -> Reply:
    words = request.body.decode().split("\0")[:-1]
    printed, errors = io.StringIO(), io.StringIO()
    status: Any = 1
    with redirect_stdout(printed), redirect_stderr(errors), suppress(SystemExit):
        status = _driver().main(words)
    if status == 0:
        return Reply(200, printed.getvalue().encode())
    return Reply(500, (printed.getvalue() + errors.getvalue()).encode())


@cache
def _driver() -> Any:
    return create_clidriver()

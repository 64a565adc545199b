"""Scan the code, the template and all files: python -m tools.scan.

The scanners run at the same time. The exit code is 1 if a scanner has a finding. Without npm the
scan for secrets is not tried: the command reports this, and the exit code is 1 if the variable CI
is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools.node_tools import ROOT, NodeMissing, run

_PROGRAMS = ROOT / ".tools/scan/bin"
_LIST_FILES = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
_SECONDS_MAX = 300
# Checks that do not apply, with the reason. tools/scan/checkov.yaml has those of checkov. A check
# that does not apply to one resource is named in that resource of template.yaml.
_NOT_IN_THE_DEPLOYED_CODE = {
    "B311": "random numbers only spread retries over time; secrets are made by the module secrets",
}
_NOT_IN_LOCAL_PROGRAMS = {
    "B105": "the passwords belong to simulated services",
    "B311": "random numbers draw images and choose outcomes",
    "B404": "the programs start child processes: the functions, npm, git, the scanners",
    "B406": "xml.sax.saxutils.escape only writes XML",
    "B603": "the command lines have no input of a user, and no shell reads them",
    "B607": "git is the one of this machine",
}
_WITHOUT_SECRETS = {
    "tests/compatibility/*/snapshots/*": "callback secrets of simulated accounts",
}
_NOT_IN_THE_TEMPLATE = {
    "WS1004": "all functions share the log group FunctionLogs, which the rule does not know",
}


@dataclass(frozen=True)
class Scan:
    """A scanner and the function that runs it. The function returns exit code and output."""

    name: str
    start: Callable[[], tuple[int, str]]


def _program(*command: str) -> Callable[[], tuple[int, str]]:
    def start() -> tuple[int, str]:
        ended = subprocess.run(  # noqa: S603 (the programs are pinned)
            [str(_PROGRAMS / command[0]), *command[1:]],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS_MAX,
        )
        return ended.returncode, ended.stdout + ended.stderr

    return start


def _bandit(skipped: Mapping[str, str], *folders: str) -> Callable[[], tuple[int, str]]:
    return _program("bandit", "--quiet", f"--skip={','.join(skipped)}", "--recursive", *folders)


def _secrets() -> tuple[int, str]:
    """Scan every file that git tracks or would add."""
    paths = [".", *(f":(exclude){path}" for path in _WITHOUT_SECRETS)]
    listed = subprocess.run(  # noqa: S603 (the paths are constants)
        [*_LIST_FILES, *paths],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]
    ended = run("secretlint", "--secretlintrc", "tools/scan/secretlint.yaml", *files)
    return ended.returncode, ended.stdout + ended.stderr


SCANS = (
    Scan("checkov", _program("checkov", "--config-file", "tools/scan/checkov.yaml")),
    Scan(
        "cfn-lint with the serverless rules",
        _program(
            "cfn-lint",
            "--append-rules=cfn_lint_serverless.rules",
            f"--ignore-checks={','.join(_NOT_IN_THE_TEMPLATE)}",
            "--template=template.yaml",
        ),
    ),
    Scan("bandit", _bandit(_NOT_IN_THE_DEPLOYED_CODE, "functions", "shared")),
    Scan("bandit of local programs", _bandit(_NOT_IN_LOCAL_PROGRAMS, "local", "tools")),
    Scan("secretlint", _secrets),
)


def main() -> int:
    """Run all scans, print the output of those with findings, and return the exit code."""
    with ThreadPoolExecutor(len(SCANS)) as threads:
        return max(threads.map(_report, SCANS))


def _report(scan: Scan) -> int:
    started_at = time.monotonic()
    try:
        exit_code, output = scan.start()
    except NodeMissing as missing:
        sys.stderr.write(f"{scan.name}: NOT TRIED: {missing}\n")
        return 1 if os.environ.get("CI") else 0
    seconds = time.monotonic() - started_at
    result = f"FINDINGS\n{output}" if exit_code else "clean"
    sys.stdout.write(f"{scan.name} ({seconds:.1f} s): {result}\n")
    return 1 if exit_code else 0


if __name__ == "__main__":
    sys.exit(main())

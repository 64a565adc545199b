"""Chaos over HTTP, in a process of its own: a local stack and this process's AWS would be one and the same."""

from __future__ import annotations

import subprocess
import sys

from tests.reports import REPORTED

JOBS_COUNT = 300
SECONDS_MAX = 1_500


def test_whatever_goes_wrong_every_job_ends_and_every_credit_is_accounted_for() -> None:
    command = [sys.executable, "-m", "tests.simulation.chaos", "--jobs", str(JOBS_COUNT)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)

    REPORTED.extend(["chaos over HTTP:", *(f"  {line}" for line in ran.stdout.splitlines())])
    assert ran.returncode == 0, ran.stderr

"""Chaos over HTTP.

It runs in its own process: this process replaces AWS with mocks, which the local stack must not
share.
"""

from __future__ import annotations

import subprocess
import sys

from tests.reports import REPORTED

# `make chaos` runs 300 jobs, every night.
JOBS_COUNT = 150
SECONDS_MAX = 1_500


def test_every_job_ends_and_every_credit_is_accounted_for_under_chaos() -> None:
    command = [sys.executable, "-m", "tests.simulation.chaos", "--jobs", str(JOBS_COUNT)]
    completed = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )

    REPORTED.extend(["chaos over HTTP:", *(f"  {line}" for line in completed.stdout.splitlines())])
    assert completed.returncode == 0, completed.stderr

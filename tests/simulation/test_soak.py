"""`make soak` prints its summary also when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.aws import ROOT

SECONDS_MAX = 60


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_prints_its_summary_and_leaves_no_process(sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.simulation.soak", "--processes", "1"]
    environment = os.environ | {"PYTHONPATH": "shared", "SOAK_SEED": "7", "SOAK_STEPS": "1000"}

    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as soak:
        assert soak.stdout is not None
        first_line = soak.stdout.readline()
        # A terminal sends its Ctrl-C to every process of the group.
        os.killpg(soak.pid, sent)
        # The output ends when the last process has closed it.
        printed, _ = soak.communicate(timeout=SECONDS_MAX)

    assert first_line == "soak: 1,000 steps, seed 7, 1 processes\n"
    *_, counts, verdict = printed.splitlines()
    assert counts.startswith("soak: no steps, in ")
    assert counts.endswith(", seed 7")
    assert verdict == "soak: interrupted; every promise held until then"
    assert soak.returncode == 130

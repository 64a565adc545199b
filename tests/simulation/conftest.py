"""What the simulations did is said at the end of the run."""

from __future__ import annotations

import pytest

from tests.simulation.figures import REPORTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORTED:
        terminalreporter.section("simulation")
        for line in REPORTED:
            terminalreporter.write_line(line)

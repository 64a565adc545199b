"""A studio for the tests of the common bugs, and what they must leave behind as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darkroom.aws import clients as aws_adapter
from local.simulators.replicate import SimulatedReplicate
from tests.aws import Workflow, forget_settings
from tests.builders import open_account
from tests.integration.servers import webhook_endpoint
from tests.integration.steps import with_setting
from tests.simulation.bugs import Studio


@pytest.fixture
def studio(
    simulated_replicate: SimulatedReplicate, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Studio]:
    """A studio with a quick Replicate and short waits, and an account with 100 credits."""
    with webhook_endpoint() as public_url:
        with_setting(monkeypatch, "PUBLIC_URL", public_url)
        monkeypatch.setattr("darkroom.domain.templates.wait_seconds_for", lambda _: 2)
        open_account(credits=100)
        built = Studio(simulated_replicate, workflow)
        built.faults()
        yield built


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The task tokens that were resumed."""
    tokens: list[str] = []
    monkeypatch.setattr(
        aws_adapter.client("stepfunctions"),
        "send_task_success",
        lambda **given: tokens.append(given["taskToken"]),
    )
    return tokens


@pytest.fixture
def settings_of_this_test() -> Iterator[None]:
    """What a test sets for itself is forgotten with it."""
    yield
    forget_settings()

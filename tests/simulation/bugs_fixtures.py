"""Fixtures for the tests of common bugs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darkroom.aws import clients as aws_adapter
from local.simulators.replicate import SimulatedReplicate
from tests.aws import Workflow, forget_settings
from tests.builders import open_account
from tests.integration.servers import webhook_endpoint
from tests.integration.steps import with_setting
from tests.simulation.bugs import Backend


@pytest.fixture
def backend(
    simulated_replicate: SimulatedReplicate, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Backend]:
    """A backend with a fast Replicate, short waits, and an account with 100 credits."""
    with webhook_endpoint() as public_url:
        with_setting(monkeypatch, "PUBLIC_URL", public_url)
        monkeypatch.setattr("darkroom.domain.templates.wait_seconds_for", lambda _: 2)
        open_account(credits=100)
        built = Backend(simulated_replicate, workflow)
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
    """Forget the settings of a test after it."""
    yield
    forget_settings()

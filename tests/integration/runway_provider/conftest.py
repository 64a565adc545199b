"""A scripted Runway and a simulated Runway that the provider calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darkroom.observability import metrics
from local.simulators.runway import SimulatedRunway
from tests.aws import client
from tests.integration.runway_provider.scripted import KEY, Runway
from tests.integration.servers import server
from tests.integration.simulated_runway.wire import Api
from tests.integration.steps import with_setting


@pytest.fixture(autouse=True)
def key(aws: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    client("secretsmanager").create_secret(Name="runway-key", SecretString=KEY)
    monkeypatch.setenv("RUNWAY_KEY_SECRET", "runway-key")
    metrics.clear_metrics()
    yield
    # Metrics that a test adds outside of a handler must not reach the next test.
    metrics.clear_metrics()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runway]:
    api = Runway()
    with server(api.answer) as url:
        with_setting(monkeypatch, "RUNWAY_BASE_URL", url)
        yield api


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with SimulatedRunway(run_seconds=0.05) as simulator:
        with_setting(monkeypatch, "RUNWAY_BASE_URL", simulator.base_url)
        yield Api(simulator)

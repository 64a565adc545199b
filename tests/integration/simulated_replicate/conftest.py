"""A simulated Replicate for each test, with its clock, clients and a webhook receiver."""

from collections.abc import Iterator

import pytest
import requests
from replicate import Client

from local.simulators.replicate import SimulatedReplicate
from tests.integration.simulated_replicate.wire import Api, MovableClock, Receiver


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def simulator(clock: MovableClock) -> Iterator[SimulatedReplicate]:
    with SimulatedReplicate(
        run_seconds=0.1,
        retry_delays_seconds=(0.05, 0.1, 0.2),
        webhook_timeout_seconds=2,
        clock=clock,
    ) as simulator:
        yield simulator


@pytest.fixture
def replicate(simulated_replicate: SimulatedReplicate) -> SimulatedReplicate:
    requests.put(
        f"{simulated_replicate.base_url}/faults", json={"run_seconds": 0}, timeout=5
    ).raise_for_status()
    return simulated_replicate


@pytest.fixture
def api(simulator: SimulatedReplicate) -> Api:
    return Api(simulator)


@pytest.fixture
def client(simulator: SimulatedReplicate) -> Iterator[Client]:
    with Client(
        bearer_token="r8_test", base_url=f"{simulator.base_url}/v1", max_retries=0
    ) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver

"""The local stack, started once for all tests of this folder and stopped after the last one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.client import Client
from local.stack import LocalStack
from tests.e2e.actors import Actor, signed_in
from tests.fuzz.run import PARAMETERS
from tests.healthy_providers import make_providers_healthy

BUILD_DIRECTORY = Path(".aws-sam/local")


@pytest.fixture(scope="package")
def stack() -> Iterator[LocalStack]:
    with LocalStack(BUILD_DIRECTORY, parameters=PARAMETERS) as running:
        yield running


@pytest.fixture
def actor(stack: LocalStack, request: pytest.FixtureRequest) -> Actor:
    """A new user with 200 credits."""
    return Actor.arrive(stack, request.node.name, credits=200)


@pytest.fixture
def admin(stack: LocalStack) -> Client:
    return signed_in(stack, "grace", groups=["admin"])


@pytest.fixture(autouse=True)
def no_faults(stack: LocalStack) -> Iterator[None]:
    """Remove the faults of the simulated Replicate, and their effects, after each test."""
    yield
    requests.put(f"{stack.replicate_url}/faults", json={}, timeout=5).raise_for_status()
    make_providers_healthy(stack)

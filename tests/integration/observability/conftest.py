"""A local stack for each file of this folder, and the view of its operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from local.stack import LocalStack
from tests.healthy_providers import make_providers_healthy
from tests.integration.operator_view import Operator, Table

BUILD_DIRECTORY = Path(".aws-sam/local")


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def stack(log_dir: Path) -> Iterator[LocalStack]:
    parameters = {"DailySpendUsdMax": "1"}
    with LocalStack(BUILD_DIRECTORY, log_dir=log_dir, parameters=parameters) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy_providers(stack: LocalStack) -> Iterator[None]:
    """End the pauses that a test has caused."""
    yield
    make_providers_healthy(stack)


@pytest.fixture
def operator(stack: LocalStack, log_dir: Path) -> Operator:
    return Operator(stack, log_dir)


@pytest.fixture
def table(stack: LocalStack) -> Table:
    return Table(stack)


@pytest.fixture
def user(operator: Operator) -> str:
    """A user with credits for ten images."""
    name = f"user-{uuid4().hex[:8]}"
    operator.grant(name, 100)
    return name

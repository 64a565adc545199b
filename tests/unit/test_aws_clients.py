"""The clients of AWS share one session, and are patient only with an emulator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from darkroom.aws import clients
from darkroom.settings import settings
from darkroom.storage import transactions
from darkroom.storage.job_rows import JobRow
from darkroom.storage.table import AccountRow


def seconds(service: str, *, bulky: bool = False) -> float:
    """Return the read time-out of a new client."""
    clients.client.cache_clear()
    config = clients.client(service, bulky=bulky).meta.config
    read_timeout: float = config.read_timeout
    return read_timeout


@pytest.fixture
def new_clients() -> Iterator[None]:
    """Create clients in this test, and leave those of the other tests as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "client", cache(clients.client.__wrapped__))
        yield
    settings.cache_clear()


@pytest.mark.usefixtures("new_clients")
@pytest.mark.parametrize("service", ["dynamodb", "events", "s3"])
def test_only_an_emulator_may_respond_late(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seconds(service) == 2

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    settings.cache_clear()
    assert seconds(service) == 10
    assert seconds("s3", bulky=True) == 30


@pytest.mark.usefixtures("aws")
def test_all_rows_and_transactions_use_one_client() -> None:
    used = [
        JobRow._get_connection().connection.client,
        AccountRow._get_connection().connection.client,
        transactions._connection().client,
    ]

    assert all(each is used[0] for each in used)

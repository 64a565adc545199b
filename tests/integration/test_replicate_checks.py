"""The checks of Replicate: whether it accepts the account, and offers a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.observability import metrics
from darkroom.providers import replicate
from local.simulators.replicate import SimulatedReplicate
from tests.integration.checks import result_of
from tests.integration.replicate_responses import REQUEST, Replicate, replicate_api
from tests.integration.servers import Reply

pytestmark = pytest.mark.usefixtures("aws")

OFFICIAL, PINNED = "a/model", "a/model:version"
HTML = Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    with replicate_api(monkeypatch) as api:
        yield api
    metrics.clear_metrics()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, None),
        (401, ProviderAccountRefused),
        (402, ProviderAccountRefused),
        (403, ProviderAccountRefused),
        (404, ProviderUnavailable),
        (429, ProviderBusy),
        (302, ProviderUnavailable),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
def test_the_account(api: Replicate, status: int, expected: object) -> None:
    api.responds(status, {"type": "user", "username": "ann"})

    assert result_of(replicate.check) is expected


def test_a_web_page_is_no_account_and_no_model(api: Replicate) -> None:
    api.reply = HTML

    assert result_of(replicate.check) is ProviderUnavailable
    assert result_of(lambda: replicate.is_offered(OFFICIAL)) is ProviderUnavailable


@pytest.mark.parametrize("body", [b"", b'{"results": [{"id', b"[]", b"null", b"<html>"])
def test_no_call_fails_by_a_body_that_is_no_json_object(api: Replicate, body: bytes) -> None:
    api.reply = Reply(200, body, {"Content-Type": "application/json"})
    calls: list[Callable[[], object]] = [
        lambda: replicate.create(REQUEST),
        lambda: replicate.get("p1"),
        lambda: replicate.find(REQUEST),
        lambda: replicate.is_offered(OFFICIAL),
    ]

    assert [result_of(call) for call in calls] == [ProviderUnavailable] * len(calls)


@pytest.mark.parametrize("model", [OFFICIAL, PINNED])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, True),
        (404, False),
        (410, False),
        (308, False),
        (401, ProviderAccountRefused),
        (429, ProviderBusy),
        (500, ProviderUnavailable),
    ],
)
def test_a_model(api: Replicate, model: str, status: int, expected: object) -> None:
    api.responds(status, {"owner": "a", "name": "model"})

    assert result_of(lambda: replicate.is_offered(model)) is expected
    path = "/v1/models/a/model" + ("/versions/version" if model is PINNED else "")
    assert {request.path for request in api.received} == {path}


def test_the_simulator_knows_the_account_and_its_models(
    simulated_replicate: SimulatedReplicate,
) -> None:
    assert simulated_replicate
    replicate.check()

    assert replicate.is_offered("black-forest-labs/flux-schnell")
    assert not replicate.is_offered("black-forest-labs/flux-schnell:0000")
    assert not replicate.is_offered("nobody/nothing")

"""A provider that forbids one request and accepts the account does not stop the other jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from darkroom import clock
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.predictions import PredictionRequest
from darkroom.domain.provider_errors import ProviderAccountRefused
from darkroom.observability import metrics
from darkroom.providers import load_provider
from darkroom.providers.stable_diffusion import server as webui
from darkroom.storage import provider_state
from tests.aws import CONTEXT, client, handler_of
from tests.builders import NOON, held_job, stored
from tests.integration import replicate_responses
from tests.integration.runway_provider import scripted
from tests.integration.servers import Received, Reply, server
from tests.integration.stable_diffusion.webui import REQUEST as WEBUI_REQUEST
from tests.integration.steps import key, sends, with_setting

pytestmark = pytest.mark.usefixtures("aws")

HTML = Reply(403, b"<html>You have been blocked</html>", {"Content-Type": "text/html"})
JSON = Reply(403, b'{"error": "Not for you"}', {"Content-Type": "application/json"})
REQUESTS: dict[str, PredictionRequest] = {
    "replicate": replicate_responses.REQUEST,
    "runway": scripted.REQUEST,
    "stable_diffusion": replace(WEBUI_REQUEST, finished_outputs=()),
}
URLS = {
    "replicate": ("REPLICATE_BASE_URL", "/v1"),
    "runway": ("RUNWAY_BASE_URL", ""),
    "stable_diffusion": ("STABLE_DIFFUSION_URL", ""),
}
NO_MODEL, FAULT = FailureCode.MODEL_UNAVAILABLE, FailureCode.PROVIDER_UNAVAILABLE


@contextmanager
def forbidding(
    provider: str, reply: Reply, monkeypatch: pytest.MonkeyPatch, *, account: int
) -> Iterator[None]:
    """Serve a provider that forbids creates, and answers about the account with a status."""

    def respond(request: Received) -> Reply:
        if request.method == "POST" and "progress" not in request.path:
            return reply
        document = {"username": "ann", "creditBalance": 5, "sd_model_checkpoint": "x"}
        return Reply(account, json.dumps(document).encode(), {"Content-Type": "application/json"})

    name, path = URLS[provider]
    with server(respond) as url:
        with_setting(monkeypatch, name, f"{url}{path}")
        if provider == "runway":
            client("secretsmanager").create_secret(Name="runway-key", SecretString="key_x")
            with_setting(monkeypatch, "RUNWAY_KEY_SECRET", "runway-key")
        webui.forget_capabilities()
        metrics.clear_metrics()
        yield
    webui.forget_capabilities()
    metrics.clear_metrics()


@pytest.mark.parametrize(
    ("provider", "reply", "code"),
    [
        ("replicate", HTML, FAULT),
        ("replicate", JSON, NO_MODEL),
        ("runway", HTML, FAULT),
        ("runway", JSON, NO_MODEL),
        ("stable_diffusion", HTML, FAULT),
        ("stable_diffusion", JSON, FAULT),
    ],
)
def test_a_forbidden_request_of_an_accepted_account_fails_alone(
    monkeypatch: pytest.MonkeyPatch, provider: str, reply: Reply, code: FailureCode
) -> None:
    with forbidding(provider, reply, monkeypatch, account=200):
        with pytest.raises(GenerationFailed) as refused:
            load_provider(provider).create(REQUESTS[provider])

        assert refused.value.failure.code is code
        assert metrics.metric_set == {}


@pytest.mark.parametrize("provider", URLS)
@pytest.mark.parametrize("status", [401, 403])
def test_a_forbidden_request_of_a_refused_account_is_the_accounts(
    monkeypatch: pytest.MonkeyPatch, provider: str, status: int
) -> None:
    with (
        forbidding(provider, HTML, monkeypatch, account=status),
        pytest.raises(ProviderAccountRefused),
    ):
        load_provider(provider).create(REQUESTS[provider])


def test_the_provider_of_a_forbidden_request_is_not_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = held_job()
    event = key(job, task_token="token", entered_at=NOON.isoformat(), retry_count=0)
    with (
        forbidding("replicate", HTML, monkeypatch, account=200),
        sends(GenerationFailed),
    ):
        handler_of("request_prediction")(event | {"has_queue_state": True}, CONTEXT)

    state = provider_state.read_state("replicate")
    assert not state.is_paused(clock.now())
    assert state.unavailable == {}
    failed = stored(job).failure
    assert failed
    assert (failed.code, failed.is_fault, failed.retryable) == (FAULT, True, True)

"""The checks of the providers: whether they accept the account, and offer a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from darkroom.domain.errors import (
    DarkroomError,
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.observability import metrics
from darkroom.providers import replicate, runway, stable_diffusion
from local.simulators.replicate import SimulatedReplicate
from local.simulators.runway import SimulatedRunway
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.aws import client
from tests.integration.replicate_responses import Replicate, replicate_api
from tests.integration.runway_provider.scripted import KEY, Runway
from tests.integration.servers import Reply, answering, server
from tests.integration.stable_diffusion.webui import set_faults
from tests.integration.steps import with_setting

pytest_plugins = ["tests.integration.stable_diffusion.conftest"]
pytestmark = pytest.mark.usefixtures("aws", "no_metrics")

OFFICIAL, PINNED = "a/model", "a/model:version"
HTML = Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})


@pytest.fixture
def no_metrics() -> Iterator[None]:
    yield
    metrics.clear_metrics()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    with replicate_api(monkeypatch) as api:
        yield api


@pytest.fixture
def runway_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runway]:
    client("secretsmanager").create_secret(Name="runway-key", SecretString=KEY)
    monkeypatch.setenv("RUNWAY_KEY_SECRET", "runway-key")
    api = Runway()
    with server(api.answer) as url:
        with_setting(monkeypatch, "RUNWAY_BASE_URL", url)
        yield api


def result_of(check: Callable[[], object]) -> object:
    """Return the result of a check, or the class of its error."""
    try:
        return check()
    except DarkroomError as error:
        return type(error)


class TestReplicate:
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
    def test_the_account(self, api: Replicate, status: int, expected: object) -> None:
        api.responds(status, {"type": "user", "username": "ann"})

        assert result_of(replicate.check) is expected

    def test_a_web_page_is_no_account_and_no_model(self, api: Replicate) -> None:
        api.reply = HTML

        assert result_of(replicate.check) is ProviderUnavailable
        assert result_of(lambda: replicate.is_offered(OFFICIAL)) is ProviderUnavailable

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
    def test_a_model(self, api: Replicate, model: str, status: int, expected: object) -> None:
        api.responds(status, {"owner": "a", "name": "model"})

        assert result_of(lambda: replicate.is_offered(model)) is expected
        path = "/v1/models/a/model" + ("/versions/version" if model is PINNED else "")
        assert {request.path for request in api.received} == {path}

    def test_the_simulator_knows_the_account_and_its_models(
        self, simulated_replicate: SimulatedReplicate
    ) -> None:
        assert simulated_replicate
        replicate.check()

        assert replicate.is_offered("black-forest-labs/flux-schnell")
        assert not replicate.is_offered("black-forest-labs/flux-schnell:0000")
        assert not replicate.is_offered("nobody/nothing")


class TestRunway:
    @pytest.mark.parametrize(
        ("status", "document", "expected"),
        [
            (200, {"creditBalance": 1}, None),
            (200, {"creditBalance": 0}, ProviderAccountRefused),
            (200, {}, None),
            (200, [], ProviderUnavailable),
            (401, {}, ProviderAccountRefused),
            (403, {}, ProviderAccountRefused),
            (429, {}, ProviderBusy),
            (404, {}, ProviderUnavailable),
            (503, {}, ProviderUnreachable),
        ],
    )
    def test_the_account(
        self, runway_api: Runway, status: int, document: object, expected: object
    ) -> None:
        runway_api.responds(status, document)

        assert result_of(runway.check) is expected

    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            ({"tier": {"models": {"gen4.5": {}}}}, True),
            ({"tier": {"models": {"gen5": {}}}}, False),
            ({"tier": {"models": {}}}, True),
            ({}, True),
        ],
    )
    def test_a_model(self, runway_api: Runway, document: object, expected: bool) -> None:
        runway_api.responds(200, document)

        assert runway.is_offered("text_to_video/gen4.5") is expected

    def test_the_simulator_has_credits_and_can_retire_a_model(
        self, runway_api: Runway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert runway_api
        with SimulatedRunway() as simulator:
            with_setting(monkeypatch, "RUNWAY_BASE_URL", simulator.base_url)
            runway.check()
            assert runway.is_offered("text_to_video/gen4.5")
            faults = {"no_credits": 1, "retired_model": "gen4.5"}
            requests.put(f"{simulator.base_url}/faults", json=faults, timeout=5).raise_for_status()

            assert result_of(runway.check) is ProviderAccountRefused
            assert not runway.is_offered("text_to_video/gen4.5")
            assert runway.is_offered("image_to_video/gen4_turbo")


class TestWebui:
    @pytest.mark.parametrize(
        ("faults", "account", "offered"),
        [
            ({}, None, True),
            ({"no_api": 1}, None, False),
            ({"login_page": 1}, None, False),
            ({"login_redirect": 1}, None, False),
            ({"unavailable": 1}, ProviderUnreachable, ProviderUnreachable),
            ({"throttled": 1}, ProviderBusy, ProviderBusy),
        ],
    )
    def test_a_server_with_a_fault(
        self,
        webui: SimulatedStableDiffusion,
        faults: dict[str, float],
        account: object,
        offered: object,
    ) -> None:
        set_faults(webui, **faults)

        assert result_of(stable_diffusion.check) is account
        assert result_of(lambda: stable_diffusion.is_offered("txt2img")) is offered

    @pytest.mark.usefixtures("webui")
    def test_a_login_that_is_refused(self) -> None:
        client("secretsmanager").put_secret_value(SecretId="login", SecretString="ann:wrong")

        assert result_of(stable_diffusion.check) is ProviderAccountRefused

    def test_a_server_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", "http://127.0.0.1:9")

        assert result_of(stable_diffusion.check) is ProviderUnreachable

    def test_a_server_without_a_checkpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options = Reply(200, b'{"sd_model_checkpoint": ""}', {"Content-Type": "application/json"})
        with server(answering(options)) as url:
            with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)

            assert not stable_diffusion.is_offered("txt2img")

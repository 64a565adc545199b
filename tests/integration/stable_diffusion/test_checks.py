"""The checks of a WebUI: whether it accepts the account, and offers a model."""

from __future__ import annotations

import pytest

from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnreachable,
)
from darkroom.providers import stable_diffusion
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.aws import client
from tests.integration.checks import result_of
from tests.integration.servers import Reply, answering, server
from tests.integration.stable_diffusion.webui import set_faults
from tests.integration.steps import with_setting


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
    webui: SimulatedStableDiffusion,
    faults: dict[str, float],
    account: object,
    offered: object,
) -> None:
    set_faults(webui, **faults)

    assert result_of(stable_diffusion.check) is account
    assert result_of(lambda: stable_diffusion.is_offered("txt2img")) is offered


@pytest.mark.usefixtures("webui")
def test_a_login_that_is_refused() -> None:
    client("secretsmanager").put_secret_value(SecretId="login", SecretString="ann:wrong")

    assert result_of(stable_diffusion.check) is ProviderAccountRefused


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "STABLE_DIFFUSION_URL", "http://127.0.0.1:9")

    assert result_of(stable_diffusion.check) is ProviderUnreachable


def test_a_server_without_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    options = Reply(200, b'{"sd_model_checkpoint": ""}', {"Content-Type": "application/json"})
    with server(answering(options)) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)

        assert not stable_diffusion.is_offered("txt2img")

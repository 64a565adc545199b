"""A simulated WebUI with a login, which Darkroom uses as its provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darkroom.observability import metrics
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.aws import client
from tests.integration.stable_diffusion.webui import set_faults
from tests.integration.steps import with_setting


@pytest.fixture
def webui(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStableDiffusion]:
    client("secretsmanager").create_secret(Name="login", SecretString="ann:secret")
    with SimulatedStableDiffusion(login="ann:secret") as webui:
        monkeypatch.setenv("STABLE_DIFFUSION_LOGIN_SECRET", "login")
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", webui.base_url)
        set_faults(webui)
        metrics.clear_metrics()
        yield webui
    # Metrics that a test adds outside of a handler must not reach the next test.
    metrics.clear_metrics()

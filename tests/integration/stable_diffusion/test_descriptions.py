"""A WebUI describes itself: its samplers, its schedules and its checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from darkroom import catalog
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.providers import stable_diffusion
from darkroom.services.check_catalog import check_template
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from local.simulators.stable_diffusion.kinds import KINDS
from tests.integration.servers import Reply, answering, server
from tests.integration.stable_diffusion.test_kinds import MISSING
from tests.integration.stable_diffusion.webui import set_faults
from tests.integration.steps import with_setting

TEMPLATE = catalog.template("sd-webui")


@pytest.mark.parametrize("kind", KINDS)
def test_the_missing_samplers_of_each_kind_of_server_are_drift(
    webui: SimulatedStableDiffusion, kind: str
) -> None:
    set_faults(webui, server=kind)

    found = check_template(TEMPLATE).differences

    if not MISSING[kind]:
        assert found == ()
        return
    (difference,) = found
    refused = difference.removeprefix("sampler: the model does not accept ").partition(". ")[0]
    assert set(refused.split(", ")) == MISSING[kind]


def test_the_description_shows_samplers_schedules_and_checkpoint(
    webui: SimulatedStableDiffusion,
) -> None:
    facts = stable_diffusion.describe(TEMPLATE).facts

    assert "DPM++ 2M" in facts["samplers"].split(", ")
    assert "karras" in facts["schedules"].split(", ")
    assert facts["checkpoint"] == "v1-5-pruned-emaonly.safetensors [6ce0161689]"
    assert facts["resize_mode that crops"] == "1"


def test_a_server_without_a_checkpoint_does_not_offer_its_templates(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(KINDS["forge"], options={"sd_model_checkpoint": ""})
    monkeypatch.setitem(KINDS, "forge", bare)
    set_faults(webui, server="forge")

    assert check_template(TEMPLATE).differences == ("The server has no checkpoint.",)


def test_a_server_without_the_api_does_not_offer_its_templates(
    webui: SimulatedStableDiffusion,
) -> None:
    set_faults(webui, no_api=1)

    assert check_template(TEMPLATE).differences == ("The server does not offer the API.",)


def test_a_server_that_is_down_says_nothing_about_its_templates(
    webui: SimulatedStableDiffusion,
) -> None:
    set_faults(webui, unavailable=1)

    with pytest.raises(ProviderBusy):
        stable_diffusion.describe(TEMPLATE)
    assert check_template(TEMPLATE).differences == ()


@pytest.mark.parametrize("status", [401, 402, 403, 407])
def test_a_server_that_refuses_the_login_still_offers_its_templates(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with server(answering(Reply(status))) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)

        with pytest.raises(ProviderAccountRefused):
            stable_diffusion.describe(TEMPLATE)
        with pytest.raises(ProviderAccountRefused):
            stable_diffusion.is_offered("txt2img")
        assert check_template(TEMPLATE).differences == ()


def test_a_redirect_to_no_url_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(answering(Reply(302, headers={"Location": "https://[no-host"}))) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)

        with pytest.raises(ProviderUnavailable):
            stable_diffusion.check()

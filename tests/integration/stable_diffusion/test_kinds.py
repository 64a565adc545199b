"""The servers that offer the WebUI's API get the request that each of them understands."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from darkroom import catalog
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.providers import stable_diffusion
from darkroom.providers.stable_diffusion import server
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from local.simulators.stable_diffusion.kinds import KINDS
from tests.integration.stable_diffusion.test_images import data_url
from tests.integration.stable_diffusion.webui import create_all, request, runs, set_faults

SAMPLERS = catalog.template("sd-webui").parameters["sampler"]["enum"]
# The samplers of the catalog that each kind of server does not have.
MISSING = {
    "forge": set[str](),
    "automatic1111-1.8": set[str](),
    "sdnext": set[str](),
    "stable-diffusion.cpp": {"DPM++ SDE Karras", "UniPC"},
    "koboldcpp": {"DPM++ SDE Karras", "DPM++ 2M SDE Karras", "UniPC"},
}


@pytest.mark.parametrize(
    ("kind", "used"),
    [
        ("forge", ("DPM++ 2M", "karras")),
        ("automatic1111-1.8", ("DPM++ 2M Karras", None)),
        ("sdnext", ("DPM++ 2M", None)),
        ("stable-diffusion.cpp", ("dpm++2m", "karras")),
        ("koboldcpp", ("DPM++ 2M", None)),
    ],
)
def test_the_default_sampler_is_the_one_that_the_server_uses(
    webui: SimulatedStableDiffusion, kind: str, used: tuple[str, str | None]
) -> None:
    set_faults(webui, server=kind)

    stable_diffusion.create(request(sampler="DPM++ 2M Karras"))

    (run,) = runs(webui)
    assert (run["input"]["sampler_name"], run["input"]["scheduler"]) == used


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_that_the_server_lacks_is_refused_before_the_run(
    webui: SimulatedStableDiffusion, kind: str
) -> None:
    set_faults(webui, server=kind)
    refused: dict[str, Any] = {}

    for sampler in [*SAMPLERS, "Euler z"]:
        try:
            stable_diffusion.create(request(sampler=sampler))
        except GenerationFailed as error:
            refused[sampler] = error.failure

    assert set(refused) == {*MISSING[kind], "Euler z"}
    assert {failure.code for failure in refused.values()} == {FailureCode.MODEL_UNAVAILABLE}
    assert all(sampler in failure.message for sampler, failure in refused.items())
    assert len(runs(webui)) == len(SAMPLERS) - len(MISSING[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_every_server_makes_all_images_of_a_job(webui: SimulatedStableDiffusion, kind: str) -> None:
    set_faults(webui, server=kind)

    assert len(create_all(request(num_outputs=4)).outputs) == 4


@pytest.mark.parametrize(
    ("kind", "resize_mode"), [("forge", 1), ("automatic1111-1.8", 1), ("sdnext", 2)]
)
def test_the_server_crops_the_initial_image(
    webui: SimulatedStableDiffusion, kind: str, resize_mode: int
) -> None:
    set_faults(webui, server=kind)

    stable_diffusion.create(
        request(model="img2img", image=data_url(Image.new("RGB", (200, 100), "blue")))
    )

    assert runs(webui)[0]["input"]["resize_mode"] == resize_mode
    assert KINDS[kind].resize(resize_mode) == "crop"


def test_the_server_is_asked_about_itself_once(webui: SimulatedStableDiffusion) -> None:
    before = server.capabilities()
    set_faults(webui, server="koboldcpp")

    assert server.capabilities() is before
    server.forget_capabilities()
    assert server.capabilities().schedulers is None
    assert "karras" in (before.schedulers or ())
    assert before.checkpoint == "v1-5-pruned-emaonly.safetensors [6ce0161689]"


def test_a_failed_run_of_koboldcpp_is_no_output(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, server="koboldcpp", out_of_memory=1)

    with pytest.raises(GenerationFailed) as failed:
        stable_diffusion.create(request())

    assert failed.value.failure.code is FailureCode.NO_OUTPUT

"""Jobs at the simulated Stable Diffusion WebUI over HTTP. It returns images in its response."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from local.cloudformation.seeding import LOCAL_STABLE_DIFFUSION_LOGIN
from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import Actor, must_show_nowhere
from tests.e2e.test_uploads_and_videos import announced, image, sent


@pytest.fixture(autouse=True)
def webui(stack: LocalStack) -> Iterator[None]:
    yield
    set_faults(stack)


def set_faults(stack: LocalStack, **faults: float | str) -> None:
    requests.put(f"{stack.stable_diffusion_url}/faults", json=faults, timeout=5).raise_for_status()


def runs_of(stack: LocalStack, prompt: str) -> list[dict[str, Any]]:
    found = requests.get(f"{stack.stable_diffusion_url}/sim/runs", timeout=5).json()["runs"]
    return [run for run in found if run["input"]["prompt"] == prompt]


def test_a_prompt_becomes_images(actor: Actor, stack: LocalStack) -> None:
    job = actor.ended(
        actor.submit(
            "sd-webui",
            prompt="a lighthouse of our own",
            num_outputs=2,
            width=640,
            height=384,
            seed=7,
        )
    )

    assert (job["status"], job["credits"]["charged"]) == ("completed", 20)
    assert [
        (output["content_type"], output["width"], output["height"]) for output in job["outputs"]
    ] == [("image/png", 640, 384)] * 2
    assert Image.open(BytesIO(requests.get(job["outputs"][1]["url"], timeout=10).content)).size == (
        640,
        384,
    )
    assert Image.open(
        BytesIO(requests.get(job["outputs"][0]["thumbnail_url"], timeout=10).content)
    ).size == (200, 200)
    found = runs_of(stack, "a lighthouse of our own")
    expected = {
        "negative_prompt": "low quality, blurry, distorted",
        "steps": 20,
        "cfg_scale": 7,
        "sampler_name": "DPM++ 2M",
        "scheduler": "karras",
        "n_iter": 1,
    }
    assert [(run["kind"], run["input"]["seed"]) for run in found] == [
        ("txt2img", 7),
        ("txt2img", 8),
    ]
    assert [{name: run["input"][name] for name in expected} for run in found] == [expected] * 2
    actor.must_have_a_balanced_ledger()


def test_an_uploaded_image_becomes_an_image(actor: Actor, stack: LocalStack) -> None:
    upload = announced(actor)
    assert sent(upload, image()).status_code == 204
    actor.client.post(f"/uploads/{upload['upload_id']}/complete", {})

    job = actor.ended(
        actor.submit("sd-webui-img2img", prompt="as it was painted", image=upload["upload_id"])
    )

    assert (job["status"], len(job["outputs"])) == ("completed", 1)
    (run,) = runs_of(stack, "as it was painted")
    assert (run["kind"], run["input"]["denoising_strength"]) == ("img2img", 0.7)
    assert run["input"]["resize_mode"] == 1


@pytest.mark.parametrize(
    ("template", "parameters", "message"),
    [
        (
            "sd-webui-img2img",
            {"image": "https://photos.example/a.png"},
            "Must be the id of one of your uploads. This template accepts no links.",
        ),
        (
            "sd-webui",
            {"prompt": "<sd_cpp_extra_args>{}</sd_cpp_extra_args>"},
            "Must not contain <sd_cpp_extra_args.",
        ),
        (
            "sd-webui",
            {"width": 2048, "height": 2048, "steps": 21},
            "With width and height above 1024, steps must be at most 20.",
        ),
    ],
)
def test_what_a_webui_must_not_get_is_refused_before_payment(
    actor: Actor, template: str, parameters: dict[str, Any], message: str
) -> None:
    body = {"template": template, "parameters": {"prompt": "a lighthouse", **parameters}}

    refused = actor.refused("POST", "/jobs", json=body)

    assert refused.status_code == 422
    assert [error["message"] for error in refused.json()["errors"]] == [message]
    actor.must_have_a_balanced_ledger()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("out_of_memory", "prediction_failed"),
        ("no_output", "no_output"),
        ("empty_output", "no_output"),
        ("torn_output", "output_rejected"),
    ],
)
def test_a_failed_run_is_refunded(actor: Actor, stack: LocalStack, fault: str, code: str) -> None:
    set_faults(stack, **{fault: 1})

    job = actor.ended(actor.submit("sd-webui", prompt=f"what fails: {fault}"))

    assert (job["status"], job["error"]["code"], job["credits"]["refunded"], job["outputs"]) == (
        "failed",
        code,
        10,
        [],
    )
    assert len(runs_of(stack, f"what fails: {fault}")) == 1
    actor.must_have_a_balanced_ledger()


@pytest.mark.parametrize("fault", ["unavailable", "lost_answer"])
def test_a_job_completes_after_a_transient_fault(
    actor: Actor, stack: LocalStack, fault: str
) -> None:
    set_faults(stack, **{fault: 1})
    job_id = actor.submit("sd-webui", prompt=f"what passes: {fault}")
    until(lambda: actor.client.get(f"/jobs/{job_id}")["waiting_since"])
    set_faults(stack)

    assert actor.ended(job_id)["status"] == "completed"


def test_a_run_longer_than_the_state_timeout_is_requested_once(
    actor: Actor, stack: LocalStack
) -> None:
    """The state times out while its invocation waits for the images. The next entry waits too."""
    set_faults(stack, run_seconds=36)

    job = actor.ended(actor.submit("sd-webui", prompt="slowly"), seconds=120)

    assert job["status"] == "completed"
    assert len(runs_of(stack, "slowly")) == 1


@pytest.mark.parametrize("fault", ["no_api", "login_redirect", "login_page", "no_checkpoint"])
def test_a_server_without_the_api_is_the_operators_fault(
    actor: Actor, stack: LocalStack, fault: str
) -> None:
    set_faults(stack, **{fault: 1})

    job = actor.ended(actor.submit("sd-webui", prompt=f"a server with {fault}"))

    assert (job["error"]["code"], job["error"]["retryable"]) == ("model_unavailable", False)
    assert job["credits"]["refunded"] == 10


def test_a_run_behind_a_gateway_that_gives_up_is_not_repeated_while_it_goes_on(
    actor: Actor, stack: LocalStack
) -> None:
    set_faults(stack, gateway_seconds=1, run_seconds=6)
    job_id = actor.submit("sd-webui", prompt="behind a gateway")
    until(lambda: actor.client.get(f"/jobs/{job_id}")["waiting_since"])
    set_faults(stack)

    assert actor.ended(job_id)["status"] == "completed"
    assert len(runs_of(stack, "behind a gateway")) == 2


def test_the_login_is_not_exposed(actor: Actor, stack: LocalStack) -> None:
    set_faults(stack, out_of_memory=1)

    must_show_nowhere(
        stack,
        actor.ended(actor.submit("sd-webui", prompt="a secret")),
        LOCAL_STABLE_DIFFUSION_LOGIN.partition(":")[2],
    )

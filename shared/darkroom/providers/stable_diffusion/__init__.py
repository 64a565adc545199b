"""Provider Stable Diffusion WebUI, self-hosted, called through its API.

Source: github.com/AUTOMATIC1111/stable-diffusion-webui, modules/api/api.py. The WebUI responds at
the end of a run, with the image in the response, and stores nothing. Darkroom requests one image at
a time and stores it in the bucket. A prediction is the set of these objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.predictions import (
    PartialPrediction,
    Prediction,
    PredictionRequest,
    PredictionStatus,
)
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable
from darkroom.domain.templates import Template
from darkroom.media import bucket
from darkroom.observability import logger
from darkroom.providers.stable_diffusion import responses, server

SUPPORTS_WEBHOOKS = False
INLINE_INPUT_BYTES_MAX = 20_000_000

# With the waits of the other calls, shorter than the Timeout of RequestPredictionFunction in
# template.yaml (150 s), as tests/unit/test_dependent_numbers.py verifies. The image of a longer run
# is lost.
_RUN_SECONDS_MAX = 120.0
_RUNNING_SECONDS = 5.0
# If this many responses for one image are lost, a gateway does not wait long enough.
_UNANSWERED_MAX = 3
_SEED_COUNT = 2**32
# stable-diffusion.cpp reads members of the request from this tag in a prompt, also the size and the
# number of images (examples/server/routes_sdapi.cpp).
_REFUSED_TAG = "<sd_cpp_extra_args"
_FIELDS = {"image": "init_images"}
_SAMPLER = "sampler"


def create(request: PredictionRequest) -> Prediction | PartialPrediction:
    """Make the next image of the prediction with the template's model, and store it.

    The model is `txt2img` or `img2img`. If an image fails after others were stored, the prediction
    ends with those.
    """
    finished = request.finished_outputs
    try:
        image = _make_image(request)
    except GenerationFailed as error:
        if not finished:
            raise
        logger.warning("image failed, the others are delivered", code=error.failure.code)
        return _prediction(request, len(finished))
    key = _key(request.key_prefix, len(finished))
    bucket.put(key, image, "image/png")
    outputs = (*finished, key)
    if len(outputs) < request.model_input.outputs_count:
        return PartialPrediction(outputs)
    return _prediction(request, len(outputs))


def get(prediction_id: str) -> Prediction:
    """Read a prediction from the bucket. All its images were stored before its id was returned."""
    count, _, prefix = prediction_id.partition("@")
    keys = tuple(_key(prefix, number) for number in range(int(count)))
    if set(keys) <= set(bucket.keys_under(prefix)):
        return Prediction(prediction_id, PredictionStatus.SUCCEEDED, keys)
    return Prediction(
        prediction_id, PredictionStatus.FAILED, failure=failure(FailureCode.OUTPUT_UNAVAILABLE)
    )


def cancel(prediction_id: str) -> None:
    """Do nothing. A prediction has an id when its runs have ended."""


def cancel_request(key_prefix: str, finished_outputs: Sequence[str]) -> None:
    """Interrupt the run of the next image, if this run is on the graphics card."""
    task_id = _task_id(key_prefix, finished_outputs)
    if server.interrupt(task_id):
        logger.info("run interrupted", task_id=task_id)


def find(request: PredictionRequest) -> Prediction | None:
    """Find the images of the job in the bucket.

    After the deadline, the finished images are the prediction. Raises ProviderBusy while the run of
    an unanswered request is on the card or waits for it. If the server cannot tell, or the run has
    ended, its image is lost and is requested again, because a self-hosted run costs nothing.
    """
    found = _prediction(request, request.model_input.outputs_count)
    if found.status is PredictionStatus.SUCCEEDED:
        return found
    if request.finished_outputs and request.cancel_after_seconds <= 0:
        return _prediction(request, len(request.finished_outputs))
    if server.is_running(_task_id(request.key_prefix, request.finished_outputs)):
        raise ProviderBusy(_RUNNING_SECONDS)
    return None


def check() -> None:
    """Ask the server for its options. Raises ProviderAccountRefused if it refuses the login."""
    server.check()


def is_offered(model: str) -> bool:  # noqa: ARG001 (one API has all models)
    """Return whether the server has the API and a checkpoint."""
    return _read_description().gone is None


def describe(template: Template) -> ModelDescription:
    """Describe the server: its samplers, its schedules and its selected checkpoint.

    Of the inputs, the server lists only the samplers. The description has the template's samplers
    that the server can use.
    """
    description = _read_description()
    offered = template.parameters.get(_SAMPLER, {}).get("enum", ())
    capabilities = server.capabilities()
    known = [name for name in offered if capabilities.sampler_fields(name) is not None]
    inputs = {_SAMPLER: {"enum": known}} if offered else {}
    return replace(description, inputs=inputs)


def _read_description() -> ModelDescription:
    # A server that refuses the login refuses every question. It still offers the API.
    server.check()
    server.forget_capabilities()
    capabilities = server.capabilities()
    facts = {
        "samplers": ", ".join(capabilities.samplers) or "not listed",
        "schedules": ", ".join(capabilities.schedulers or ()) or "not listed",
        "checkpoint": "unknown" if capabilities.checkpoint is None else capabilities.checkpoint,
        "resize_mode that crops": str(capabilities.crop_mode),
    }
    if capabilities.checkpoint == "":
        return ModelDescription(gone="The server has no checkpoint.", facts=facts)
    if not (capabilities.samplers or capabilities.checkpoint):
        return ModelDescription(gone="The server does not offer the API.", facts=facts)
    return ModelDescription(facts=facts)


def _make_image(request: PredictionRequest) -> bytes:
    if request.unanswered_count >= _UNANSWERED_MAX:
        logger.error(
            "the responses to the runs of an image were lost: a gateway in front of the WebUI must "
            "wait longer than a run",
            requests=request.unanswered_count,
        )
        raise GenerationFailed(failure(FailureCode.PROVIDER_UNAVAILABLE))
    document = _run(request)
    image = responses.image_in(document)
    if server.is_interrupted():
        # The image is half drawn. The WebUI responds with it as with a whole one.
        raise ProviderUnavailable("interrupted", unknown_seconds=0)
    return image


def _run(request: PredictionRequest) -> dict[str, Any]:
    fields = _fields(request)
    seconds_max = min(_RUN_SECONDS_MAX, max(request.cancel_after_seconds, 1))
    try:
        return server.run(request.model_input.model, fields, seconds_max=seconds_max)
    except GenerationFailed as error:
        is_failed = error.failure.code is FailureCode.PREDICTION_FAILED
        if is_failed and server.capabilities().checkpoint == "":
            # Forge responds to every exception with the same words.
            raise responses.unavailable() from error
        raise


def _fields(request: PredictionRequest) -> dict[str, Any]:
    """Return the request for the next image, which the WebUI makes alone."""
    given = dict(request.model_input.input)
    _check(given)
    given.pop("num_outputs", None)
    fields = {_FIELDS.get(name, name): value for name, value in given.items()}
    capabilities = server.capabilities()
    if sampler := fields.pop(_SAMPLER, None):
        known = capabilities.sampler_fields(str(sampler))
        if known is None:
            logger.error("the WebUI has no such sampler", sampler=sampler)
            raise responses.unavailable(
                f"The server has no sampler {sampler}. Nothing was charged. "
                "Choose another sampler or another template.",
                concerns_template=False,
            )
        fields |= known
    if image := fields.pop("init_images", None):
        fields |= {"init_images": [image], "resize_mode": capabilities.crop_mode}
    first_seed = fields.get("seed", _seed_of(request))
    return {
        **fields,
        "seed": (first_seed + len(request.finished_outputs)) % _SEED_COUNT,
        "n_iter": 1,
        "batch_size": 1,
        "send_images": True,
        "save_images": False,
        "force_task_id": _task_id(request.key_prefix, request.finished_outputs),
    }


def _check(given: dict[str, Any]) -> None:
    """Refuse a prompt that sets members of the request, and an image that is a link.

    The templates of the catalog refuse both at the submit.
    """
    for name in ("prompt", "negative_prompt"):
        if _REFUSED_TAG in str(given.get(name, "")).lower():
            raise GenerationFailed(
                failure(
                    FailureCode.INVALID_INPUT,
                    f"The text of `{name}` contains the tag {_REFUSED_TAG}>, which is not allowed. "
                    "Nothing was charged. Remove the tag and submit the job again.",
                )
            )
    # A WebUI fetches links itself, inside the operator's network.
    if not str(given.get("image", "data:")).startswith("data:"):
        raise GenerationFailed(
            failure(
                FailureCode.INVALID_INPUT,
                "This template accepts uploads only, no links. Nothing was charged. "
                "Upload the image and submit the job again.",
            )
        )


def _prediction(request: PredictionRequest, count: int) -> Prediction:
    return get(f"{count}@{request.key_prefix}")


def _key(key_prefix: str, number: int) -> str:
    return f"{key_prefix}{number}.png"


def _task_id(key_prefix: str, finished_outputs: Sequence[str]) -> str:
    """Return the name of the run of the next image. Repeated requests have the same name."""
    job_id = key_prefix.rstrip("/").rpartition("/")[2]
    return f"task(darkroom-{job_id}-{len(finished_outputs)})"


def _seed_of(request: PredictionRequest) -> int:
    """Return the seed of a job without one. A repeated request makes the same image."""
    digest = hashlib.sha256(request.key_prefix.encode()).digest()
    return int.from_bytes(digest[:4], "big")

"""Requests to the provider Stable Diffusion, and what the simulated WebUI has received."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import PartialPrediction, Prediction, PredictionRequest
from darkroom.providers import stable_diffusion
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.builders import NOON, until

PREFIX = "media/web/ann/a-job/"
REQUEST = PredictionRequest(
    model_input=ModelInput(
        "stable_diffusion",
        "txt2img",
        {
            "prompt": "a lighthouse",
            "num_outputs": 1,
            "sampler": "Euler a",
            "width": 64,
            "height": 64,
        },
        1,
        (),
    ),
    webhook_url=None,
    key_prefix=PREFIX,
    created_after=NOON,
    cancel_after_seconds=60,
)


def request(*, model: str = "txt2img", **parameters: Any) -> PredictionRequest:
    """Return the request of a job with these parameters."""
    found = {**REQUEST.model_input.input, **parameters}
    return dataclasses.replace(
        REQUEST,
        model_input=ModelInput("stable_diffusion", model, found, found["num_outputs"], ()),
    )


def create_all(wanted: PredictionRequest) -> Prediction:
    """Request one image after the other, as the workflow does, and return the prediction."""
    while isinstance(made := stable_diffusion.create(wanted), PartialPrediction):
        wanted = dataclasses.replace(wanted, finished_outputs=made.outputs)
    return made


def set_faults(webui: SimulatedStableDiffusion, **faults: float | str) -> None:
    """Replace the faults. A run takes no time unless a fault says how long."""
    requests.put(
        f"{webui.base_url}/faults", json={"run_seconds": 0, **faults}, timeout=5
    ).raise_for_status()


def runs(webui: SimulatedStableDiffusion) -> list[dict[str, Any]]:
    """Return the runs of the WebUI, oldest first."""
    found: list[dict[str, Any]] = requests.get(f"{webui.base_url}/sim/runs", timeout=5).json()[
        "runs"
    ]
    return found


@contextmanager
def run_of_somebody(webui: SimulatedStableDiffusion, task_id: str | None = None) -> Iterator[None]:
    """Occupy the graphics card by a run, until the block ends or the run is interrupted."""
    before = len(runs(webui))

    def send() -> None:
        requests.post(
            f"{webui.base_url}/sdapi/v1/txt2img",
            json={"prompt": "other", "width": 8, "height": 8, "force_task_id": task_id},
            auth=("ann", "secret"),
            timeout=30,
        )

    thread = threading.Thread(target=send)
    thread.start()
    until(lambda: len(runs(webui)) > before, seconds=10)
    try:
        yield
    finally:
        requests.post(f"{webui.base_url}/sdapi/v1/interrupt", auth=("ann", "secret"), timeout=5)
        thread.join()

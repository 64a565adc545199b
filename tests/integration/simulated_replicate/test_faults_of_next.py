"""`PUT /faults/next` decides the outcome of the next prediction with a prompt, and of no other."""

from __future__ import annotations

import re
import subprocess

import pytest
import requests

from tests.aws import ROOT
from tests.integration.simulated_replicate.wire import Api, image_at


def set_next(api: Api, body: object) -> requests.Response:
    return requests.put(f"{api.simulator.base_url}/faults/next", json=body, timeout=10)


def test_the_command_of_the_page_makes_one_prediction_slow(api: Api) -> None:
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    [command] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    local = command.replace("http://127.0.0.1:3001", api.simulator.base_url)
    subprocess.run(["bash", "-ec", f"NO_PROXY=127.0.0.1 {local}"], timeout=30, check=True)

    other = api.finished(api.create("a fast boat")["id"])
    slow = api.create("a slow boat")["id"]
    next_one = api.finished(api.create("a slow boat")["id"])

    assert (other["status"], next_one["status"]) == ("succeeded", "succeeded")
    assert api.prediction(slow)["status"] in ("starting", "processing")


def test_a_prediction_fails_once_with_the_text_of_its_prompt(api: Api) -> None:
    done = set_next(api, {"prompt": "a fox", "faults": {"fail": 1, "error": "CUDA error"}})

    first, second = (api.finished(api.create("a fox")["id"]) for _ in range(2))

    assert done.status_code == 204
    assert (first["status"], first["error"]) == ("failed", "CUDA error")
    assert second["status"] == "succeeded"


def test_faults_of_all_predictions_count_for_other_prompts_only(api: Api) -> None:
    api.set_faults(flag_sensitive=1)
    set_next(api, {"prompt": "a fox", "faults": {"run_seconds": 0}})

    assert api.finished(api.create("a fox")["id"])["status"] == "succeeded"
    assert api.finished(api.create("a fox")["id"])["status"] == "failed"


def test_with_the_seed_of_the_demo_data_one_file_is_missing(api: Api) -> None:
    set_next(api, {"prompt": "a valley", "faults": {"drop_output": 0.5, "seed": 14}})

    done = api.finished(api.create("a valley", num_outputs=4)["id"])

    assert len(done["output"]) == 3
    assert all(image_at(url).size == (1024, 1024) for url in done["output"])


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a fox", "faults": {"run_seconds": -1}},
        {"prompt": "a fox", "faults": {"unknown": 1}},
        {"prompt": "a fox"},
        {"prompt": 7, "faults": {}},
        {"prompt": "a fox", "faults": {}, "more": 1},
        [],
    ],
)
def test_an_invalid_body_is_refused_and_changes_nothing(api: Api, body: object) -> None:
    refused = set_next(api, body)

    assert refused.status_code in (400, 422)
    assert api.finished(api.create("a fox")["id"])["status"] == "succeeded"

"""Replicate's own clients, in Python and in JavaScript, work against the simulated Replicate unchanged."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import cast

import pytest
import replicate
import requests
from PIL import Image

from local.replicate import SimulatedReplicate
from tests.aws import ROOT
from tests.builders import until
from tests.integration.servers import Received, Reply, server

MODEL = "black-forest-labs/flux-schnell"
JAVASCRIPT_CLIENT = "replicate@1.4.0"
HOME = ROOT / ".tools" / "replicate-javascript"
_FETCHING_SECONDS_MAX = 300


@pytest.fixture
def simulator() -> Iterator[SimulatedReplicate]:
    with SimulatedReplicate(run_seconds=0.2) as simulator:
        yield simulator


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 48), "tomato").save(file, "PNG")
    return file.getvalue()


class TestPython:
    @pytest.fixture
    def client(self, simulator: SimulatedReplicate) -> Iterator[replicate.Replicate]:
        with replicate.Replicate(bearer_token="r8_python", base_url=f"{simulator.base_url}/v1", max_retries=0) as client:
            yield client

    def test_creates_waits_reads_and_lists(self, client: replicate.Replicate) -> None:
        created = client.predictions.create(version=MODEL, input={"prompt": "a lighthouse"})

        ended = client.predictions.wait(created.id)

        assert (ended.status, len(cast("list[str]", ended.output))) == ("succeeded", 1)
        assert created.id in [prediction.id for prediction in client.predictions.list()]

    def test_waits_within_the_create(self, client: replicate.Replicate) -> None:
        answer = client.predictions.with_raw_response.create(version=MODEL, input={"prompt": "a lighthouse"}, prefer="wait=20")

        assert answer.headers["preference-applied"] == "wait=20"
        assert answer.parse().status == "succeeded"

    def test_runs(self, client: replicate.Replicate) -> None:
        output = client.run(MODEL, input={"prompt": "a lighthouse", "num_outputs": 2})

        assert len(output) == 2
        assert Image.open(BytesIO(requests.get(str(output[0]), timeout=10).content)).size == (1024, 1024)

    def test_uploads_a_file_and_names_it_as_an_input(self, client: replicate.Replicate) -> None:
        file = client.files.create(content=("picture.png", picture(), "image/png"))
        assert (file.content_type, file.size) == ("image/png", len(picture()))
        assert [each.id for each in client.files.list()] == [file.id]

        created = client.predictions.create(version="black-forest-labs/flux-dev", input={"prompt": "from a file", "image": file.urls.get})

        assert client.predictions.wait(created.id).status == "succeeded"
        client.files.delete(file_id=file.id)
        with pytest.raises(replicate.NotFoundError):
            client.files.get(file_id=file.id)

    def test_a_file_that_is_not_there_any_more_fails_the_prediction(self, client: replicate.Replicate) -> None:
        file = client.files.create(content=("picture.png", picture(), "image/png"))
        client.files.delete(file_id=file.id)

        created = client.predictions.create(version="black-forest-labs/flux-dev", input={"prompt": "from a file", "image": file.urls.get})

        assert client.predictions.wait(created.id).status == "failed"


def javascript_client(home: Path = HOME) -> Path:
    """Give the folder with the official JavaScript client, fetched with npm unless it is there."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            message = f"{program} is not installed (Debian: apt-get install npm)"
            if os.environ.get("CI"):
                pytest.fail(f"the JavaScript client must be tried in CI: {message}")
            pytest.skip(message)
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "node_modules" / "replicate").is_dir():
            command = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(home), JAVASCRIPT_CLIENT]
            subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=_FETCHING_SECONDS_MAX)
    return home


def test_javascript(simulator: SimulatedReplicate) -> None:
    folder, delivered = javascript_client(), list[Received]()

    def take(request: Received) -> Reply:
        delivered.append(request)
        return Reply()

    with server(take) as url, replicate.Replicate(bearer_token="r8_python", base_url=f"{simulator.base_url}/v1") as client:
        client.predictions.create(version=MODEL, input={"prompt": "x"}, webhook=url, webhook_events_filter=["completed"])
        until(lambda: delivered)
    names = {"id": "webhook-id", "timestamp": "webhook-timestamp", "signature": "webhook-signature"}
    webhook = {name: delivered[0].headers[header] for name, header in names.items()} | {"body": delivered[0].body.decode()}
    environment = {
        "REPLICATE_URL": simulator.base_url, "CLIENT_FOLDER": str(folder), "PICTURE": base64.b64encode(picture()).decode(), "WEBHOOK": json.dumps(webhook),
    }  # fmt: skip

    script = Path(__file__).with_name("official_client.mjs")
    ended = subprocess.run(["node", str(script)], env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "waited": ["succeeded", 1],
        "got": "succeeded",
        "listed": True,
        "ran": [2, True],
        "polled": 1,
        "file": ["image/png", 7, True],
        "fromFile": 1,
        "deleted": True,
        "canceled": "canceled",
        "refused": ["ApiError", 422],
        "valid": True,
        "forged": False,
    }

"""Replicate's Python and JavaScript clients work with the simulated Replicate without changes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
import replicate
import requests
from PIL import Image
from replicate.exceptions import ModelError

from local.simulators.replicate import SimulatedReplicate
from tests import npm
from tests.aws import ROOT
from tests.builders import until
from tests.integration.servers import Received, Reply, answering, server
from tests.reports import REPORTED

MODEL = "black-forest-labs/flux-schnell"
EDITOR = "black-forest-labs/flux-dev"
SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
JAVASCRIPT_CLIENT = npm.Package(
    name="replicate@1.4.0",
    integrity="sha512-1ufKejfUVz/azy+5TnzQP7U1+MHVWZ6psnQ06az8byUUnRhT+DZ/MvewzB1NQYBVMgNKR7xPDtTwlcP5nv/5+w==",
)
HOME = ROOT / ".tools" / JAVASCRIPT_CLIENT.name
_JAVASCRIPT_SECONDS_MAX = 120


@pytest.fixture
def simulator() -> Iterator[SimulatedReplicate]:
    with SimulatedReplicate(run_seconds=0.2) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: SimulatedReplicate) -> Iterator[replicate.Replicate]:
    with replicate.Replicate(
        bearer_token="r8_python", base_url=f"{simulator.base_url}/v1", max_retries=0
    ) as client:
        yield client


def set_faults(simulator: SimulatedReplicate, **faults: object) -> None:
    requests.put(f"{simulator.base_url}/faults", json=faults, timeout=5).raise_for_status()


def image() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 48), "tomato").save(file, "PNG")
    return file.getvalue()


class TestPythonPredictions:
    def test_client_creates_waits_for_reads_and_lists_a_prediction(
        self, client: replicate.Replicate
    ) -> None:
        created = client.predictions.create(version=MODEL, input={"prompt": "a lighthouse"})

        ended = client.predictions.wait(created.id)

        assert (ended.status, len(cast("list[str]", ended.output))) == ("succeeded", 1)
        assert client.predictions.get(prediction_id=created.id) == ended
        assert created.id in [prediction.id for prediction in client.predictions.list()]

    def test_create_request_waits_for_the_prediction(self, client: replicate.Replicate) -> None:
        response = client.predictions.with_raw_response.create(
            version=MODEL, input={"prompt": "a lighthouse"}, prefer="wait=20"
        )

        assert response.headers["preference-applied"] == "wait=20"
        assert response.parse().status == "succeeded"

    def test_client_cancels_a_prediction(
        self, client: replicate.Replicate, simulator: SimulatedReplicate
    ) -> None:
        set_faults(simulator, run_seconds=60)
        created = client.predictions.create(version=MODEL, input={"prompt": "never mind"})

        assert client.predictions.cancel(prediction_id=created.id).status == "canceled"
        assert client.predictions.wait(created.id).status == "canceled"


class TestPythonRuns:
    @pytest.mark.parametrize("model", [MODEL, f"stability-ai/sdxl:{SDXL}"])
    @pytest.mark.parametrize("wait", [True, False], ids=["blocking", "polling"])
    def test_run_returns_the_output_files(
        self, client: replicate.Replicate, model: str, *, wait: bool
    ) -> None:
        output = client.run(model, input={"prompt": "a lighthouse", "num_outputs": 2}, wait=wait)

        first_file = requests.get(str(output[0]), timeout=10).content
        assert len(output) == 2
        assert Image.open(BytesIO(first_file)).size == (1024, 1024)

    def test_run_polls_when_the_create_request_stops_waiting(
        self, client: replicate.Replicate, simulator: SimulatedReplicate
    ) -> None:
        set_faults(simulator, run_seconds=1.5)

        assert len(client.run(MODEL, input={"prompt": "a lighthouse"}, wait=1)) == 1

    @pytest.mark.parametrize("wait", [True, False], ids=["blocking", "polling"])
    def test_failed_run_raises_its_error(
        self, client: replicate.Replicate, simulator: SimulatedReplicate, *, wait: bool
    ) -> None:
        set_faults(simulator, fail=1, error="CUDA out of memory (E1001)")

        with pytest.raises(ModelError, match="E1001"):
            client.run(MODEL, input={"prompt": "a lighthouse"}, wait=wait)


class TestPythonFiles:
    def test_run_accepts_the_url_of_an_uploaded_file(self, client: replicate.Replicate) -> None:
        file = client.files.create(content=("image.png", image(), "image/png"))
        assert (file.content_type, file.size) == ("image/png", len(image()))
        assert [each.id for each in client.files.list()] == [file.id]

        output = client.run(EDITOR, input={"prompt": "from a file", "image": file.urls.get})
        assert len(output) == 1

        client.files.delete(file_id=file.id)
        with pytest.raises(replicate.NotFoundError):
            client.files.get(file_id=file.id)

    def test_run_uploads_a_file_input(self, client: replicate.Replicate) -> None:
        output = client.run(EDITOR, input={"prompt": "from a file", "image": BytesIO(image())})

        assert len(output) == 1
        (file,) = client.files.list()
        assert file.size == len(image())

    def test_deleted_file_fails_the_run(self, client: replicate.Replicate) -> None:
        file = client.files.create(content=("image.png", image(), "image/png"))
        client.files.delete(file_id=file.id)

        with pytest.raises(ModelError):
            client.run(EDITOR, input={"prompt": "from a file", "image": file.urls.get})


def test_client_reads_account_models_and_webhook_secret(
    client: replicate.Replicate, simulator: SimulatedReplicate
) -> None:
    versions = client.models.versions.list(model_owner="stability-ai", model_name="sdxl")
    version = client.models.versions.get(
        model_owner="stability-ai", model_name="sdxl", version_id=SDXL
    )

    assert [each.id for each in versions] == [SDXL]
    assert version.id == SDXL
    assert client.account.get().type == "organization"
    assert client.webhooks.default.secret.get().key == simulator.webhook_secret


@pytest.mark.parametrize(
    ("faults", "status", "title"),
    [
        ({"unauthenticated": 1}, 401, "Unauthenticated"),
        ({"no_credit": 1}, 402, "Insufficient credit"),
        ({"throttle": 1}, 429, "Request was throttled"),
        ({"server_error": 1}, 500, "Internal server error"),
        ({}, 422, "Input validation failed"),
    ],
    ids=str,
)
def test_refused_request_raises_its_status_and_title(
    client: replicate.Replicate,
    simulator: SimulatedReplicate,
    faults: dict[str, Any],
    status: int,
    title: str,
) -> None:
    set_faults(simulator, **faults)

    with pytest.raises(replicate.APIStatusError) as refused:
        client.predictions.create(version=MODEL, input={"prompt": 7})

    assert refused.value.status_code == status
    assert cast("dict[str, Any]", refused.value.body)["title"] == title


def downloaded_javascript_client(home: Path = HOME) -> Path:
    """Return the folder of the official JavaScript client. npm downloads a missing client.

    Raises NotHere if node or npm is not available, and NotGenuine if the checksum is wrong.
    """
    if shutil.which("node") is None:
        raise npm.NotHere("node is not installed (Debian: apt-get install npm)")
    return npm.fetched(JAVASCRIPT_CLIENT, home)


@pytest.fixture(scope="session")
def javascript_client() -> Path:
    """Return the client's folder. Without node or npm, skip the test, or fail it in CI."""
    try:
        return downloaded_javascript_client()
    except npm.NotHere as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test the JavaScript client: {missing}")
        REPORTED.append(
            f"JAVASCRIPT CLIENT SKIPPED, it was not tested with the simulated Replicate: {missing}"
        )
        warnings.warn(f"Replicate's JavaScript client is not tested: {missing}", stacklevel=1)
        pytest.skip(f"no JavaScript client: {missing}")


def delivered_webhook(client: replicate.Replicate) -> Received:
    """Return the webhook that the simulator sends at the end of a prediction."""
    received: list[Received] = []
    with server(answering(Reply(), received=received)) as url:
        client.predictions.create(
            version=MODEL,
            input={"prompt": "a lighthouse"},
            webhook=url,
            webhook_events_filter=["completed"],
        )
        until(lambda: received)
    return received[0]


def test_javascript_client_works_with_the_simulator(
    simulator: SimulatedReplicate, client: replicate.Replicate, javascript_client: Path
) -> None:
    webhook = delivered_webhook(client)
    environment = {
        "REPLICATE_URL": simulator.base_url,
        "CLIENT_FOLDER": str(javascript_client),
        "IMAGE": base64.b64encode(image()).decode(),
        "WEBHOOK": json.dumps({"headers": webhook.headers, "body": webhook.body.decode()}),
    }

    script = Path(__file__).with_name("official_client.mjs")
    completed = subprocess.run(
        ["node", str(script)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=_JAVASCRIPT_SECONDS_MAX,
        check=False,
    )

    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout) == {
        "waitedFor": ["succeeded", 1],
        "read": "succeeded",
        "isListed": True,
        "blockingRun": [2, True],
        "pollingRun": 1,
        "versionRun": 1,
        "longRun": 1,
        "failedRun": "Prediction failed: CUDA out of memory (E1001)",
        "canceled": "canceled",
        "createdFile": ["image/png", 7, True],
        "fileIsListed": True,
        "runFromFile": 1,
        "deletedFile": True,
        "deletedFileError": ["ApiError", 404, None],
        "runFromBlob": 1,
        "account": "organization",
        "versionsMatch": True,
        "refusals": {
            "invalid": ["ApiError", 422, "Input validation failed"],
            "token": ["ApiError", 401, "Unauthenticated"],
            "no_credit": ["ApiError", 402, "Insufficient credit"],
            "unauthenticated": ["ApiError", 401, "Unauthenticated"],
            "server_error": ["ApiError", 500, "Internal server error"],
            "throttle": ["ApiError", 429, "Request was throttled"],
        },
        "webhookIsValid": {
            "genuine": True,
            "changed": False,
            "otherId": False,
            "otherSecret": False,
        },
    }

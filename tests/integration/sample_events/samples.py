"""The sample events in events/, and the job that they describe."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import requests
from samcli.yamlhelper import yaml_parse

from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.storage import ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, ROOT, handler_of
from tests.builders import image_job, open_account, until

EVENTS = ROOT / "events"
SAMPLES = sorted(f"{path.parent.name}/{path.stem}" for path in EVENTS.glob("*/*.json"))
HTTP_SAMPLES = [
    sample
    for sample in SAMPLES
    if sample.startswith(("api/", "receive_prediction/", "unknown_path/"))
]
STATES = {
    name: state
    for name, state in yaml_parse((ROOT / "workflow.asl.yaml").read_text())["States"].items()
    if state["Type"] == "Task"
}

FIRST_ENTRY = "request_prediction/first_entry"
PREDICTION_FINISHED = "store_output/prediction_finished"


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


ACCOUNT = AccountId.parse(sample(FIRST_ENTRY)["account"])
JOB_ID: str = sample(FIRST_ENTRY)["job_id"]


def invoke_with_sample(name: str, event: Any = None) -> Any:
    """Invoke the function of the sample's folder with the sample, or with this event instead."""
    return handler_of(name.partition("/")[0])(event or sample(name), CONTEXT)


def sample_job(*, callback_url: str | None = None, age: timedelta = timedelta()) -> Job:
    """Create the job that the samples describe. Its credits are held."""
    job = replace(
        image_job(account=open_account(100, ACCOUNT), now=datetime.now(UTC) - age),
        job_id=JOB_ID,
        callback_url=callback_url,
    )
    return ledger.hold(job, key=None, now=job.created_at)[0]


def created_predictions(replicate: SimulatedReplicate) -> list[dict[str, Any]]:
    created: list[dict[str, Any]] = requests.get(
        f"{replicate.base_url}/sim/predictions", timeout=5
    ).json()["predictions"]
    return created


def job_with_finished_prediction(replicate: SimulatedReplicate) -> Job:
    """Create the samples' job, request its prediction, and wait until the prediction succeeds."""
    job = sample_job()
    invoke_with_sample(FIRST_ENTRY)
    until(lambda: created_predictions(replicate)[0]["status"] == "succeeded")
    return job


def field_names(document: Any) -> Any:
    """Return the nested field names of a document. Each value that is not a dict is None."""
    if not isinstance(document, dict):
        return None
    return {name: field_names(value) for name, value in document.items()}


def messages_in(queue: str) -> list[Any]:
    """Return the events in the queue, as EventBridge wrote them."""
    received = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]

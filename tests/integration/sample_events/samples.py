"""The sample events in events/, and the job that they are about."""

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
HTTP_SAMPLES = [sample for sample in SAMPLES if sample.startswith(("api/", "receive_prediction/"))]
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


def take(name: str, event: Any = None) -> Any:
    """Give a sample event, or what a test made of it, to the function in whose folder it lies."""
    return handler_of(name.partition("/")[0])(event or sample(name), CONTEXT)


def sample_job(*, callback_url: str | None = None, age: timedelta = timedelta()) -> Job:
    """The job that the samples are about: its credits are held, and nothing else has happened to it."""
    job = replace(
        image_job(account=open_account(100, ACCOUNT), now=datetime.now(UTC) - age),
        job_id=JOB_ID,
        callback_url=callback_url,
    )
    return ledger.hold(job, key=None, now=job.created_at)[0]


def predictions_at(replicate: SimulatedReplicate) -> list[dict[str, Any]]:
    created: list[dict[str, Any]] = requests.get(
        f"{replicate.base_url}/sim/predictions", timeout=5
    ).json()["predictions"]
    return created


def generated_job(replicate: SimulatedReplicate) -> Job:
    """The samples' job, after its prediction was asked for and has succeeded."""
    job = sample_job()
    take(FIRST_ENTRY)
    until(lambda: predictions_at(replicate)[0]["status"] == "succeeded")
    return job


def keys_of(document: Any) -> Any:
    """The names in a document, however deep, without the values."""
    return (
        {name: keys_of(value) for name, value in document.items()}
        if isinstance(document, dict)
        else None
    )


def messages_in(queue: str) -> list[Any]:
    """The events that lie in the queue, as EventBridge wrote them."""
    received = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]

"""The texts in a job's row: UTF-8, each stored once, and read back exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from darkroom.domain.jobs import Job, ModelInput
from darkroom.settings import settings
from darkroom.storage import jobs, ledger
from darkroom.storage.job_rows import JOB_PREFIX, JobRow, partition, row_of, to_job
from tests.aws import client
from tests.builders import ANN, image_job, open_account

pytestmark = pytest.mark.usefixtures("aws")

TEXTS = [
    "a lighthouse",
    "😀 灯台 ä \U0010ffff",
    'quotes " and \\ and / and </script>',
    "\u0000 \u001f \u007f \u2028 \ufeff \ufffe",
    "line\r\nbreak\ttab",
    "\\ud83d\\ude00",
    "lone \ud83d surrogate",
]
VALUES: list[Any] = [1, 1.0, True, 0, False, None, 1.5, 10**17, [], ["a", 1], {"b": {"c": []}}]


def held(job: Job) -> Job:
    """Hold a job and return its record."""
    open_account(1_000)
    ledger.hold(job, key=None, now=job.created_at)
    return jobs.read(job.account, job.job_id)


def item_of(job: Job) -> dict[str, Any]:
    """Read a job's item as DynamoDB stores it."""
    key = {"pk": {"S": partition(ANN)}, "sk": {"S": JOB_PREFIX + job.job_id}}
    item: dict[str, Any] = client("dynamodb").get_item(
        TableName=settings().table_name, Key=key, ConsistentRead=True
    )["Item"]
    return item


def item_bytes(item: dict[str, Any]) -> int:
    """Return about the size of an item: the UTF-8 bytes of its names and values."""
    return len(json.dumps(item, ensure_ascii=False).encode())


def with_input(job: Job, parameters: dict[str, Any], model_input: dict[str, Any]) -> Job:
    provider = job.model_input
    return replace(
        job,
        parameters=parameters,
        model_input=ModelInput(provider.provider, provider.model, model_input, 1),
    )


def test_a_prompt_is_in_the_item_once() -> None:
    job = held(image_job(prompt="a lighthouse at dawn"))

    assert json.dumps(item_of(job)).count("a lighthouse at dawn") == 1
    assert job.parameters["prompt"] == job.model_input.input["prompt"] == "a lighthouse at dawn"


def test_a_prompt_of_5_000_emoji_makes_an_item_of_at_most_25_kilobytes() -> None:
    job = held(image_job(prompt="😀" * 5_000))

    item = item_of(job)
    assert 20_000 < item_bytes(item) <= 25_000
    assert job.parameters["prompt"] == "😀" * 5_000


@pytest.mark.parametrize("text", TEXTS)
def test_parameters_input_and_metadata_are_read_back_exactly(text: str) -> None:
    made = image_job()
    parameters = {"prompt": text, "own": text, text: [text, {"key": text}]}
    sent = {"prompt": text, "image": f"uploads/{text!r}"}
    job = held(replace(with_input(made, parameters, sent), metadata={"order": text}))

    assert job.parameters == parameters
    assert job.model_input.input == sent
    assert job.metadata == {"order": text}


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_equal_values_of_different_types_stay_different(value: object) -> None:
    for other in VALUES:
        made = with_input(image_job(), {"b": 1, "a": value}, {"a": other})
        row = row_of(made, next_check_at=made.created_at)
        job = to_job(JobRow.from_raw_data(row.serialize()))

        assert repr(job.parameters) == repr({"b": 1, "a": value})
        assert repr(job.model_input.input) == repr({"a": other})


def test_parameters_keep_their_order() -> None:
    parameters = {"z": 1, "prompt": "p", "a": 2}

    job = held(with_input(image_job(), parameters, {"prompt": "p", "z": 1}))

    assert list(job.parameters) == ["z", "prompt", "a"]


def test_a_row_of_release_0_1_0_has_complete_parameters() -> None:
    job = held(image_job(prompt="a lighthouse at dawn"))
    key = {"pk": {"S": partition(ANN)}, "sk": {"S": JOB_PREFIX + job.job_id}}
    client("dynamodb").update_item(
        TableName=settings().table_name,
        Key=key,
        UpdateExpression="SET #parameters = :parameters REMOVE parameter_names",
        ExpressionAttributeNames={"#parameters": "parameters"},
        ExpressionAttributeValues={":parameters": {"S": json.dumps(dict(job.parameters))}},
    )

    assert jobs.read(ANN, job.job_id).parameters == job.parameters


def test_release_0_1_0_finds_the_whole_input_in_a_new_row() -> None:
    job = held(image_job(prompt="a 😀 lighthouse"))

    item = item_of(job)
    assert json.loads(item["input"]["S"]) == job.model_input.input
    assert json.loads(item["parameters"]["S"]).items() <= job.parameters.items()

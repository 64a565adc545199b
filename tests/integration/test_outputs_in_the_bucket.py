"""Outputs that a provider without URLs stores in the bucket itself."""

from __future__ import annotations

import os

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job
from darkroom.media import bucket
from darkroom.services import deliver_output
from tests.aws import client, forget_settings
from tests.builders import image_job

BODY = b"the bytes of an image"

pytestmark = pytest.mark.usefixtures("aws")


def output_of(job: Job) -> str:
    key = bucket.prefix_of(job.account, job.job_id) + "0.png"
    client("s3").put_object(Bucket=os.environ["MEDIA_BUCKET"], Key=key, Body=BODY)
    return key


def failure_of(job: Job, output: str) -> FailureCode:
    with pytest.raises(GenerationFailed) as failed:
        deliver_output._open(job, output)
    return failed.value.failure.code


def test_output_of_the_job_is_read() -> None:
    job = image_job()

    with deliver_output._open(job, output_of(job)) as file:
        assert file.read() == BODY


@pytest.mark.parametrize("account", [AccountId("web", "ann"), AccountId("web", "bob")])
def test_output_of_another_job_is_rejected(account: AccountId) -> None:
    other = output_of(image_job(account=account))

    assert failure_of(image_job(), other) is FailureCode.OUTPUT_HOST_REFUSED


def test_output_larger_than_the_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    job = image_job()
    output = output_of(job)
    monkeypatch.setenv("OUTPUT_BYTES_MAX", str(len(BODY) - 1))
    forget_settings()

    assert failure_of(job, output) is FailureCode.OUTPUT_REJECTED

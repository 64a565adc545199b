"""Each response has an explicit list of fields, whatever the stored record contains."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from darkroom import catalog
from darkroom.domain.accounts import Balance, Entry
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Attempt, Job, JobStatus, Output, StoredPreview
from darkroom.schemas.job_response import build_job_response
from darkroom.schemas.responses import JobResponse
from darkroom.schemas.views import balance_response, entry_response, template_response, time_text
from tests.builders import NOON, image_job

OUTPUT = Output(
    number=1,
    key="media/1.png",
    content_type="image/png",
    bytes=5,
    width=6,
    height=7,
    seconds=None,
    thumbnail_key="media/1.jpg",
    placeholder="data:,",
    previews=(StoredPreview("media/1.512.webp", 439, 512, 9),),
    frames=3,
    c2pa=True,
)
ATTEMPT = Attempt(
    number=1,
    nonce="secret-nonce",
    state_entry="entry",
    requested_at=NOON,
    lease_until=NOON,
    prediction_id="secret-prediction",
)


class FakeLinks:
    expires_at = NOON + timedelta(hours=1)

    def link(self, key: str, *, filename: str | None = None) -> str:
        return f"signed:{key}" + (f" as {filename}" if filename else "")


def view(job: Job) -> JobResponse:
    return build_job_response(job, links=FakeLinks() if job.outputs else None)


def full_job() -> Job:
    return replace(
        image_job(now=NOON),
        status=JobStatus.COMPLETED,
        attempts=(ATTEMPT,),
        outputs=(
            OUTPUT,
            Output(
                number=0, key="media/0.png", content_type="image/png", bytes=5, width=6, height=7
            ),
        ),
        task_token="secret-token",
        started_at=NOON + timedelta(seconds=1),
        finished_at=NOON + timedelta(seconds=3.5),
        charged=10,
        callback_url="https://example.com/secret-hook",
        metadata={"a": "b"},
    )


def test_a_job_response_has_the_fields_of_the_contract() -> None:
    assert view(full_job()).keys() == {
        "id", "status", "template", "parameters", "credits", "outputs", "links_expire_at", "error",
        "metadata", "deadline_at", "attempts", "waiting_since", "cancel_requested_at",
        "created_at", "started_at", "finished_at", "processing_seconds", "queue", "queue_until",
    }  # fmt: skip


def test_internal_fields_are_not_in_the_response() -> None:
    assert "secret" not in json.dumps(view(full_job()))


def test_the_parts_of_a_job() -> None:
    job = full_job()
    response = view(job)

    assert response["template"] == {
        "code": "flux-schnell",
        "version": 2,
        "name": "FLUX schnell",
        "category": "image",
    }
    assert response["credits"] == {"quoted": 10, "held": 0, "charged": 10, "refunded": 0}
    preview = {
        "url": "signed:media/1.512.webp",
        "width": 439,
        "height": 512,
        "content_type": "image/webp",
        "bytes": 9,
    }
    assert response["outputs"] == [
        {
            "url": f"signed:media/{number}.png",
            "download_url": (
                f"signed:media/{number}.png as flux-schnell-2026-01-02-{number + 1}.png"
            ),
            "thumbnail_url": thumbnail,
            "placeholder": placeholder,
            "previews": previews,
            "content_type": "image/png",
            "bytes": 5,
            "width": 6,
            "height": 7,
            "seconds": None,
            "frames": frames,
            "provenance": {"c2pa": c2pa},
        }
        for number, thumbnail, placeholder, previews, frames, c2pa in (
            (0, None, None, [], None, None),
            (1, "signed:media/1.jpg", "data:,", [preview], 3, True),
        )
    ]
    assert (response["attempts"], response["processing_seconds"]) == (1, 2.5)
    assert (response["links_expire_at"], response["finished_at"]) == (
        "2026-01-02T13:00:00.000Z",
        "2026-01-02T12:00:03.500Z",
    )
    assert (response["error"], response["waiting_since"], response["cancel_requested_at"]) == (
        None,
        None,
        None,
    )


def test_the_error_is_in_the_response_of_a_final_job_only() -> None:
    job = replace(image_job(), failure=failure(FailureCode.REFUSED))

    assert view(job)["error"] is None
    assert view(replace(job, status=JobStatus.FAILED))["error"] == {
        "code": "refused",
        "message": failure(FailureCode.REFUSED).message,
        "retryable": False,
    }


def test_a_job_without_outputs_has_no_expiry_of_links() -> None:
    response = view(image_job())

    assert (response["outputs"], response["links_expire_at"], response["processing_seconds"]) == (
        [],
        None,
        None,
    )


def test_a_balance_response_has_the_fields_of_the_contract() -> None:
    assert balance_response(Balance(1, 2, 3, 6, 5, 9)) == {
        "available": 1,
        "held": 2,
        "spent": 3,
        "granted": 6,
        "in_flight": 5,
    }


def test_an_entry_response_has_the_fields_of_the_contract() -> None:
    entry = Entry("e1", "grant", 1, 1, 0, 0, None, "order 1", NOON)

    assert entry_response(entry) == {
        "id": "e1", "kind": "grant", "granted": 1, "available": 1, "held": 0, "spent": 0,
        "job_id": None, "reference": "order 1", "created_at": "2026-01-02T12:00:00.000Z",
    }  # fmt: skip


def test_a_template_response_has_the_schema_but_not_the_provider() -> None:
    response = template_response(catalog.template("flux-schnell"))

    assert response.keys() == {
        "code",
        "version",
        "name",
        "description",
        "category",
        "expected_seconds",
        "seconds_max",
        "commercial_use",
        "credits",
        "parameters",
    }
    assert response["parameters"]["required"] == ["prompt"]
    assert "black-forest-labs" not in json.dumps(response)


def test_times_are_in_utc_with_milliseconds() -> None:
    assert (
        time_text(datetime(2026, 1, 2, 14, 0, 0, 1_999, tzinfo=timezone(timedelta(hours=2))))
        == "2026-01-02T12:00:00.001Z"
    )
    assert time_text(None) is None

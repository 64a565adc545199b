"""The row of a job and the job have the same data: a new field needs a column, and a mapping."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)

from darkroom.domain.jobs import Attempt, Job, Output
from darkroom.storage.job_parts import AttemptMap, OutputMap, PreviewMap
from darkroom.storage.job_rows import JobRow, row_of, to_job
from darkroom.storage.json_text import JsonTextAttribute
from tests.builders import image_job

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SAMPLES: dict[type[Attribute[Any]], Any] = {
    BooleanAttribute: True,
    JsonTextAttribute: {"key": "value"},
    NumberAttribute: 7,
    UnicodeAttribute: "text",
    UTCDateTimeAttribute: NOON,
}
SPECIAL = {
    "pk": "ACCOUNT#web#ann",
    "sk": "JOB#1",
    "status": "completed",
    "failure_code": "refused",
    "images": ["image"],
    "finished_outputs": ["media/web/ann/1/0.png"],
}


def filled(row: type[JobRow | AttemptMap | OutputMap | PreviewMap]) -> dict[str, Any]:
    """Return a value for each attribute of a row or map."""
    return {
        name: SPECIAL.get(name, SAMPLES.get(type(attribute)))
        for name, attribute in row.get_attributes().items()
        if name in SPECIAL or type(attribute) in SAMPLES
    }


@pytest.fixture
def job() -> Job:
    """A job that is read from a row in which every attribute has a value."""
    row = JobRow(**filled(JobRow))
    row.attempts = [AttemptMap(**filled(AttemptMap))]  # type: ignore[no-untyped-call]
    previews = [PreviewMap(**filled(PreviewMap))]  # type: ignore[no-untyped-call]
    output = OutputMap(previews=previews, **filled(OutputMap))  # type: ignore[no-untyped-call]
    row.outputs = [output]
    return to_job(row)


def default_of(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def test_each_field_of_a_job_is_read_from_its_row(job: Job) -> None:
    (attempt,), (output,) = job.attempts, job.outputs
    (preview,) = output.previews
    at_default = [
        f"{type(record).__name__}.{field.name}"
        for record in (job, attempt, output, preview)
        for field in fields(record)
        if getattr(record, field.name) == default_of(field)
    ]

    assert isinstance(attempt, Attempt)
    assert isinstance(output, Output)
    assert not at_default


def test_a_new_job_is_read_as_it_was_made() -> None:
    made = replace(image_job(), callback_url="https://example.com", metadata={"order": 17})

    assert to_job(row_of(made, next_check_at=NOON)) == replace(made, held=made.quoted)


def test_a_read_of_a_job_copies_no_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = row_of(image_job(), next_check_at=NOON)
    stored.attempts = [AttemptMap(**filled(AttemptMap))]  # type: ignore[no-untyped-call]
    previews = [PreviewMap(**filled(PreviewMap))]  # type: ignore[no-untyped-call]
    output = OutputMap(previews=previews, **filled(OutputMap))  # type: ignore[no-untyped-call]
    stored.outputs = [output]
    data = stored.serialize()

    def copied(value: Any) -> Any:
        raise AssertionError(f"copied {value}")

    monkeypatch.setattr("pynamodb.attributes.deepcopy", copied)
    read = JobRow.from_raw_data(data)

    assert to_job(read) == to_job(stored)

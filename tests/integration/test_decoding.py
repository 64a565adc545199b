"""The record of the output that is being decoded: one invocation at a time has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from darkroom.domain.jobs import Decoding, Output, StoredPreview
from darkroom.storage import jobs, ledger
from tests.builders import ANN, NOON, held_job, stored

pytestmark = pytest.mark.usefixtures("aws")

DECODING = Decoding(0, "media/0-a.png")
OTHER = Decoding(0, "media/0-b.png")
OUTPUT = Output(
    number=0,
    key=DECODING.key,
    content_type="image/gif",
    bytes=1,
    width=2,
    height=3,
    seconds=1.5,
    thumbnail_key="media/0.thumbnail.jpg",
    placeholder="data:",
    previews=(StoredPreview("media/p", 512, 341, 7), StoredPreview("media/q", 1_024, 683, 9)),
    frames=4,
    c2pa=False,
)


def test_a_decoding_is_recorded_once_and_users_do_not_see_it() -> None:
    job = held_job()

    assert jobs.record_decoding(job, DECODING)
    assert not jobs.record_decoding(job, DECODING)
    assert not jobs.record_decoding(job, OTHER)
    assert stored(job) == replace(job, decoding=DECODING)


def test_a_decoding_of_number_zero_is_read() -> None:
    job = held_job()
    jobs.record_decoding(job, DECODING)

    assert stored(job).decoding == DECODING


def test_only_the_decoded_object_becomes_an_output() -> None:
    job = held_job()
    jobs.record_decoding(job, DECODING)

    assert not jobs.record_output(job, OUTPUT)
    assert not jobs.record_output(replace(job, decoding=OTHER), replace(OUTPUT, key=OTHER.key))
    assert jobs.record_output(replace(job, decoding=DECODING), OUTPUT)
    assert (stored(job).outputs, stored(job).decoding) == ((OUTPUT,), None)


def test_an_output_is_not_recorded_after_its_decoding_was_cleared() -> None:
    job = held_job()
    jobs.record_decoding(job, DECODING)

    assert not jobs.clear_decoding(job, OTHER)
    assert jobs.clear_decoding(job, DECODING)
    assert not jobs.clear_decoding(job, DECODING)
    assert not jobs.record_output(replace(job, decoding=DECODING), OUTPUT)
    assert stored(job) == job


def test_an_invocation_without_all_outputs_decodes_nothing() -> None:
    job = held_job()
    jobs.record_output(job, OUTPUT)

    assert not jobs.record_decoding(job, Decoding(1, "media/1-a.png"))
    assert jobs.record_decoding(stored(job), Decoding(1, "media/1-a.png"))


def test_the_end_of_a_job_clears_its_decoding() -> None:
    job = held_job()
    jobs.record_decoding(job, DECODING)

    ended = ledger.resolve(ANN, job.job_id, now=NOON)

    assert (ended.decoding, stored(job).decoding) == (None, None)
    assert not jobs.record_decoding(ended, DECODING)
    assert not jobs.record_output(replace(ended, decoding=DECODING), OUTPUT)
    assert stored(job) == ended

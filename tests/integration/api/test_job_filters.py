"""The filters of the list of jobs: several statuses, the template and the dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid6 import UUID

from darkroom.domain.jobs import Job
from darkroom.storage import ledger
from darkroom.storage.job_lists import ID_SECONDS_MAX, JobFilter
from darkroom.storage.job_rows import JobRow
from tests.aws import TEMPLATE
from tests.builders import ANN, NOON, call_api, image_job, open_account
from tests.integration.api.calls import assert_is_problem, error_fields, submit

pytestmark = pytest.mark.usefixtures("aws")

INVALID = [
    "created_after=2026-11-29",
    "created_after=2026-11-29T12:00:00",
    "created_after=2026-11-29T12:00:00+01:00".replace("+", " "),
    "created_after=1764417600",
    "created_after=2026-02-30T12:00:00Z",
    "created_after=2026-11-29T24:30:00Z",
    "created_before=0001-01-01T00:00:00%2B14:00".replace("%2B", "+"),
    "created_before=9999-12-31T23:59:59-14:00",
    "created_before=now",
    "template=a,b",
    "template=FLUX",
    "template=" + "a" * 65,
]
ALL_DATES = [
    "created_after=0001-01-01T00:00:00Z",
    "created_after=1969-12-31T23:59:59Z",
    "created_before=9999-12-31T23:59:59.999999Z",
    "created_after=2000-01-01T00:00Z",
]


def listed(query: str) -> list[str]:
    """Return the ids of all jobs that a query lists, over all pages."""
    ids, cursor = list[str](), ""
    while True:
        status, page, _ = call_api("GET", "/jobs", query=f"{query}{cursor}")
        assert status == 200, page
        ids += [job["id"] for job in page["jobs"]]
        if page["next_cursor"] is None:
            return ids
        cursor = f"&cursor={page['next_cursor']}"


def job_at(created_at: datetime, *, id_seconds: float = 0.0) -> Job:
    """Hold a job that was created at a time. Its id was made `id_seconds` later."""
    milliseconds = round((created_at.timestamp() + id_seconds) * 1000)
    random_bits = UUID(image_job().job_id).int & ((1 << 80) - 1)
    job_id = str(UUID(int=(milliseconds << 80) | random_bits))
    job = replace(image_job(), job_id=job_id, created_at=created_at)
    return ledger.hold(job, key=None, now=created_at)[0]


def iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


@pytest.fixture
def days() -> list[str]:
    """Hold one job on each of five days. The list has their ids, oldest first."""
    open_account(1_000)
    return [job_at(NOON + timedelta(days=day)).job_id for day in range(5)]


class TestStatuses:
    def test_a_repeated_status_lists_jobs_of_each(self) -> None:
        open_account(100)
        ids = [submit()[1]["id"] for _ in range(3)]
        ledger.resolve(ANN, ids[1], now=datetime.now(UTC))

        assert listed("status=failed&status=pending") == ids[::-1]
        assert listed("status=failed&status=completed") == [ids[1]]
        assert listed("status=failed&status=failed") == [ids[1]]
        assert listed("status=completed&status=canceled&limit=1") == []

    def test_an_empty_value_counts_as_absent(self, subtests: pytest.Subtests) -> None:
        open_account(100)
        ids = [submit()[1]["id"] for _ in range(2)]

        for query in (
            "status=", "limit=", "cursor=", "template=", "created_after=", "created_before=",
            "status=&status=pending", "limit=&cursor=&status=",
        ):  # fmt: skip
            with subtests.test(query=query):
                assert listed(query) == ids[::-1]


class TestTemplate:
    def test_lists_the_jobs_of_one_template(self) -> None:
        open_account(1_000)
        schnell = submit()[1]["id"]
        dev = submit(body={"template": "flux-dev", "parameters": {"prompt": "p"}})[1]["id"]

        assert listed("template=flux-schnell") == [schnell]
        assert listed("template=flux-dev&status=pending") == [dev]
        assert listed("template=flux-dev&status=failed") == []

    def test_a_template_that_is_no_longer_available_is_no_error(self) -> None:
        assert listed("template=retired-1.0") == []


class TestDates:
    def test_the_first_time_is_included_and_the_last_is_not(self, days: list[str]) -> None:
        first, last = iso(NOON + timedelta(days=1)), iso(NOON + timedelta(days=3))

        assert listed(f"created_after={first}&created_before={last}") == [days[2], days[1]]
        assert listed(f"created_after={last}") == [days[4], days[3]]
        assert listed(f"created_before={first}") == [days[0]]

    def test_a_time_is_compared_to_the_microsecond_and_in_its_zone(self, days: list[str]) -> None:
        second_day = NOON + timedelta(days=1)
        later = iso(second_day + timedelta(microseconds=1))

        assert listed(f"created_after={later}")[-1] == days[2]
        assert listed(f"created_before={later}")[0] == days[1]
        zoned = second_day.replace(tzinfo=None) + timedelta(hours=2)
        assert listed(f"created_after={zoned.isoformat()}+02:00")[-1] == days[1]

    def test_a_job_whose_id_is_later_than_its_creation_is_listed(self) -> None:
        open_account(100)
        late = job_at(NOON, id_seconds=ID_SECONDS_MAX - 1).job_id
        early = job_at(NOON, id_seconds=1 - ID_SECONDS_MAX).job_id

        after, before = iso(NOON), iso(NOON + timedelta(microseconds=1))
        assert listed(f"created_after={after}&created_before={before}") == [late, early]

    def test_an_id_is_made_within_the_invocation_that_created_the_job(self) -> None:
        assert TEMPLATE["Globals"]["Function"]["Timeout"] < ID_SECONDS_MAX

    def test_pages_of_a_range_list_each_job_once(self, days: list[str]) -> None:
        first, last = iso(NOON + timedelta(hours=1)), iso(NOON + timedelta(days=3, hours=1))

        assert listed(f"limit=1&created_after={first}&created_before={last}") == days[1:4][::-1]

    def test_every_cursor_is_safe_with_every_range(self, days: list[str]) -> None:
        newest = call_api("GET", "/jobs", query="limit=1")[1]["next_cursor"]
        oldest = call_api("GET", "/jobs", query="limit=4")[1]["next_cursor"]
        old = f"created_before={iso(NOON + timedelta(days=2))}"
        new = f"created_after={iso(NOON + timedelta(days=2))}"

        assert listed(f"{old}&cursor={newest}") == [days[1], days[0]]
        assert listed(f"{old}&cursor={oldest}") == [days[0]]
        assert listed(f"{new}&cursor={newest}") == [days[3], days[2]]
        assert listed(f"{new}&cursor={oldest}") == []

    def test_no_start_key_outside_the_range_is_sent(
        self, days: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # DynamoDB refuses such a key ("The provided starting key is outside query boundaries").
        # moto accepts it.
        sent: list[str | None] = []
        query = JobRow.query

        def recorded(*args: Any, **options: Any) -> Any:
            sent.append((options["last_evaluated_key"] or {"sk": {"S": None}})["sk"]["S"])
            return query(*args, **options)

        newest = call_api("GET", "/jobs", query="limit=1")[1]["next_cursor"]
        oldest = call_api("GET", "/jobs", query="limit=4")[1]["next_cursor"]
        dates = iso(NOON + timedelta(days=2)), iso(NOON + timedelta(days=3))
        monkeypatch.setattr(JobRow, "query", recorded)
        for cursor in (newest, oldest):
            listed(f"created_after={dates[0]}&created_before={dates[1]}&cursor={cursor}")
        listed(f"created_after={dates[1]}&cursor={newest}")

        assert sent == [None, f"JOB#{days[4]}"]

    def test_the_dates_limit_the_keys_that_are_read(self) -> None:
        only = JobFilter(created_after=NOON, created_before=NOON + timedelta(days=1))
        first, last = only.key_range or ("", "")
        before = job_at_key(NOON - timedelta(minutes=2)), job_at_key(NOON + timedelta(minutes=1))

        assert before[0] < first < before[1] < last
        assert last < job_at_key(NOON + timedelta(days=1, minutes=2))

    def test_names_an_invalid_value(self, subtests: pytest.Subtests) -> None:
        for query in INVALID:
            with subtests.test(query=query):
                status, problem, headers = call_api("GET", "/jobs", query=query)

                assert_is_problem(status, problem, headers)
                assert (status, error_fields(problem)) == (422, [query.partition("=")[0]])

    def test_refuses_a_range_without_a_moment(self, subtests: pytest.Subtests) -> None:
        for before in (NOON, NOON - timedelta(seconds=1)):
            with subtests.test(before=str(before)):
                query = f"created_after={iso(NOON)}&created_before={iso(before)}"
                status, problem, _ = call_api("GET", "/jobs", query=query)

                assert (status, error_fields(problem)) == (422, ["created_before"])

    def test_extreme_dates_list_every_job(self, days: list[str], subtests: pytest.Subtests) -> None:
        for query in ALL_DATES:
            with subtests.test(query=query):
                assert listed(query) == days[::-1]


def job_at_key(time: datetime) -> str:
    """Return the sort key of a job whose id was made at a time."""
    digits = f"{round(time.timestamp() * 1000):012x}"
    return f"JOB#{digits[:8]}-{digits[8:]}-7000-8000-000000000000"

"""The lists of jobs and of entries: pages, filters and cursors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from darkroom.storage import grants, jobs, ledger
from tests.builders import (
    ANN,
    call_api,
    held_job,
    open_account,
)
from tests.integration.api.calls import (
    ADMIN,
    assert_is_problem,
    error_fields,
    submit,
)

pytestmark = pytest.mark.usefixtures("aws")

INVALID_QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=many",
    "limit=1.5",
    "limit=+5",
    "limit=05",
    "limit= 5",
    "limit=5 ",
    "limit=1_0",
    "limit=٥",
    "limit=1e1",
    "cursor=!",
    "cursor=Sk9CIw",
]


class TestLists:
    def test_pages_list_each_job_once_newest_first_with_the_total(self) -> None:
        open_account(1_000)
        ids = [submit()[1]["id"] for _ in range(5)]

        listed, query, totals = list[str](), "limit=2", set[int]()
        while query:
            status, page, _ = call_api("GET", "/jobs", query=query)
            assert status == 200
            assert page.keys() == {"jobs", "next_cursor", "total"}
            listed += [job["id"] for job in page["jobs"]]
            totals.add(page["total"])
            query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

        assert listed == ids[::-1]
        assert totals == {5}

    def test_a_status_filters_the_jobs_but_not_the_total(self) -> None:
        open_account(100)
        ids = [submit()[1]["id"] for _ in range(3)]
        ledger.resolve(ANN, ids[1], now=datetime.now(UTC))

        assert [
            job["id"] for job in call_api("GET", "/jobs", query="status=failed")[1]["jobs"]
        ] == [ids[1]]
        assert [
            job["id"] for job in call_api("GET", "/jobs", query="status=pending")[1]["jobs"]
        ] == [ids[2], ids[0]]
        assert call_api("GET", "/jobs", query="status=completed")[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 3,
        }

    def test_an_entry_shows_the_changes_of_one_transaction(self) -> None:
        job = held_job(credits=30)

        _, page, _ = call_api("GET", "/credits/entries")

        assert page["next_cursor"] is None
        held, granted = page["entries"]
        assert held == {
            "id": held["id"],
            "kind": "hold",
            "granted": 0,
            "available": -10,
            "held": 10,
            "spent": 0,
            "job_id": job.job_id,
            "reference": None,
            "created_at": held["created_at"],
        }
        assert (granted["kind"], granted["granted"], granted["available"], granted["job_id"]) == (
            "grant",
            30,
            30,
            None,
        )

    def test_pages_list_entries_newest_first(self) -> None:
        for number in range(3):
            grants.grant(ANN, number + 1, reason="r", reference=str(number), now=datetime.now(UTC))

        _, first, _ = call_api("GET", "/credits/entries", query="limit=2")
        _, second, _ = call_api(
            "GET", "/credits/entries", query=f"limit=2&cursor={first['next_cursor']}"
        )

        assert [entry["granted"] for entry in (*first["entries"], *second["entries"])] == [3, 2, 1]
        assert second["next_cursor"] is None

    @pytest.mark.parametrize("path", ["/jobs", "/credits/entries", "/accounts/web/ann/entries"])
    def test_names_an_invalid_limit_or_cursor(self, path: str, subtests: pytest.Subtests) -> None:
        for query in INVALID_QUERIES:
            with subtests.test(query=query):
                status, problem, headers = call_api("GET", path, query=query, **ADMIN)

                assert status == 422
                assert_is_problem(status, problem, headers)
                assert error_fields(problem) == [query.partition("=")[0]]

    @pytest.mark.parametrize(
        ("path", "other"), [("/jobs", "/credits/entries"), ("/credits/entries", "/jobs")]
    )
    def test_refuses_the_cursor_of_another_list(self, path: str, other: str) -> None:
        open_account(100)
        for _ in range(2):
            submit()
        cursor = call_api("GET", path, query="limit=1")[1]["next_cursor"]

        assert call_api("GET", path, query=f"limit=1&cursor={cursor}")[0] == 200
        status, problem, _ = call_api("GET", other, query=f"limit=1&cursor={cursor}")

        assert (status, error_fields(problem)) == (422, ["cursor"])

    def test_writes_between_two_pages_neither_repeat_nor_hide_an_item(self) -> None:
        open_account(1_000)
        before = [submit()[1]["id"] for _ in range(6)]
        entries_before = [
            entry["id"] for entry in call_api("GET", "/credits/entries")[1]["entries"]
        ]

        def ids_while_jobs_are_submitted(path: str, name: str) -> list[str]:
            listed, query = list[str](), "limit=2"
            while query:
                page = call_api("GET", path, query=query)[1]
                listed += [item["id"] for item in page[name]]
                submit()
                query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
            return listed

        assert ids_while_jobs_are_submitted("/jobs", "jobs") == before[::-1]
        new_entries = ids_while_jobs_are_submitted("/credits/entries", "entries")
        assert [entry for entry in new_entries if entry in entries_before] == entries_before
        assert len(new_entries) == len(set(new_entries))

    def test_deleting_the_job_of_a_cursor_hides_no_other_job(self) -> None:
        open_account(1_000)
        ids = [submit()[1]["id"] for _ in range(4)]
        page = call_api("GET", "/jobs", query="limit=2")[1]
        # The cursor of the page names this job.
        assert jobs.leave_open_jobs(ledger.resolve(ANN, ids[2], now=datetime.now(UTC)))
        assert call_api("DELETE", f"/jobs/{ids[2]}")[0] == 204

        assert [
            job["id"]
            for job in call_api("GET", "/jobs", query=f"cursor={page['next_cursor']}")[1]["jobs"]
        ] == [ids[1], ids[0]]

    def test_names_an_invalid_status(self, subtests: pytest.Subtests) -> None:
        for job_status in ("done", "PENDING", " ", "pending;failed", "pending&status=done"):
            with subtests.test(job_status=job_status):
                status, problem, _ = call_api("GET", "/jobs", query=f"status={job_status}")

                assert (status, error_fields(problem)) == (422, ["status"])

    def test_accepts_the_largest_limit(self) -> None:
        assert call_api("GET", "/jobs", query="limit=100")[0] == 200

    def test_a_cursor_shows_no_jobs_to_another_account(self) -> None:
        open_account(100)
        for _ in range(3):
            submit()
        cursor = call_api("GET", "/jobs", query="limit=1")[1]["next_cursor"]

        assert call_api("GET", "/jobs", query=f"cursor={cursor}", user="bob")[1]["jobs"] == []

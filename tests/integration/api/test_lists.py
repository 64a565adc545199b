"""The lists of jobs and of entries: pages, filters and cursors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from darkroom.storage import jobs, ledger
from tests.builders import (
    ANN,
    call_api,
    held_job,
    open_account,
)
from tests.integration.api.calls import (
    ADMIN,
    assert_is_problem,
    fields,
    submit,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestLists:
    def test_jobs_come_newest_first_each_once_and_with_the_total(self) -> None:
        open_account(1_000)
        ids = [submit()[1]["id"] for _ in range(5)]

        seen, query, totals = list[str](), "limit=2", set[int]()
        while query:
            status, page, _ = call_api("GET", "/jobs", query=query)
            assert status == 200
            assert page.keys() == {"jobs", "next_cursor", "total"}
            seen += [job["id"] for job in page["jobs"]]
            totals.add(page["total"])
            query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

        assert seen == ids[::-1]
        assert totals == {5}

    def test_a_status_filters_the_jobs_and_not_the_total(self) -> None:
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

    def test_entries_show_exactly_what_a_transaction_changed(self) -> None:
        job = held_job(credits=30)

        _, page, _ = call_api("GET", "/credits/entries")

        assert page["next_cursor"] is None
        held, granted = page["entries"]
        assert held == {
            "id": held["id"], "kind": "hold", "granted": 0, "available": -10, "held": 10, "spent": 0,
            "job_id": job.job_id, "reference": None, "created_at": held["created_at"],
        }  # fmt: skip
        assert (granted["kind"], granted["granted"], granted["available"], granted["job_id"]) == (
            "grant",
            30,
            30,
            None,
        )

    def test_entries_come_page_by_page(self) -> None:
        for number in range(3):
            ledger.grant(ANN, number + 1, reason="r", reference=str(number), now=datetime.now(UTC))

        _, first, _ = call_api("GET", "/credits/entries", query="limit=2")
        _, second, _ = call_api(
            "GET", "/credits/entries", query=f"limit=2&cursor={first['next_cursor']}"
        )

        assert [entry["granted"] for entry in (*first["entries"], *second["entries"])] == [3, 2, 1]
        assert second["next_cursor"] is None

    @pytest.mark.parametrize("path", ["/jobs", "/credits/entries", "/accounts/web/ann/entries"])
    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=-1",
            "limit=101",
            "limit=many",
            "limit=1.5",
            "limit=",
            "limit=+5",
            "limit=05",
            "limit= 5",
            "limit=5 ",
            "limit=1_0",
            "limit=٥",
            "limit=1e1",
            "cursor=!",
            "cursor=Sk9CIw",
            "cursor=",
        ],
    )
    def test_a_bad_limit_or_cursor_is_named(self, path: str, query: str) -> None:
        status, problem, headers = call_api("GET", path, query=query, **ADMIN)

        assert status == 422
        assert_is_problem(status, problem, headers)
        assert fields(problem) == [query.partition("=")[0]]

    @pytest.mark.parametrize(
        ("path", "other"), [("/jobs", "/credits/entries"), ("/credits/entries", "/jobs")]
    )
    def test_a_cursor_of_one_list_is_none_of_another(self, path: str, other: str) -> None:
        open_account(100)
        for _ in range(2):
            submit()
        cursor = call_api("GET", path, query="limit=1")[1]["next_cursor"]

        assert call_api("GET", path, query=f"limit=1&cursor={cursor}")[0] == 200
        status, problem, _ = call_api("GET", other, query=f"limit=1&cursor={cursor}")

        assert (status, fields(problem)) == (422, ["cursor"])

    def test_writes_between_two_pages_neither_double_nor_hide_an_item(self) -> None:
        open_account(1_000)
        before = [submit()[1]["id"] for _ in range(6)]
        entries_before = [
            entry["id"] for entry in call_api("GET", "/credits/entries")[1]["entries"]
        ]

        def turned(path: str, name: str) -> list[str]:
            seen, query = list[str](), "limit=2"
            while query:
                page = call_api("GET", path, query=query)[1]
                seen += [item["id"] for item in page[name]]
                submit()
                query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
            return seen

        assert turned("/jobs", "jobs") == before[::-1]
        new_entries = turned("/credits/entries", "entries")
        assert [entry for entry in new_entries if entry in entries_before] == entries_before
        assert len(new_entries) == len(set(new_entries))

    def test_a_job_that_is_deleted_while_somebody_turns_the_pages_hides_no_other(self) -> None:
        open_account(1_000)
        ids = [submit()[1]["id"] for _ in range(4)]
        page = call_api("GET", "/jobs", query="limit=2")[1]
        # The very job whose place the cursor names.
        assert jobs.leave_open_jobs(ledger.resolve(ANN, ids[2], now=datetime.now(UTC)))
        assert call_api("DELETE", f"/jobs/{ids[2]}")[0] == 204

        assert [
            job["id"]
            for job in call_api("GET", "/jobs", query=f"cursor={page['next_cursor']}")[1]["jobs"]
        ] == [ids[1], ids[0]]

    @pytest.mark.parametrize("status_text", ["done", "PENDING", "", "pending,failed"])
    def test_a_bad_status_is_named(self, status_text: str) -> None:
        status, problem, _ = call_api("GET", "/jobs", query=f"status={status_text}")

        assert (status, fields(problem)) == (422, ["status"])

    def test_the_largest_page_is_taken(self) -> None:
        assert call_api("GET", "/jobs", query="limit=100")[0] == 200

    def test_a_cursor_leads_nowhere_but_in_ones_own_list(self) -> None:
        open_account(100)
        for _ in range(3):
            submit()
        cursor = call_api("GET", "/jobs", query="limit=1")[1]["next_cursor"]

        assert call_api("GET", "/jobs", query=f"cursor={cursor}", user="bob")[1]["jobs"] == []

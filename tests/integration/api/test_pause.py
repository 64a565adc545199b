"""Administrators pause new jobs with a reason, and see who changed the pause last."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.storage.table import FlagRow
from tests.builders import call_api
from tests.integration.api.calls import ADMIN

pytestmark = pytest.mark.usefixtures("aws")

NEVER = {"paused": False, "reason": None, "by": None, "at": None}


def put(**body: Any) -> Any:
    return call_api("PUT", "/admin/paused", body=body, **ADMIN)


def read() -> Any:
    status, document, _ = call_api("GET", "/admin/paused", **ADMIN)
    assert status == 200
    return document


def test_new_jobs_are_not_paused_before_the_first_change() -> None:
    assert read() == NEVER


def test_a_pause_shows_its_reason_its_administrator_and_its_time() -> None:
    status, changed, _ = put(paused=True, reason="The provider moves.")

    assert status == 200
    assert read() == changed
    assert (changed["paused"], changed["reason"]) == (True, "The provider moves.")
    assert changed["by"].startswith("web/")
    assert changed["at"].endswith("Z")


def test_a_change_without_a_reason_has_none() -> None:
    put(paused=True, reason="The provider moves.")
    put(paused=False)

    assert (read()["paused"], read()["reason"]) == (False, None)


@pytest.mark.parametrize("reason", ["", "x" * 201, 7])
def test_a_reason_is_a_text_of_at_most_200_characters(reason: object) -> None:
    status, problem, _ = put(paused=True, reason=reason)

    assert (status, problem["errors"][0]["field"]) == (422, "reason")
    assert read() == NEVER


def test_a_pause_of_an_earlier_release_has_no_reason() -> None:
    put(paused=True)
    row = FlagRow.get("FLAG", "PAUSED")
    row.update(actions=[FlagRow.reason.remove()])

    assert (read()["paused"], read()["reason"]) == (True, None)


def test_users_do_not_see_the_pause() -> None:
    assert call_api("GET", "/admin/paused", user="ann")[0] == 403

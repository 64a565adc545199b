"""The gallery follows open jobs: it waits, polls, and takes hidden tabs, sleep and lost servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, Route, expect

from local.stack import LocalStack
from tests.browser.gallery import sign_in
from tests.browser.watch import Watch
from tests.e2e.actors import Actor, set_faults

JOBS = re.compile(r"/jobs(/|\?|$)")
# Playwright cannot hide a page of a headless browser.
_HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""

# The milliseconds between a refusal and each later request that is refused. Requests that are sent
# together are refused together.
_PAUSES = """performance.getEntriesByType('resource')
  .filter((entry) => entry.responseStatus === status)
  .flatMap((entry, at, all) => all
    .filter((earlier) => earlier.responseEnd < entry.startTime)
    .map((earlier) => entry.startTime - earlier.responseEnd))"""


def tiles(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("listitem")


def announced(page: Page) -> Locator:
    return page.locator("[aria-live=polite]")


@contextmanager
def recorded(page: Page) -> Iterator[list[Request]]:
    """Collect the page's requests for jobs."""
    seen: list[Request] = []

    def record(request: Request) -> None:
        if JOBS.search(request.url):
            seen.append(request)

    page.on("request", record)
    yield seen
    page.remove_listener("request", record)


def until_seen(page: Page, requests: list[Request]) -> None:
    """Wait for a request. The wait runs the handlers of the page's events."""
    for _ in range(600):
        if requests:
            return
        page.wait_for_timeout(100)
    raise AssertionError("no request within a minute")


def test_a_job_waits_runs_and_ends_without_a_reload(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, run_seconds=6)
    sign_in(page, actor)
    job_id = actor.submit()

    expect(tiles(page)).to_have_count(1)
    expect(tiles(page).get_by_role("progressbar", name="Running")).to_be_visible()
    expect(tiles(page)).to_contain_text(re.compile(r"0:0\d of about|longer than usual"))
    expect(tiles(page).get_by_role("img", name="a lighthouse at dawn")).to_be_visible()
    expect(announced(page)).to_have_text("Done: a lighthouse at dawn.")
    assert actor.ended(job_id)["status"] == "completed"


def test_polls_send_the_etag_and_wait_for_retry_after(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, run_seconds=9)
    job_id = actor.submit()
    actor.until_processing(job_id)
    with recorded(page) as seen:
        sign_in(page, actor)
        page.wait_for_timeout(5500)
        polls = [one for one in seen if urlsplit(one.url).path.endswith(job_id)]

    responses = [one.response() for one in polls]
    assert 3 <= len(polls) <= 6
    assert 304 in [one.status for one in responses if one]
    assert "if-none-match" not in polls[0].headers
    assert all("if-none-match" in one.headers for one in polls[2:])


def test_a_hidden_page_sends_no_request_and_then_catches_up(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, run_seconds=3)
    sign_in(page, actor)
    job_id = actor.submit()
    expect(tiles(page)).to_have_count(1)
    page.evaluate(_HIDE, True)
    page.wait_for_timeout(500)
    with recorded(page) as seen:
        actor.ended(job_id)
        page.wait_for_timeout(3000)
    assert [one.url for one in seen] == []

    page.evaluate(_HIDE, False)
    expect(announced(page)).to_contain_text("Done")


def test_two_tabs_show_each_others_jobs_and_survive_a_reload(
    page: Page, context: BrowserContext, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, run_seconds=25)
    sign_in(page, actor)
    other = context.new_page()
    other.goto("#/")
    job_id = actor.submit()

    for tab in (page, other):
        expect(tiles(tab)).to_have_count(1)
    page.reload()
    expect(tiles(page).get_by_role("progressbar")).to_be_visible()
    for tab in (page, other):
        expect(tiles(tab).get_by_role("img", name="a lighthouse at dawn")).to_be_visible()
    assert actor.ended(job_id)["status"] == "completed"


def test_after_sleep_the_page_catches_up(
    page: Page, clock: Any, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, run_seconds=2)
    sign_in(page, actor)
    job_id = actor.submit()
    expect(tiles(page)).to_have_count(1)
    actor.until_processing(job_id)
    clock.pause_at(clock_now(page) + 100)
    actor.ended(job_id)
    expect(tiles(page).get_by_role("img")).to_have_count(0)

    clock.fast_forward("02:00:00")
    clock.resume()
    expect(tiles(page).get_by_role("img", name="a lighthouse at dawn")).to_be_visible()


def clock_now(page: Page) -> int:
    milliseconds: int = page.evaluate("Date.now()")
    return milliseconds


def test_a_server_that_is_gone_for_a_minute_is_tried_less_and_less(
    page: Page, clock: Any, watch: Watch, actor: Actor
) -> None:
    sign_in(page, actor)
    job_id = actor.submit()
    expect(tiles(page)).to_have_count(1)
    watch.allow_no_network()
    page.route(JOBS, lambda route: route.abort())
    with recorded(page) as seen:
        for _ in range(30):
            clock.run_for(2000)
        expect(page.get_by_role("alert")).to_contain_text("tries again by itself")
        assert 4 <= len(seen) <= 9

    actor.ended(job_id)
    page.unroute(JOBS)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(announced(page)).to_contain_text("Done")
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_respected_until_its_retry_after(
    page: Page, watch: Watch, stack: LocalStack, actor: Actor, status: int
) -> None:
    set_faults(stack, run_seconds=2)
    sign_in(page, actor)
    job_id = actor.submit()
    expect(tiles(page)).to_have_count(1)
    watch.allow_status(status)

    def refuse(route: Route) -> None:
        headers = {"Retry-After": "6", "Access-Control-Expose-Headers": "Retry-After"}
        route.fulfill(status=status, headers=headers, json={"message": "Too Many Requests"})

    page.route(JOBS, refuse)
    page.wait_for_function(f"(status) => {_PAUSES}.some((pause) => pause > 1000)", arg=status)
    actor.ended(job_id)
    pauses: list[float] = page.evaluate(f"(status) => {_PAUSES}", status)
    # The clock of a page is rounded.
    assert min(pauses) > 5990, pauses

    page.unroute(JOBS)
    expect(announced(page)).to_contain_text("Done")


def test_a_lost_webhook_delays_the_end_and_loses_nothing(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, lose_webhook=1)
    sign_in(page, actor)
    actor.submit()
    expect(announced(page)).to_contain_text("Done", timeout=90_000)
    expect(tiles(page).get_by_role("img", name="a lighthouse at dawn")).to_be_visible()

"""A submit: once per click, also without a network, after a reload and in a second tab."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.gallery import sign_in
from tests.browser.watch import Watch
from tests.builders import until
from tests.e2e.actors import Actor


def jobs_of(actor: Actor) -> list[dict[str, Any]]:
    return list(actor.client.pages("/jobs", "jobs"))


def stored(page: Page) -> int:
    count: int = page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('darkroom.submit.')).length"
    )
    return count


def fill(page: Page, actor: Actor) -> None:
    sign_in(page, actor, "#/make")
    page.goto("#/make/flux-schnell")
    page.get_by_label("prompt", exact=True).fill("a lighthouse")


def make(page: Page) -> None:
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page).to_have_url(re.compile("#/$"))


def test_a_double_click_makes_one_job(page: Page, actor: Actor, watch: Watch) -> None:
    fill(page, actor)
    page.get_by_role("button", name="Make", exact=True).dblclick()
    until(lambda: stored(page) == 0)
    watch.settle(page)
    assert len(jobs_of(actor)) == 1
    assert jobs_of(actor)[0]["parameters"]["prompt"] == "a lighthouse"


def test_a_lost_response_and_a_reload_make_one_job(page: Page, actor: Actor, watch: Watch) -> None:
    watch.allow_no_network()

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        route.fetch()
        return route.abort()

    page.route("**/jobs", lose)
    fill(page, actor)
    make(page)
    until(lambda: len(jobs_of(actor)) == 1)
    page.reload()
    assert stored(page) == 1
    page.unroute("**/jobs")
    until(lambda: stored(page) == 0)
    assert len(jobs_of(actor)) == 1


def test_two_tabs_send_a_stored_job_once(
    page: Page, context: BrowserContext, actor: Actor, watch: Watch
) -> None:
    watch.allow_no_network()
    sent: list[str] = []
    context.on(
        "request",
        lambda request: sent.append(request.url) if request.method == "POST" else None,
    )
    context.route("**/jobs", lambda route: route.abort() if is_post(route) else route.continue_())
    fill(page, actor)
    make(page)
    second = context.new_page()
    second.goto("#/")
    expect(second.get_by_role("navigation").first).to_be_visible()
    context.unroute("**/jobs")
    until(lambda: stored(page) == 0)
    second.wait_for_timeout(500)
    assert len(jobs_of(actor)) == 1

    # If the tab that waits to send is closed, the other tab sends.
    context.route("**/jobs", lambda route: route.abort() if is_post(route) else route.continue_())
    page.goto("#/make/flux-schnell")
    make(page)
    page.close()
    context.unroute("**/jobs")
    until(lambda: stored(second) == 0)
    assert len(jobs_of(actor)) == 2


def is_post(route: Route) -> bool:
    return route.request.method == "POST"


def test_a_refused_job_stays_with_its_reason(
    page: Page, stack: Any, request: Any, watch: Watch
) -> None:
    watch.allow_status(402)
    poor = Actor.arrive(stack, request.node.name, credits=0)
    fill(page, poor)
    make(page)
    error = "JSON.parse(Object.entries(localStorage).find(([key]) => /submit/.test(key))[1]).error"
    until(lambda: page.evaluate(error))
    assert page.evaluate(error)["status"] == 402
    assert jobs_of(poor) == []

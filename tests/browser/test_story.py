"""One user reaches each result while providers, links and the network fail, also by keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from local.stack import LocalStack
from tests.browser.gallery import expire_links, sign_in
from tests.browser.watch import Watch
from tests.builders import until
from tests.e2e.actors import Actor, set_faults

# The ledger's recovery ends a job whose webhook is lost.
WAIT_MILLISECONDS_MAX = 120_000
TABS_MAX = 80


def jobs_of(actor: Actor) -> list[dict[str, Any]]:
    return list(actor.client.pages("/jobs", "jobs"))


def prompts_of(actor: Actor) -> list[str]:
    return sorted(job["parameters"]["prompt"] for job in jobs_of(actor))


def fill(page: Page, prompt: str) -> None:
    """Open the form from its card, and fill it in."""
    page.get_by_role("navigation").get_by_role("link", name="Make").click()
    page.locator('a[href="#/make/flux-schnell"]').click()
    page.get_by_label("prompt", exact=True).fill(prompt)


def make(page: Page) -> None:
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page).to_have_url(re.compile("#/$"))


def image(page: Page, prompt: str) -> Locator:
    return page.get_by_role("main").get_by_role("img", name=prompt, exact=True)


def tile(page: Page, text: str) -> Locator:
    return page.get_by_role("main").get_by_role("listitem").filter(has_text=text)


def open_failed_job(page: Page, prompt: str) -> Locator:
    """Wait until the newest job has failed, open it, and return what its view says."""
    newest = tile(page, prompt).first
    expect(newest).to_contain_text("Failed")
    newest.get_by_role("link").click()
    return page.get_by_role("dialog").locator(".notice")


def throttle_once(page: Page) -> list[str]:
    """Refuse the first submit for a second. Returns the URLs of refused requests."""
    refused: list[str] = []

    def respond(route: Route) -> None:
        if refused or not is_post(route):
            route.fallback()
            return
        refused.append(route.request.url)
        problem = {"title": "Too many requests", "status": 429}
        route.fulfill(status=429, headers={"Retry-After": "1"}, json=problem)

    page.route("**/jobs", respond)
    return refused


def test_a_user_gets_each_image_while_everything_around_it_fails(
    page: Page, context: BrowserContext, watch: Watch, stack: LocalStack, actor: Actor
) -> None:
    watch.allow_status(403, 429)
    watch.allow_no_network()
    sign_in(page, actor)

    # The API throttles the submit, and the provider's webhook is lost.
    set_faults(stack, lose_webhook=1)
    throttled = throttle_once(page)
    fill(page, "a lighthouse")
    make(page)
    expect(image(page, "a lighthouse")).to_be_visible(timeout=WAIT_MILLISECONDS_MAX)
    assert len(throttled) == 1

    # A job fails, and runs again.
    set_faults(stack, fail=1, error="CUDA out of memory (E1001)")
    fill(page, "a harbour")
    make(page)
    failure = open_failed_job(page, "a harbour")
    expect(failure).to_contain_text("10 credits came back.")
    set_faults(stack)
    failure.get_by_role("button", name="Run again").click()
    expect(image(page, "a harbour")).to_be_visible()

    # The provider refuses a prompt, and the user edits it.
    set_faults(stack, flag_sensitive=1)
    fill(page, "a storm")
    make(page)
    refusal = open_failed_job(page, "a storm")
    expect(refusal.get_by_role("button", name="Run again")).to_have_count(0)
    set_faults(stack)
    refusal.get_by_role("link", name="Edit the prompt").click()
    prompt = page.get_by_label("prompt", exact=True)
    expect(prompt).to_have_value("a storm")
    prompt.fill("a calm sea")
    make(page)
    expect(image(page, "a calm sea")).to_be_visible()

    # The server is gone while the user submits.
    fill(page, "an island")
    context.set_offline(True)
    make(page)
    expect(tile(page, "an island")).to_contain_text("Sending")
    expect(page.get_by_role("alert")).to_contain_text("tries again by itself")
    context.set_offline(False)
    expect(image(page, "an island")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)

    # A second tab displays the same jobs, and replaces a link that has expired.
    second = context.new_page()
    expired = expire_links(second)
    second.goto("#/")
    for tab in (page, second):
        expect(tab.get_by_role("main").get_by_role("listitem")).to_have_count(6)
        for name in ("a lighthouse", "a harbour", "a calm sea", "an island"):
            expect(image(tab, name)).to_be_visible()
            tab.wait_for_function(
                "(name) => document.querySelector(`main img[alt='${name}']`).naturalWidth", arg=name
            )
    assert expired

    assert prompts_of(actor) == [
        "a calm sea",
        "a harbour",
        "a harbour",
        "a lighthouse",
        "a storm",
        "an island",
    ]
    assert actor.must_have_a_balanced_ledger()["spent"] == 40


def test_a_reload_at_any_time_of_a_submit_makes_one_job(
    page: Page, watch: Watch, actor: Actor
) -> None:
    watch.allow_no_network()
    sign_in(page, actor)
    stored = "Object.keys(localStorage).filter((key) => key.startsWith('darkroom.submit.')).length"

    def reload_at_once() -> None:
        make(page)
        page.reload()

    def reload_before_the_request() -> None:
        page.route("**/jobs", lambda route: None if is_post(route) else route.fallback())
        with page.expect_request(lambda request: request.method == "POST"):
            make(page)
        page.reload()

    def reload_before_the_response() -> None:
        def lose(route: Route) -> None:
            if is_post(route):
                accepted.append(route.fetch().status)
            else:
                route.fallback()

        accepted: list[int] = []
        page.route("**/jobs", lose)
        make(page)
        # Playwright runs the handler during its own calls.
        until(lambda: page.evaluate(stored) and accepted)
        assert accepted == [202]
        page.reload()

    for count, submit in enumerate(
        (reload_at_once, reload_before_the_request, reload_before_the_response), 1
    ):
        fill(page, f"lighthouse {count}")
        submit()
        page.unroute_all()
        page.wait_for_function(f"() => {stored} === 0", timeout=WAIT_MILLISECONDS_MAX)
        expect(image(page, f"lighthouse {count}")).to_be_visible()
        assert prompts_of(actor) == [f"lighthouse {n}" for n in range(1, count + 1)]


def is_post(route: Route) -> bool:
    return route.request.method == "POST"


def press_tab_to(page: Page, target: Locator) -> None:
    """Press Tab until an element has the focus."""
    target.wait_for()
    for _ in range(TABS_MAX):
        if target.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} has no focus after {TABS_MAX} presses of Tab")


def test_keys_alone_lead_from_the_sign_in_to_a_downloaded_image(
    page: Page, actor: Actor, tmp_path: Path
) -> None:
    page.goto("#/")
    press_tab_to(page, page.get_by_role("textbox"))
    page.keyboard.type(actor.name)
    page.keyboard.press("Enter")

    press_tab_to(page, page.get_by_role("navigation").get_by_role("link", name="Make"))
    page.keyboard.press("Enter")
    press_tab_to(page, page.locator('a[href="#/make/flux-schnell"]'))
    page.keyboard.press("Enter")
    press_tab_to(page, page.get_by_label("prompt", exact=True))
    page.keyboard.type("a lighthouse")
    press_tab_to(page, page.get_by_role("button", name="Make", exact=True))
    page.keyboard.press("Enter")

    expect(image(page, "a lighthouse")).to_be_visible()
    press_tab_to(page, tile(page, "a lighthouse").get_by_role("link"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    press_tab_to(page, dialog.get_by_role("link", name="Download"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")

    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    [job] = jobs_of(actor)
    assert file.stat().st_size == job["outputs"][0]["bytes"]
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(tile(page, "a lighthouse").get_by_role("link")).to_be_focused()

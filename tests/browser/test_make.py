"""The Make view: cards, the form of a template, its draft, its price and its code."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, Route, expect

from tests.browser.gallery import sign_in
from tests.browser.watch import Watch
from tests.e2e.actors import Actor

STARTING_MILLISECONDS_MAX = 60_000


def open_form(page: Page, actor: Actor, code: str, query: str = "") -> None:
    """Sign in, open the form of a template, and wait for its prompt."""
    sign_in(page, actor, "#/make")
    page.goto(f"#/make/{code}{query}")
    # The first request starts the API.
    expect(page.get_by_role("tab", name="Form")).to_be_visible(timeout=STARTING_MILLISECONDS_MAX)


def test_the_cards_show_prices_and_are_chosen_by_kind(
    page: Page, actor: Actor, watch: Watch
) -> None:
    templates = actor.client.get("/templates")["templates"]
    sign_in(page, actor, "#/make")
    cards = page.locator(".cards a")
    expect(cards).to_have_count(len(templates), timeout=STARTING_MILLISECONDS_MAX)

    card = page.locator('a[href="#/make/flux-schnell"]')
    expect(card).to_contain_text("from 10 credits · about 5 s")
    expect(cards.filter(has_text="IDM-VTON")).to_contain_text("Not for commercial use")
    page.get_by_role("button", name="Videos").click()
    videos = [each for each in templates if each["category"] == "video"]
    expect(cards).to_have_count(len(videos))
    watch.settle(page)


def test_the_form_has_a_draft_that_survives_a_reload(page: Page, actor: Actor) -> None:
    open_form(page, actor, "flux-schnell")
    prompt = page.get_by_label("prompt", exact=True)
    prompt.press_sequentially("a dawn")
    for _ in range(4):
        prompt.press("ArrowLeft")
    prompt.press_sequentially("red ")
    expect(prompt).to_have_value("a red dawn")
    expect(prompt).to_be_focused()
    page.locator("label.chip", has_text="16:9").click()

    page.reload()
    expect(prompt).to_have_value("a red dawn")
    expect(page.get_by_role("radio", name="16:9", exact=True)).to_be_checked()
    page.get_by_role("button", name="Reset").click()
    expect(prompt).to_have_value("")


def test_the_price_follows_the_form(page: Page, actor: Actor) -> None:
    open_form(page, actor, "flux-schnell")
    price = page.locator(".submit p")
    expect(price).to_contain_text("from 10 credits")
    page.get_by_label("prompt", exact=True).fill("a lighthouse")
    expect(price).to_contain_text("10 credits · 190 remain")
    page.get_by_role("spinbutton", name="num outputs").fill("3")
    expect(price).to_contain_text("30 credits · 170 remain")


def test_a_price_above_the_balance_names_what_is_missing(page: Page, actor: Actor) -> None:
    open_form(page, actor, "veo-3.1")
    page.get_by_label("prompt", exact=True).fill("a lighthouse")
    expect(page.locator(".submit")).to_contain_text("120 credits are missing.")


def test_a_quote_that_is_refused_keeps_the_last_price(
    page: Page, actor: Actor, watch: Watch
) -> None:
    watch.allow_status(429)
    open_form(page, actor, "flux-schnell")
    page.get_by_label("prompt", exact=True).fill("a lighthouse")
    price = page.locator(".submit p")
    expect(price).to_contain_text("10 credits · 190 remain")

    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        problem = {"title": "Too many requests", "status": 429}
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        return route.fulfill(status=429, headers=headers, body=json.dumps(problem))

    page.route("**/quote", refuse_once)
    page.get_by_role("spinbutton", name="num outputs").fill("2")
    expect(price).to_contain_text("The price is not updated.")
    expect(price).to_contain_text("10 credits")
    expect(price).to_contain_text("20 credits · 180 remain")
    expect(price).not_to_contain_text("not updated")


def test_errors_are_at_their_fields(page: Page, actor: Actor, watch: Watch) -> None:
    watch.allow_status(422)
    open_form(page, actor, "flux-1.1-pro")
    page.get_by_role("button", name="Make", exact=True).click()
    prompt = page.get_by_label("prompt", exact=True)
    expect(prompt).to_be_focused()
    expect(prompt).to_have_accessible_description("This is required. What the image shows.")

    prompt.fill("a lighthouse")
    width = page.get_by_role("spinbutton", name="width")
    width.fill("300")
    expect(page.locator(".field", has=width)).to_contain_text("Must be a multiple of 32.")
    width.fill("512")
    expect(page.locator(".field", has=width)).to_contain_text("aspect_ratio custom")


def test_a_refusal_of_the_server_is_at_its_field(page: Page, actor: Actor, watch: Watch) -> None:
    watch.allow_status(422)
    errors = [
        {"field": "parameters.prompt", "message": "Too rude."},
        {"field": "metadata", "message": "Too long."},
    ]
    problem = {"title": "Not valid", "status": 422, "errors": errors}
    page.route("**/quote", lambda route: route.fulfill(status=422, json=problem))
    open_form(page, actor, "flux-schnell")
    prompt = page.get_by_label("prompt", exact=True)
    prompt.fill("a lighthouse")

    expect(page.locator(".field", has=prompt)).to_contain_text("Too rude.")
    expect(prompt).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_have_text("Too long.")


def test_a_preset_sets_other_fields_and_they_are_not_sent(page: Page, actor: Actor) -> None:
    open_form(page, actor, "flux-schnell")
    page.get_by_label("prompt", exact=True).fill("a lighthouse")
    page.locator("label.chip", has_text="high").click()
    page.get_by_text("More settings").click()

    quality = page.get_by_role("spinbutton", name="output quality")
    expect(quality).to_be_disabled()
    expect(quality).to_have_value("100")
    page.get_by_role("tab", name="Code").click()
    code = page.locator("pre.code")
    expect(code).to_contain_text('"quality":"high"')
    expect(code).not_to_contain_text("output_quality")


def test_the_code_tab_has_the_request_of_the_form(page: Page, actor: Actor) -> None:
    open_form(page, actor, "flux-schnell")
    page.get_by_label("prompt", exact=True).fill('it\'s "dawn"')
    page.get_by_role("tab", name="Code").click()
    code = page.locator("pre.code")
    expect(code).to_contain_text("curl")
    expect(code).to_contain_text("it'\\''s")
    page.get_by_role("button", name="Python").click()
    expect(code).to_contain_text("requests.post(")
    page.get_by_role("button", name="JavaScript").click()
    expect(code).to_contain_text("await fetch(")
    page.get_by_role("tab", name="Form").click()
    expect(page.get_by_label("prompt", exact=True)).to_have_value('it\'s "dawn"')


def test_a_job_fills_the_form(page: Page, actor: Actor) -> None:
    job = actor.submit(prompt="a fox", num_outputs=2, aspect_ratio="3:2")
    open_form(page, actor, "flux-schnell", f"?from={job}")

    expect(page.get_by_label("prompt", exact=True)).to_have_value("a fox")
    expect(page.get_by_role("spinbutton", name="num outputs")).to_have_value("2")
    expect(page.get_by_role("radio", name="3:2", exact=True)).to_be_checked()
    expect(page).to_have_url(re.compile("#/make/flux-schnell$"))

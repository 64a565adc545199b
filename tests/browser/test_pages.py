"""The account menu, and the pages about credits, callbacks and administration."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from local.client import Client
from tests.browser.gallery import layout_shifts, open_view, sign_in
from tests.browser.watch import Watch
from tests.e2e.actors import Actor

ADMIN = "demo-admin"
NARROW = {"viewport": {"width": 320, "height": 640}}


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def row_of_account(page: Page, name: str) -> Locator:
    """Return an account's row. The accounts of other tests may fill the pages before it."""
    sign_in(page, ADMIN, "#/manage/accounts")
    found = row(page, name)
    more = page.get_by_role("button", name="Load more")
    expect(found.or_(more).first).to_be_visible()
    while not found.count():
        rows = page.get_by_role("row").count()
        more.click()
        expect(page.get_by_role("row")).not_to_have_count(rows)
    return found


@pytest.fixture
def accepted(admin: Client) -> Iterator[None]:
    """New jobs are accepted again after the test."""
    yield
    admin.call("PUT", "/admin/paused", json={"paused": False})


class TestAccount:
    def test_the_balance_leads_to_the_history(self, page: Page, actor: Actor) -> None:
        job = actor.submit()
        actor.ended(job)
        sign_in(page, actor)

        page.get_by_role("link", name="190 credits").click()
        history = page.get_by_role("region", name="History")
        expect(history.get_by_role("row")).to_have_count(4)
        expect(row(page, "Job charged")).to_contain_text("+10")
        expect(page.get_by_role("definition").first).to_contain_text("190")
        history.get_by_role("link", name="Show").first.click()
        expect(page).to_have_url(re.compile(f"#/job/{job}"))

    def test_theme_and_language_stay_after_a_reload(self, page: Page, actor: Actor) -> None:
        sign_in(page, actor)
        page.get_by_role("button", name="Account").click()
        page.get_by_role("combobox", name="Theme").select_option("Dark")
        page.get_by_role("combobox", name="Language").select_option("中文")

        expect(page.get_by_role("link", name="图库")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")

    def test_another_tab_takes_the_theme(self, page: Page, actor: Actor) -> None:
        sign_in(page, actor)
        other = page.context.new_page()
        other.goto("#/credits")
        expect(other.get_by_role("button", name="Account")).to_be_visible()
        page.get_by_role("button", name="Account").click()
        page.get_by_role("combobox", name="Theme").select_option("Dark")

        expect(other.locator("html")).to_have_attribute("data-theme", "dark")

    def test_sign_out_shows_the_sign_in(self, page: Page, actor: Actor) -> None:
        sign_in(page, actor)
        page.get_by_role("button", name="Account").click()
        page.get_by_role("button", name="Sign out").click()

        expect(page.get_by_role("heading", name="Sign in as")).to_be_visible()

    @pytest.mark.usefixtures("options")
    @pytest.mark.parametrize("options", [{}, NARROW], ids=["wide", "phone"])
    def test_the_header_keeps_its_place(self, page: Page, watch: Watch) -> None:
        sign_in(page, ADMIN)
        page.reload()
        open_view(page, watch, "#/credits")
        page.reload()
        watch.settle(page)

        assert layout_shifts(page) == []
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.evaluate("innerWidth")
        for name in ("Gallery", "Make", "Callbacks", "Manage"):
            box = page.get_by_role("navigation").first.get_by_role("link", name=name).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


class TestCallbacks:
    def test_the_secret_is_hidden_until_it_is_wanted(self, page: Page, actor: Actor) -> None:
        sign_in(page, actor, "#/callbacks")
        secret = page.locator("code")
        expect(page.get_by_role("heading", name="Signing secret")).to_be_visible()
        expect(secret).to_have_count(0)
        page.get_by_role("button", name="Show").first.click()
        expect(secret).to_have_text(re.compile("^whsec_"))
        first = secret.inner_text()

        page.get_by_role("button", name="New secret").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="New secret").click()
        expect(dialog).to_have_count(0)
        expect(secret).not_to_have_text(first)
        expect(page.get_by_text("The previous secret also signs until")).to_be_visible()

    def test_a_test_says_what_happened_and_when_the_next_may_come(
        self, page: Page, actor: Actor, watch: Watch
    ) -> None:
        watch.allow_status(429)
        sign_in(page, actor, "#/callbacks")
        page.get_by_label("URL").fill("https://callbacks.example/never")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_text("There was no response")).to_be_visible()
        # A full minute may begin between two tests.
        for _ in range(3):
            page.get_by_role("button", name="Send", exact=True).click()
            watch.settle(page)
            if page.get_by_role("alert").count():
                break

        expect(page.get_by_role("alert")).to_contain_text("Try again at")
        expect(page.get_by_label("URL")).to_have_value("https://callbacks.example/never")

    def test_a_job_without_a_callback_says_so(self, page: Page, actor: Actor, watch: Watch) -> None:
        watch.allow_status(409)
        actor.ended(actor.submit())
        sign_in(page, actor, "#/callbacks")
        page.get_by_role("region", name="Deliveries").get_by_role("button", name="Show").click()
        page.get_by_role("button", name="Send again").click()

        expect(page.get_by_role("alert")).to_contain_text("callback_url")


class TestAdministration:
    def test_users_do_not_see_the_administration(self, page: Page, actor: Actor) -> None:
        sign_in(page, actor, "#/manage")

        expect(page.get_by_text("only for administrators")).to_be_visible()
        expect(page.get_by_role("link", name="Manage")).to_have_count(0)

    def test_a_grant_keeps_its_fields_after_an_error(
        self, page: Page, actor: Actor, watch: Watch
    ) -> None:
        watch.allow_status(422)
        row_of_account(page, actor.name).get_by_role("button", name="Grant").click()
        dialog = page.get_by_role("dialog")
        reference = dialog.get_by_label("Reference").input_value()
        dialog.get_by_label("Credits").fill("0")
        dialog.get_by_label("Reason").fill("a present")
        dialog.get_by_role("button", name="Grant").click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        expect(dialog.get_by_label("Reason")).to_have_value("a present")
        expect(dialog.get_by_label("Reference")).to_have_value(reference)

        dialog.get_by_label("Credits").fill("-50")
        dialog.get_by_role("button", name="Grant").click()
        expect(dialog).to_have_count(0)
        expect(row(page, actor.name)).to_contain_text("150")
        page.get_by_role("link", name=actor.name).click()
        expect(row(page, "a present")).to_contain_text("web/demo-admin")
        expect(row(page, reference)).to_contain_text("Corrected")

    def test_an_account_is_suspended_and_resumed(self, page: Page, actor: Actor) -> None:
        row_of_account(page, actor.name).get_by_role("button", name="Suspend").click()
        page.get_by_role("dialog").get_by_label("Reason").fill("too many jobs")
        page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
        expect(row(page, actor.name)).to_contain_text("too many jobs")
        row(page, actor.name).get_by_role("button", name="Resume").click()

        expect(row(page, actor.name).get_by_role("button", name="Suspend")).to_be_visible()

    @pytest.mark.usefixtures("accepted")
    def test_new_jobs_are_paused_with_a_reason(self, page: Page, actor: Actor) -> None:
        sign_in(page, ADMIN, "#/manage/providers")
        expect(page.get_by_role("region", name="Providers")).to_contain_text("replicate")
        page.get_by_label("Reason").fill("The provider moves.")
        page.get_by_role("button", name="Pause new jobs").click()
        expect(page.get_by_text("New jobs are paused.")).to_contain_text("The provider moves.")
        body = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse at dawn"}}
        assert actor.refused("POST", "/jobs", json=body).status_code == 503
        page.get_by_role("button", name="Accept new jobs").click()

        expect(page.get_by_text("New jobs are accepted.")).to_be_visible()

    def test_a_job_of_any_account_is_found_by_its_id(self, page: Page, actor: Actor) -> None:
        job = actor.submit()
        actor.ended(job)
        sign_in(page, ADMIN, "#/manage/callbacks")
        page.get_by_label("Id of the job").fill(f" {job} ")
        page.get_by_role("button", name="Show").click()

        expect(page.get_by_role("region", name=job)).to_contain_text(actor.name)
        expect(page.get_by_role("region", name="Predictions")).to_be_visible()

    def test_usage_and_open_jobs_are_tables(self, page: Page) -> None:
        sign_in(page, ADMIN, "#/manage/usage")
        page.get_by_label("From").fill("2026-01-01")
        page.get_by_label("To").fill("2026-01-31")
        page.get_by_role("button", name="Show").click()
        expect(page).to_have_url(re.compile("from=2026-01-01&to=2026-01-31"))
        expect(page.get_by_role("region", name="Per day and template")).to_be_visible()
        page.get_by_role("navigation", name="Manage").get_by_role("link", name="Open jobs").click()

        expect(page.get_by_role("region", name="Open jobs")).to_be_visible()

    def test_a_failed_page_offers_another_try(self, page: Page, watch: Watch) -> None:
        watch.allow_no_network()
        sign_in(page, ADMIN)
        page.route("**/admin/providers", lambda route: route.abort())
        page.goto("#/manage/providers")
        page.get_by_role("button", name="Try again").wait_for()
        page.unroute("**/admin/providers")
        page.get_by_role("button", name="Try again").click()

        expect(page.get_by_role("region", name="Providers")).to_contain_text("replicate")

"""The gallery signs in at an independent OpenID Connect provider by code and PKCE."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.oidc_gallery import CLIENT, Gallery, oidc_gallery
from tests.browser.watch import Watch
from tools.node_tools import NodeMissing

_STORED = "oidc.user:"


@pytest.fixture(scope="module")
def server() -> Iterator[Gallery]:
    try:
        with oidc_gallery() as gallery:
            yield gallery
    except NodeMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tried: {missing}")


@pytest.fixture
def gallery(server: Gallery) -> Gallery:
    server.domain = None
    for seen in (server.ended_tokens, server.claims, server.tokens):
        seen.clear()
    return server


@pytest.fixture
def options(gallery: Gallery) -> dict[str, Any]:
    """The pages are those of this module."""
    return {"base_url": f"{gallery.url}/"}


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """These tests use no simulated Replicate."""


@pytest.fixture
def stack(gallery: Gallery) -> Any:
    """These tests need no local stack. `context` reads its URL."""

    class Stack:
        api_url = gallery.url

    return Stack


@pytest.fixture(autouse=True)
def allowed(context: BrowserContext, watch: Watch) -> None:
    """The pages of the provider write to the console, and ask for a font of another host."""
    context.route(re.compile("^https:"), lambda route: route.abort())
    watch.allow(r"/interaction/|/session/|favicon|https://fonts")
    watch.allow_status(401)


def button(page: Page) -> Any:
    return page.get_by_role("main").get_by_role("button", name="Sign in")


def enter(page: Page, user: str = "ann", view: str = "#/credits") -> None:
    """Sign in at the provider's pages, and wait for the gallery."""
    page.goto(view)
    button(page).click()
    page.locator("[name=login]").fill(user)
    page.locator("[name=password]").fill("x")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=f"Account: {user}").wait_for()


def requests_of(page: Page, path: str) -> list[Request]:
    """Collect the requests whose path ends so."""
    seen: list[Request] = []
    page.on("request", lambda one: seen.append(one) if urlsplit(one.url).path == path else None)
    return seen


def stored_user(page: Page) -> Any:
    return page.evaluate(
        "(start) => Object.entries(sessionStorage)"
        ".filter(([key]) => key.startsWith(start)).map(([, text]) => JSON.parse(text))[0] ?? null",
        _STORED,
    )


def end_token(page: Page, gallery: Gallery) -> Any:
    """Make the API refuse the user's token. Returns the stored user."""
    user = stored_user(page)
    # Two tokens of one second are equal.
    time.sleep(max(0, user["profile"]["iat"] + 1 - time.time()))
    gallery.ended_tokens.add(user["id_token"])
    return user


def test_a_user_signs_in_and_returns_to_the_wanted_view(page: Page, gallery: Gallery) -> None:
    authorizations = requests_of(page, "/auth")
    enter(page)

    asked = parse_qs(urlsplit(authorizations[0].url).query)
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert page.url == f"{gallery.url}/#/credits"
    expect(page.get_by_role("link", name="90 credits")).to_be_visible()
    assert {claims["sub"] for claims in gallery.claims} == {"ann"}
    assert stored_user(page)["id_token"] in gallery.tokens
    assert "token" not in page.evaluate("JSON.stringify(localStorage)")
    expect(page.get_by_role("link", name="Manage")).to_have_count(0)


def test_an_administrator_is_known_by_the_claim(page: Page, gallery: Gallery) -> None:
    enter(page, "grace")

    expect(page.get_by_role("link", name="Manage")).to_be_visible()


def test_a_reload_needs_neither_the_provider_nor_the_library(page: Page, gallery: Gallery) -> None:
    enter(page)
    library = requests_of(page, "/vendor/oidc-client.js")
    tokens = requests_of(page, "/token")
    page.reload()

    expect(page.get_by_role("link", name="90 credits")).to_be_visible()
    assert (library, tokens) == ([], [])


def test_an_ended_token_is_renewed_once_for_all_requests(page: Page, gallery: Gallery) -> None:
    enter(page)
    expect(page.get_by_role("link", name="90 credits")).to_be_visible()
    first = end_token(page, gallery)
    tokens = requests_of(page, "/token")
    page.goto("#/callbacks")
    page.goto("#/credits")

    expect(page.get_by_role("region", name="History")).to_be_visible()
    expect(page.get_by_role("definition").first).to_contain_text("90")
    assert len(tokens) == 1
    assert "grant_type=refresh_token" in (tokens[0].post_data or "")
    assert stored_user(page)["id_token"] != first["id_token"]
    assert gallery.tokens[-1] == stored_user(page)["id_token"]


def test_a_provider_that_is_gone_is_asked_again_after_a_pause(
    page: Page, gallery: Gallery, watch: Watch
) -> None:
    watch.allow(r"/token")
    enter(page)
    end_token(page, gallery)
    page.route(f"{gallery.issuer}/token", lambda route: route.abort())
    tokens = requests_of(page, "/token")
    page.goto("#/")
    expect(page.get_by_role("main").get_by_text("The server does not respond")).to_be_visible()
    page.wait_for_timeout(3000)

    assert len(tokens) < 10, "the page asks without a pause"
    page.unroute(f"{gallery.issuer}/token")
    expect(page.get_by_role("main").get_by_role("link", name="Make")).to_be_visible()
    expect(page.get_by_role("button", name="Account: ann")).to_be_visible()


def test_an_expired_token_is_renewed_at_the_start(page: Page, gallery: Gallery) -> None:
    enter(page)
    page.evaluate(
        "(start) => { for (const [key, text] of Object.entries(sessionStorage))"
        " if (key.startsWith(start)) sessionStorage.setItem(key,"
        " JSON.stringify({ ...JSON.parse(text), expires_at: 1 })); }",
        _STORED,
    )
    tokens = requests_of(page, "/token")
    page.reload()

    expect(page.get_by_role("link", name="90 credits")).to_be_visible()
    assert len(tokens) == 1


def test_a_refused_renewal_leads_to_the_sign_in(page: Page, gallery: Gallery, watch: Watch) -> None:
    watch.allow_status(400)
    enter(page)
    page.evaluate(
        "(start) => { for (const [key, text] of Object.entries(sessionStorage))"
        " if (key.startsWith(start)) sessionStorage.setItem(key,"
        " JSON.stringify({ ...JSON.parse(text), refresh_token: 'wrong', expires_at: 1 })); }",
        _STORED,
    )
    page.reload()

    expect(button(page)).to_be_visible()
    assert stored_user(page) is None


def test_sign_out_ends_the_session_at_the_provider(page: Page, gallery: Gallery) -> None:
    enter(page)
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes, sign me out").click()

    expect(button(page)).to_be_visible()
    assert stored_user(page) is None
    button(page).click()
    expect(page.locator("[name=login]")).to_be_visible()


def test_sign_out_of_a_user_pool_uses_its_domain(page: Page, gallery: Gallery) -> None:
    gallery.domain = gallery.url
    enter(page)
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/logout?**")

    query = parse_qs(urlsplit(page.url).query)
    assert query == {"client_id": [CLIENT], "logout_uri": [f"{gallery.url}/"]}
    page.goto("#/")
    expect(button(page)).to_be_visible()


def test_a_denied_sign_in_says_why_and_offers_another(page: Page, gallery: Gallery) -> None:
    page.goto("#/credits")
    button(page).click()
    page.get_by_role("link", name="Cancel").click()

    expect(page.get_by_role("alert")).to_have_text(re.compile("The sign-in failed: .+"))
    assert "?" not in page.url
    expect(button(page)).to_be_visible()


@pytest.mark.parametrize("query", ["code=x&state=y", "code=x", "error=server_error&state=y"])
def test_a_response_without_a_request_does_not_sign_in(
    page: Page, gallery: Gallery, query: str
) -> None:
    page.goto(f"?{query}#/credits")

    expect(page.get_by_role("alert")).to_have_text(re.compile("The sign-in failed: .+"))
    assert (urlsplit(page.url).query, stored_user(page), gallery.tokens) == ("", None, [])


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_a_wrong_clock_does_not_prevent_the_sign_in(
    page: Page, gallery: Gallery, seconds: int
) -> None:
    page.add_init_script(
        f"{{ const now = Date.now; Date.now = () => now.call(Date) + {seconds * 1000}; }}"
    )
    enter(page)

    expect(page.get_by_role("link", name="90 credits")).to_be_visible()

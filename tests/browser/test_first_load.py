"""What the gallery loads before the first paint and altogether, and that nothing moves."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Error, Page

from tests.browser.gallery import (
    MARK_FIRST_RENDER,
    code_before_first_render,
    layout_shifts,
    open_view,
    sign_in,
)
from tests.browser.network import NetworkLog
from tests.browser.watch import Watch
from tests.e2e.actors import Actor
from tests.reports import REPORTED

FIRST_BYTES_MAX = 20_000
ALL_BYTES_MAX = 60_000
SIGN_IN_BYTES_MAX = 20_000
VIEWS = ("#/", "#/make", "#/make/flux-schnell", "#/credits", "#/callbacks", "#/manage")
NARROW = {"viewport": {"width": 320, "height": 640}}
CHINESE = {"locale": "zh-CN"}
# The sign-in with the library is not part of a local stack.
NOT_LOCAL = ("vendor/oidc-client.js", "core/oidc.js")


def report(title: str, sizes: dict[str, int]) -> str:
    line = f"{title}: {sum(sizes.values())} bytes in {len(sizes)} files of JS and CSS"
    REPORTED.append(line)
    return f"{line}: {sizes}"


@pytest.mark.parametrize("options", [{}, CHINESE], ids=["en", "zh"])
def test_code_before_the_first_paint_of_the_sign_in_has_at_most_20_kb(
    page: Page, network: NetworkLog, options: dict[str, Any]
) -> None:
    page.add_init_script(MARK_FIRST_RENDER)
    network.throttle()
    page.goto("#/", wait_until="commit")

    sizes = code_before_first_render(page)
    assert {"/app.js", "/style.css"} <= sizes.keys()
    line = report(f"before the first render of the sign-in {options}", sizes)
    assert sum(sizes.values()) <= FIRST_BYTES_MAX, line


def test_code_before_the_first_paint_of_the_grid_has_at_most_20_kb(
    page: Page, network: NetworkLog, actor: Actor
) -> None:
    sign_in(page, actor)
    page.add_init_script(MARK_FIRST_RENDER)
    network.session.send("Network.clearBrowserCache")
    network.throttle()
    page.reload(wait_until="commit")

    sizes = code_before_first_render(page)
    assert {"/app.js", "/style.css"} <= sizes.keys()
    line = report("before the first render of the grid", sizes)
    assert sum(sizes.values()) <= FIRST_BYTES_MAX, line


def test_all_code_of_all_views_has_at_most_60_kb(
    page: Page, network: NetworkLog, watch: Watch, actor: Actor
) -> None:
    job, other = actor.submit(), actor.submit()
    actor.ended(job)
    actor.ended(other)
    page.goto("./")
    for name in NOT_LOCAL:
        page.evaluate("async (name) => (await fetch(name)).text()", name)
    sign_in(page, actor)
    for view in (*VIEWS, f"#/job/{job}", f"#/compare/{job}/0/{other}/0"):
        open_view(page, watch, view)

    sizes = network.code()
    for response in network.responses:
        if response.path.removeprefix("/") in NOT_LOCAL:
            sizes[response.path] = round(response.body_bytes)
    line = report("all views and the sign-in library", sizes)
    assert sizes.pop("/vendor/oidc-client.js") <= SIGN_IN_BYTES_MAX, line
    assert "/more.css" in sizes
    assert sum(sizes.values()) <= ALL_BYTES_MAX, line


@pytest.mark.parametrize("options", [{}, NARROW, CHINESE], ids=["wide", "narrow", "zh"])
def test_nothing_moves_while_the_grid_loads(
    page: Page, actor: Actor, watch: Watch, options: dict[str, Any]
) -> None:
    for job in [actor.submit(), actor.submit("flux-schnell", aspect_ratio="16:9")]:
        actor.ended(job)
    sign_in(page, actor)
    page.reload()
    page.get_by_role("main").locator("img").first.wait_for()
    watch.settle(page)

    assert layout_shifts(page) == []


def test_the_views_are_silent_and_ask_no_other_host(page: Page, actor: Actor, watch: Watch) -> None:
    job = actor.submit()
    actor.ended(job)
    sign_in(page, actor)
    for view in (*VIEWS, f"#/job/{job}"):
        open_view(page, watch, view)

    watch.must_be_silent()
    policy = page.evaluate("async () => (await fetch('./')).headers.get('Content-Security-Policy')")
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy


def test_the_watch_sees_what_a_page_must_not_do(page: Page, watch: Watch) -> None:
    page.goto("#/")
    page.evaluate(
        """async () => {
          console.log('hello');
          setTimeout(() => { throw new Error('broken'); });
          try { document.body.innerHTML = '<p>'; } catch {}
          await fetch('/none.js');
        }"""
    )
    watch.settle(page)
    with pytest.raises(Error):
        page.goto("http://localhost:1/")

    seen = "\n".join(watch.findings)
    parts = ("hello", "broken", "TrustedHTML", "with a status of 40", "request to another host")
    assert [part for part in parts if part not in seen] == [], seen
    watch.allow("")

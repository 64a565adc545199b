"""Prints times of the gallery beside a bare page: the first paint, and the frames of a scroll.

Times depend on the machine, so nothing is asserted about them, and the tests do not run this file.
`make browser` does.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Browser, Page, expect

from local.stack import LocalStack
from tests.browser.fake_jobs import SCROLL, FakeJobs
from tests.browser.gallery import (
    MARK_FIRST_RENDER,
    code_before_first_render,
    first_paint_milliseconds,
    first_render_milliseconds,
    sign_in,
)
from tests.browser.network import NetworkLog
from tests.integration.servers import Received, Reply, server
from tests.reports import REPORTED

RUNS_COUNT = 3
JOBS_COUNT = 5000
BARE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Bare</title>'
    '<link rel="icon" href="data:,"><link rel="stylesheet" href="style.css">'
    '<script type="module" src="app.js"></script><body><div id="root"></div></body></html>'
)
DRAW = b"const p = document.createElement('p');p.textContent = 'Bare';root.append(p);"

# Replaces the document by images that the browser loads when they are near, and scrolls to the end.
BARE_PAGE = """(previews) => {
  const box = document.createElementNS('http://www.w3.org/1999/xhtml', 'div');
  for (const { url, width, height } of previews) {
    const image = new Image(width * 280 / height, 280);
    image.loading = 'lazy';
    image.decoding = 'async';
    image.src = url;
    box.append(image);
  }
  document.documentElement.replaceWith(box);
  scrollTo(0, document.scrollingElement.scrollHeight);
}"""
# Returns frames a second of a slower scroll.
FRAMES = """async () => {
  const start = performance.now();
  for (let frames = 0; frames < 150; frames++) {
    await new Promise(requestAnimationFrame);
    scrollBy(0, -60);
  }
  return 150_000 / (performance.now() - start);
}"""


def filled(count: int, code: bytes = b"") -> bytes:
    """Return code and a random comment, together `count` bytes."""
    comment = secrets.token_hex(count)[: max(0, count - len(code) - 4)]
    return code + b"/*" + comment.encode() + b"*/"


@dataclass(frozen=True)
class Opened:
    """When a page was rendered and painted, and the bytes of its code until then, by path."""

    first_render: float
    first_paint: float
    sizes: dict[str, int]


def opened(browser: Browser, url: str) -> Opened:
    """Open a page with an empty cache on a slow phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    try:
        page = context.new_page()
        page.add_init_script(MARK_FIRST_RENDER)
        NetworkLog(context, page).throttle(cpu=True)
        page.goto(url, wait_until="commit", timeout=0)
        sizes = code_before_first_render(page)
        return Opened(first_render_milliseconds(page), first_paint_milliseconds(page), sizes)
    finally:
        context.close()


def test_the_first_paint_is_measured_beside_a_bare_page(
    browser: Browser, stack: LocalStack
) -> None:
    sizes = opened(browser, f"{stack.api_url}/").sizes
    styles = sum(size for path, size in sizes.items() if path.endswith(".css"))
    files = {
        "/": (BARE.encode(), "text/html"),
        "/style.css": (filled(styles), "text/css"),
        "/app.js": (filled(sum(sizes.values()) - styles, DRAW), "text/javascript"),
    }

    def respond(request: Received) -> Reply:
        body, content_type = files[request.path]
        return Reply(200, body, {"Content-Type": content_type})

    with server(respond) as bare_url:
        pairs = [
            (opened(browser, f"{stack.api_url}/"), opened(browser, bare_url))
            for _ in range(RUNS_COUNT)
        ]

    assert all(sum(bare.sizes.values()) == sum(sizes.values()) for _, bare in pairs)
    for name in ("first_render", "first_paint"):
        gallery, bare = (median(getattr(pair[side], name) for pair in pairs) for side in (0, 1))
        REPORTED.append(
            f"{name} on Fast 3G with a CPU 4 times slower: {gallery:.0f} ms, {gallery / bare:.2f} "
            f"times a bare page of the same {sum(sizes.values())} bytes ({bare:.0f} ms)"
        )


def test_the_frames_of_a_scroll_are_measured_beside_a_bare_page(page: Page) -> None:
    jobs = FakeJobs(page, JOBS_COUNT)
    sign_in(page, "demo-ann")
    expect(page.get_by_role("list", name="Results")).to_be_attached()
    page.evaluate(SCROLL, 3000)
    page.wait_for_timeout(1000)
    gallery = page.evaluate(FRAMES)

    page.goto("icon.svg")
    page.evaluate(BARE_PAGE, jobs.previews())
    page.wait_for_timeout(1000)
    bare = page.evaluate(FRAMES)

    REPORTED.append(
        f"scroll through {JOBS_COUNT} jobs: {gallery:.0f} frames a second, "
        f"{gallery / bare:.2f} times a bare page of the same images ({bare:.0f})"
    )

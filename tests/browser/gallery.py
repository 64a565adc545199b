"""Steps of a user in the gallery, and measurements of a page."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.watch import Watch
from tests.e2e.actors import Actor

_LOADING = re.compile(r"^(Loading …|正在加载…)$")
SECONDS_MAX = 60
# The tags of axe-core's rules for WCAG 2.2 AA, and the best practices.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The first child of the page's element marks the first render.
MARK_FIRST_RENDER = """new MutationObserver((changes, observer) => {
  if (!document.querySelector('#root > *')) return;
  performance.mark('first-render');
  observer.disconnect();
}).observe(document, { childList: true, subtree: true })"""
_SHIFTS = """() => new Promise((resolve) => {
  const found = [];
  const rect = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ');
  const name = (node) => node?.outerHTML?.slice(0, 80) ?? node?.nodeName;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      const moved = entry.sources.map((one) =>
        `${name(one.node)} from ${rect(one.previousRect)} to ${rect(one.currentRect)}`);
      found.push(`${entry.value.toFixed(5)}: ${moved.join('; ')}`);
    }
  });
  observer.observe({ type: 'layout-shift', buffered: true });
  // The buffered entries arrive in a task of their own.
  setTimeout(() => { observer.disconnect(); resolve(found); }, 100);
})"""
_PAINT = """() => new Promise((resolve) => {
  new PerformanceObserver((list, observer) => {
    const entry = list.getEntries().find((one) => one.name === 'first-contentful-paint');
    if (entry) { observer.disconnect(); resolve(entry.startTime); }
  }).observe({ type: 'paint', buffered: true });
})"""
_RENDER = "() => performance.getEntriesByName('first-render')[0]?.startTime"
_CODE_UNTIL = """(milliseconds) => Object.fromEntries(
  performance.getEntriesByType('resource')
    .filter((entry) => entry.responseEnd <= milliseconds)
    .map((entry) => [new URL(entry.name).pathname, entry.encodedBodySize])
    .filter(([path]) => /\\.(js|css)$/.test(path)))"""
_AXE = """async (tags) => {
  const found = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
  return { passes: found.passes.length, violations: found.violations };
}"""


def sign_in(page: Page, user: str | Actor, view: str = "#/") -> None:
    """Open the gallery, sign in as a user of the local stack, and wait for a view."""
    name = user.name if isinstance(user, Actor) else user
    page.goto(view)
    main = page.get_by_role("main")
    button = main.get_by_role("button", name=name, exact=True)
    expect(main.get_by_role("textbox")).to_be_visible(timeout=SECONDS_MAX * 1000)
    if button.count():
        button.click()
    else:
        main.get_by_role("textbox").fill(name)
        main.get_by_role("textbox").press("Enter")
    expect(page.get_by_role("navigation").first).to_be_visible(timeout=SECONDS_MAX * 1000)


def open_view(page: Page, watch: Watch, view: str) -> None:
    """Go to a view by its address, such as `#/make`, and wait until it has loaded."""
    page.goto(view)
    watch.settle(page)
    loading = page.get_by_text(_LOADING)
    expect(loading, f"{view} has not loaded").to_have_count(0, timeout=SECONDS_MAX * 1000)


def expire_links(page: Page) -> list[str]:
    """Return expired links in the first list of jobs. Returns the URLs that were refused.

    Darkroom signs the same link for some minutes, so only a changed link differs from a new one.
    """
    refused: list[str] = []

    def change(route: Route) -> None:
        response = route.fetch()
        body = response.text().replace("X-Amz-Expires=", "X-Amz-Expires=0")
        route.fulfill(response=response, body=body)

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=403, body="<Error><Code>ExpiredToken</Code></Error>")

    page.route(re.compile(r"/jobs\?limit=50$"), change, times=1)
    page.route(re.compile("X-Amz-Expires=0"), refuse)
    return refused


def layout_shifts(page: Page) -> list[str]:
    """Return the layout shifts since the page was opened: the score, and what moved."""
    found: list[str] = page.evaluate(_SHIFTS)
    return found


def first_render_milliseconds(page: Page) -> float:
    """Wait for the first render, and return its time. MARK_FIRST_RENDER is an initial script."""
    page.wait_for_function(_RENDER)
    milliseconds: float = page.evaluate(_RENDER)
    return milliseconds


def code_before_first_render(page: Page) -> dict[str, int]:
    """Return the compressed bytes of the JS and CSS that arrived before the first render, by path.

    The paint follows in the next frame. A busy machine delays it, so files that the page does not
    need for it may arrive before it.
    """
    milliseconds = first_render_milliseconds(page)
    sizes: dict[str, int] = page.evaluate(_CODE_UNTIL, milliseconds)
    return sizes


def first_paint_milliseconds(page: Page) -> float:
    """Wait for the first paint of a text or an image, and return its time."""
    milliseconds: float = page.evaluate(_PAINT)
    return milliseconds


def accessibility_findings(page: Page, axe_source: str) -> list[str]:
    """Run axe-core on the page, and return its violations.

    The debugger evaluates the code, so the page's Content-Security-Policy stays in force.
    """
    page.evaluate(axe_source)
    found: dict[str, Any] = page.evaluate(_AXE, AXE_TAGS)
    assert found["passes"] > 0
    return [
        f"{rule['id']}: {rule['help']}: " + "; ".join(node["html"] for node in rule["nodes"])
        for rule in found["violations"]
    ]

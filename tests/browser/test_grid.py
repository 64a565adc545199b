"""The grid: nothing moves, few bytes and nodes, filters, keys, and images that do not load."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.fake_jobs import SCROLL, FakeJobs, fail, output, reopen
from tests.browser.gallery import layout_shifts, sign_in
from tests.browser.network import NetworkLog
from tests.browser.watch import Watch
from tests.reports import REPORTED

HUNDRED_TILES_BYTES_MAX = 1_500_000
HOSTILE = "<img src=x onerror=\"document.title='hostile'\"> ${1+1} {{x}} \u202e </a><script>"
FOCUSED = "document.activeElement.closest('.tile')?.dataset.key ?? ''"
NEAR = "[...document.querySelectorAll('.tile img[src]')].map(({ src }) => src)"
PUT = """(job) => import('./core/jobs.js').then((jobs) => { jobs.put(job); })"""
INSERT = """(job) => import('./core/jobs.js').then((jobs) => { jobs.insert(job); })"""


def tiles(page: Page) -> Any:
    return page.get_by_role("listitem")


def open_grid(page: Page, view: str = "#/") -> None:
    sign_in(page, "demo-ann", view)
    expect(page.get_by_role("list", name="Results")).to_be_attached()


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Wait until a condition is true. The wait runs the handlers of the page's events."""
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("the condition was not true within a minute")


def wait_for_images(page: Page) -> None:
    """Wait until all images in the viewport are loaded."""
    page.wait_for_function(
        """() => {
          const seen = [...document.querySelectorAll('.tile img')].filter((image) => {
            const { top, bottom } = image.getBoundingClientRect();
            return bottom > 0 && top < innerHeight;
          });
          return seen.length > 0 && seen.every((image) => image.complete && image.naturalWidth);
        }"""
    )


def focused(page: Page) -> str:
    """Return the key of the focused tile."""
    key: str = page.evaluate(FOCUSED)
    return key


@pytest.mark.parametrize(
    "options",
    [{}, {"viewport": {"width": 320, "height": 640}, "has_touch": True}],
    ids=["wide", "phone"],
)
def test_nothing_moves_while_pages_are_appended(page: Page, options: dict[str, Any]) -> None:
    jobs = FakeJobs(page, 120, lambda index, job: fail(job) if index % 7 == 3 else None)
    open_grid(page)
    wait_for_images(page)

    page.evaluate(SCROLL, 90)

    wait_for_images(page)
    assert [query.get("cursor") for query in jobs.requests] == [None, ["50"], ["100"]]
    assert layout_shifts(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_hundred_tiles_load_at_most_one_and_a_half_megabytes(
    page: Page, network: NetworkLog
) -> None:
    jobs = FakeJobs(page, 100)
    open_grid(page)
    count = 0
    for _ in range(100):
        wait_for_images(page)
        count = max(count, int(tiles(page).last.get_attribute("aria-posinset") or 0))
        if page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 1"):
            break
        page.evaluate("scrollBy(0, innerHeight / 2)")
        page.wait_for_timeout(250)

    size = network.bytes_of("Image")
    assert count == 100
    assert len(set(jobs.images)) == 100
    assert all(path.endswith("-512.webp") for path in jobs.images)
    assert size <= HUNDRED_TILES_BYTES_MAX, size
    REPORTED.append(f"grid: {size} bytes of images for 100 tiles")


@pytest.mark.parametrize("options", [{"device_scale_factor": 2}], ids=["sharp"])
def test_a_sharp_screen_loads_the_larger_previews(page: Page, options: dict[str, Any]) -> None:
    jobs = FakeJobs(page, 60)
    open_grid(page)
    wait_for_images(page)

    # Of the wide images: 400 CSS pixels are 800 pixels.
    assert "/fake/job00001-0-1024.webp" in jobs.images
    assert not any("original" in path for path in jobs.images)


def test_five_thousand_jobs_keep_the_document_small(page: Page) -> None:
    FakeJobs(page, 5000)
    open_grid(page)
    wait_for_images(page)
    session = page.context.new_cdp_session(page)

    def measure() -> dict[str, float]:
        session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        heap = session.send("Runtime.getHeapUsage")
        return {"nodes": counters["nodes"], "bytes": heap["usedSize"]}

    page.evaluate("scrollTo(0, 3000)")
    page.wait_for_timeout(1000)
    before = measure()
    page.evaluate(SCROLL, 3000)
    page.wait_for_timeout(1000)
    after = measure()

    count = int(tiles(page).last.get_attribute("aria-posinset") or 0)
    assert count == 5000
    assert page.locator("*").count() < 1500
    assert after["nodes"] < 2 * before["nodes"] + 2000
    # The jobs themselves stay in the memory.
    job_bytes = (after["bytes"] - before["bytes"]) / 5000
    assert job_bytes < 8000
    REPORTED.append(f"grid: {job_bytes:.0f} bytes of heap for each of 5000 jobs")


def test_a_fast_scroll_cancels_requests(page: Page) -> None:
    FakeJobs(page, 150)
    held: list[Route] = []
    failed: list[Request] = []

    def hold(route: Route) -> None:
        held.append(route)

    def note(request: Request) -> None:
        failed.append(request)

    page.route("**/fake/**", hold)
    page.on("requestfailed", note)
    open_grid(page)
    until(page, lambda: len(held) > 0)
    first = {route.request.url for route in held}

    for _ in range(8):
        page.evaluate("scrollBy(0, 3 * innerHeight)")
        page.wait_for_timeout(100)

    def open_urls() -> set[str]:
        return {route.request.url for route in held} - {request.url for request in failed}

    # The images near the viewport have their addresses a moment after the scroll.
    until(page, lambda: 0 < len(near := set(page.evaluate(NEAR))) < 40 and near == open_urls())
    assert first & open_urls() == set()


def test_images_return_from_the_cache_of_the_browser(page: Page) -> None:
    jobs = FakeJobs(page, 150)
    open_grid(page)
    wait_for_images(page)
    key = tiles(page).first.get_attribute("data-key")

    page.evaluate("scrollTo(0, 6 * innerHeight)")
    expect(page.locator(f'[data-key="{key}"]')).to_have_count(0)
    page.evaluate("scrollTo(0, 0)")
    wait_for_images(page)

    # The link is the same, so the cache of HTTP has the response.
    assert len({path for path in jobs.images if "job00000" in path}) == 1


def test_filters_are_in_the_address_and_go_back(page: Page) -> None:
    jobs = FakeJobs(page, 130, lambda index, job: fail(job) if index == 125 else None)
    open_grid(page)
    expect(tiles(page).first).to_be_visible()

    page.get_by_role("combobox", name="All states").select_option("Failed")

    # The first pages of the filter are empty, but have a next page.
    expect(tiles(page)).to_have_count(1)
    expect(page.get_by_text("The provider refused the prompt.")).to_be_visible()
    assert page.url.endswith("#/?status=failed")
    assert [query["status"] for query in jobs.requests[-3:]] == [["failed"]] * 3
    page.reload()
    expect(tiles(page)).to_have_count(1)
    expect(page.get_by_role("combobox", name="All states")).to_have_value("failed")
    page.go_back()
    expect(page.get_by_role("listitem").nth(20)).to_be_visible()


def test_dates_of_the_filter_are_whole_days_of_the_user(page: Page) -> None:
    jobs = FakeJobs(page, 3)
    open_grid(page, "#/?from=2026-03-01&to=2026-03-02")
    # The jobs of the response are newer, so they do not match.
    expect(page.get_by_text("No job matches.")).to_be_visible()

    after, before = (jobs.requests[-1][name][0] for name in ("created_after", "created_before"))
    times = page.evaluate(
        "[new Date(2026, 2, 1).toISOString(), new Date(2026, 2, 3).toISOString()]"
    )
    assert [after, before] == times


def test_text_is_searched_among_the_loaded_jobs(page: Page) -> None:
    jobs = FakeJobs(page, 130)
    open_grid(page)
    expect(tiles(page).first).to_be_visible()
    page.wait_for_timeout(300)
    count = len(jobs.requests)

    page.get_by_role("searchbox").fill("Number 17")

    expect(tiles(page)).to_have_count(1)
    expect(page.get_by_role("img", name="a lighthouse, number 17")).to_be_visible()
    assert len(jobs.requests) == count
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_text("No job matches.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Clear filters").last.click()
    expect(page.get_by_role("listitem").nth(20)).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_new_job_that_does_not_match_the_filters_is_not_listed(page: Page) -> None:
    jobs = FakeJobs(page, 5, lambda index, job: fail(job) if index > 1 else None)
    new = jobs.jobs.pop(0)
    open_grid(page, "#/?status=failed")
    expect(tiles(page)).to_have_count(3)

    page.evaluate(INSERT, new)

    page.wait_for_timeout(200)
    expect(tiles(page)).to_have_count(3)


def test_keys_move_between_tiles_and_keep_the_focus(page: Page) -> None:
    FakeJobs(page, 200)
    open_grid(page)
    wait_for_images(page)
    tiles(page).first.get_by_role("link").focus()

    page.keyboard.press("ArrowRight")
    assert focused(page) == "job00001/0"
    page.keyboard.press("ArrowDown")
    below = focused(page)
    assert below > "job00002/0"
    page.keyboard.press("ArrowUp")
    assert focused(page) < below
    page.keyboard.press("ArrowLeft")
    left = focused(page)
    # The focused tile stays in the document when it is scrolled out of it.
    page.evaluate("scrollTo(0, 8 * innerHeight)")
    page.wait_for_timeout(300)
    assert focused(page) == left
    page.keyboard.press("End")
    page.wait_for_function(f"() => ({FOCUSED}) > 'job00040/0'")
    page.keyboard.press("Home")
    page.wait_for_function(f"() => ({FOCUSED}) === 'job00000/0'")
    page.wait_for_function("() => document.activeElement.getBoundingClientRect().top > 0")


def test_the_viewer_keeps_the_scroll_position_and_returns_the_focus(page: Page) -> None:
    FakeJobs(page, 200)
    open_grid(page)
    wait_for_images(page)
    page.evaluate("scrollTo(0, 2000)")
    wait_for_images(page)
    link = page.locator('.tile[data-key="job00030/0"]').get_by_role("link")
    link.scroll_into_view_if_needed()
    position = page.evaluate("scrollY")

    link.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("scrollY") == position
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.wait_for_function(f"() => ({FOCUSED}) === 'job00030/0'")
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") == position


def test_two_outputs_are_chosen_for_a_comparison(page: Page) -> None:
    FakeJobs(page, 9)
    open_grid(page)
    for index in (1, 3):
        tiles(page).nth(index).hover()
        tiles(page).nth(index).get_by_role("button", name="Compare").click()

    expect(page).to_have_url(re.compile("#/compare/job00001/0/job00003/0$"))


def test_an_ended_job_becomes_its_outputs_in_place(page: Page) -> None:
    jobs = FakeJobs(page, 60, lambda index, job: reopen(job) if index == 0 else None)
    open_grid(page)
    wait_for_images(page)
    ended = jobs["job00000"] | {
        "status": "completed",
        "outputs": [output("job00000", n, (1024, 1024)) for n in range(4)],
        "finished_at": jobs["job00000"]["created_at"],
    }
    page.evaluate("scrollTo(0, 1500)")
    wait_for_images(page)
    key = page.evaluate(
        """() => [...document.querySelectorAll('.tile')]
          .find((tile) => tile.getBoundingClientRect().bottom > 0).dataset.key"""
    )
    tile = page.locator(f'.tile[data-key="{key}"]')
    place = tile.bounding_box()
    jobs["job00000"].update(ended)

    page.evaluate(PUT, ended)

    # What the user looks at stays where it is.
    expect(page.locator('.tile[data-key="job00000/3"]')).to_have_count(1)
    page.wait_for_timeout(500)
    moved = tile.bounding_box()
    assert place is not None
    assert moved is not None
    assert moved["y"] == place["y"]
    assert layout_shifts(page) == []


def test_an_expired_link_is_renewed_once(page: Page, watch: Watch) -> None:
    watch.allow_status(403)
    jobs = FakeJobs(page, 3)
    jobs.broken_links.add("1")
    new_links = [output("job00000", 0, (1024, 1024), links="2")]
    jobs.renewed["job00000"] = jobs["job00000"] | {"outputs": new_links}
    open_grid(page)

    # The first job gets links that work, the others do not.
    expect(page.locator('.tile[data-key="job00000/0"] img.in')).to_be_visible()
    expect(page.get_by_text("The image does not load.")).to_have_count(2)
    page.wait_for_timeout(500)
    assert jobs.reads.count("job00001") == 1


def test_hostile_prompts_are_text(page: Page) -> None:
    def change(index: int, job: dict[str, Any]) -> None:
        job["parameters"]["prompt"] = HOSTILE
        if index == 1:
            fail(job)
            job["error"]["message"] = HOSTILE

    FakeJobs(page, 2, change)
    open_grid(page)
    wait_for_images(page)

    expect(page.get_by_role("img", name=HOSTILE)).to_be_visible()
    expect(tiles(page).nth(1)).to_contain_text(HOSTILE)
    assert page.title() == "Darkroom"
    assert page.locator("[onerror], main script").count() == 0


def test_an_empty_gallery_links_to_make(page: Page) -> None:
    FakeJobs(page, 0)
    open_grid(page)

    expect(page.get_by_text("Your images and videos appear here.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Make").click()
    expect(page).to_have_url(re.compile("#/make$"))


def test_a_list_that_does_not_load_is_tried_again(page: Page, watch: Watch) -> None:
    watch.allow_status(503)
    FakeJobs(page, 3)
    problem = {"title": "Unavailable", "detail": "Try later.", "retryable": True}
    page.route(
        re.compile(r"/jobs\?limit=50"),
        lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json=problem),
        times=2,
    )
    open_grid(page)

    expect(page.get_by_role("alert")).to_contain_text("Try later.")
    page.get_by_role("button", name="Try again").click()
    # The second try fails, too. The third one is automatic.
    expect(tiles(page)).to_have_count(3)

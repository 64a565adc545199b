"""The full view of an output: zoom, moves by key and swipe, links, videos and actions."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import CDPSession, Locator, Page, Route, expect

from local.client import Client
from local.stack import LocalStack
from tests.browser.gallery import layout_shifts, sign_in
from tests.browser.network import NetworkLog
from tests.browser.watch import Watch
from tests.e2e.actors import Actor

HOSTILE = "<img src=x onerror=alert(1)>\n<script>alert(2)</script> & 100 %"
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
_IS_LOADED = "image => image.complete && image.naturalWidth > 0"


def view(page: Page) -> Locator:
    return page.locator("dialog.view")


def completed(actor: Actor, **parameters: Any) -> dict[str, Any]:
    """Run a job to its end."""
    job = actor.ended(actor.submit(**parameters))
    assert job["status"] == "completed"
    return job


def open_job(page: Page, actor: Actor, job: dict[str, Any], n: int = 0) -> None:
    """Sign in, and open an output by its address."""
    sign_in(page, actor, f"#/job/{job['id']}/{n}")
    expect(view(page)).to_be_visible()


def open_tile(page: Page, actor: Actor, job: dict[str, Any], n: int = 0) -> None:
    """Sign in, and open an output by its tile."""
    sign_in(page, actor)
    page.locator(f'main a[href="#/job/{job["id"]}/{n}"]').click()
    expect(view(page)).to_be_visible()


def expect_loaded(page: Page) -> None:
    """Wait until the original is there."""
    image = view(page).locator(".frame img")
    expect(image).to_be_visible()
    page.wait_for_function(
        f"() => [...document.querySelectorAll('.view .frame img')].some({_IS_LOADED})"
    )


def scale(page: Page) -> float:
    """Return how much the image is enlarged."""
    number: float = page.evaluate(
        "() => new DOMMatrix(getComputedStyle(document.querySelector('.frame')).transform).a"
    )
    return number


def paths(network: NetworkLog, links: list[str]) -> list[str]:
    """Return the paths of these links that the page has received, in order."""
    wanted = {urlsplit(link).path for link in links}
    return [one.path for one in network.responses if one.path in wanted]


def test_only_the_open_output_is_fetched_as_an_original(
    page: Page, actor: Actor, network: NetworkLog
) -> None:
    job = completed(actor, num_outputs=3)
    originals = [output["url"] for output in job["outputs"]]

    sign_in(page, actor)
    tile = page.locator(f'main a[href="#/job/{job["id"]}/0"]')
    expect(tile).to_be_visible()
    page.wait_for_load_state("networkidle")
    earlier_shifts = layout_shifts(page)

    tile.click()
    expect_loaded(page)
    page.wait_for_load_state("networkidle")

    assert paths(network, originals) == [urlsplit(originals[0]).path]
    assert layout_shifts(page) == earlier_shifts


def test_keys_move_without_new_history_and_back_closes_the_view(page: Page, actor: Actor) -> None:
    job = completed(actor, num_outputs=3)
    open_tile(page, actor, job)
    entries = page.evaluate("history.length")

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(rf"#/job/{job['id']}/1$"))
    expect(view(page)).to_contain_text("2 of 3")
    expect(view(page).locator("[aria-live]")).to_have_text("2 of 3, a lighthouse at dawn")
    assert page.evaluate("history.length") == entries

    page.go_back()
    expect(view(page)).to_have_count(0)
    expect(page.locator(f'main a[href="#/job/{job["id"]}/1"]')).to_be_focused()


@pytest.mark.parametrize("opened", [open_tile, open_job])
def test_escape_and_the_close_button_return_to_the_grid(
    page: Page, actor: Actor, opened: Any
) -> None:
    job = completed(actor)
    opened(page, actor, job)

    page.keyboard.press("Escape")
    expect(view(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/(#/)?$"))

    tile = page.locator(f'main a[href="#/job/{job["id"]}/0"]')
    tile.click()
    view(page).get_by_role("button", name="Close").first.click()
    expect(view(page)).to_have_count(0)
    expect(tile).to_be_focused()


def test_keys_and_the_wheel_zoom_and_arrows_pan(page: Page, actor: Actor) -> None:
    job = completed(actor, num_outputs=2)
    open_job(page, actor, job)
    expect_loaded(page)
    frame = view(page).locator(".frame")

    page.keyboard.press("+")
    page.keyboard.press("+")
    assert scale(page) == pytest.approx(2.25)
    before = frame.bounding_box()
    page.keyboard.press("ArrowRight")
    after = frame.bounding_box()
    assert before
    assert after
    assert after["x"] == pytest.approx(before["x"] - 80, abs=1)
    expect(page).to_have_url(re.compile(r"/0$"))
    page.keyboard.press("0")
    assert scale(page) == 1

    box = frame.bounding_box()
    assert box
    corner = (box["x"] + 10, box["y"] + 10)
    page.mouse.move(*corner)
    page.mouse.wheel(0, -400)
    page.wait_for_function("() => document.querySelector('.stage').classList.contains('zoomed')")
    zoomed, factor = frame.bounding_box(), scale(page)
    assert zoomed
    assert factor > 1
    assert zoomed["y"] + 10 * factor == pytest.approx(corner[1], abs=1)

    page.mouse.dblclick(*corner)
    assert scale(page) == 1
    page.mouse.dblclick(*corner)
    assert scale(page) == 3


def touch(session: CDPSession, *points: tuple[float, float]) -> None:
    """Move one finger over these points."""
    kinds = ["touchStart", *["touchMove"] * (len(points) - 1)]
    for kind, (x, y) in zip(kinds, points, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("options", [PHONE])
def test_a_swipe_moves_to_the_next_output_and_down_closes(
    page: Page, actor: Actor, network: NetworkLog, options: Any
) -> None:
    job = completed(actor, num_outputs=2)
    open_tile(page, actor, job)
    expect_loaded(page)

    touch(network.session, (300, 300), (250, 300), (200, 305), (150, 310))
    expect(page).to_have_url(re.compile(rf"#/job/{job['id']}/1$"))
    touch(network.session, (100, 300), (150, 300), (200, 305), (250, 310))
    expect(page).to_have_url(re.compile(rf"#/job/{job['id']}/0$"))
    touch(network.session, (200, 200), (200, 260), (205, 320), (205, 380))
    expect(view(page)).to_have_count(0)


@pytest.mark.parametrize("options", [PHONE])
def test_two_fingers_zoom_and_do_not_leave_the_output(
    page: Page, actor: Actor, network: NetworkLog, options: Any
) -> None:
    job = completed(actor, num_outputs=2)
    open_job(page, actor, job)
    expect_loaded(page)

    for kind, spread in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80)):
        points = [{"x": 195 - spread, "y": 300, "id": 0}, {"x": 195 + spread, "y": 300, "id": 1}]
        network.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    network.session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    page.wait_for_function("() => document.querySelector('.stage').classList.contains('zoomed')")
    assert 2 < scale(page) < 5
    expect(page).to_have_url(re.compile(rf"#/job/{job['id']}/0$"))
    assert page.evaluate("visualViewport.scale") == 1


def test_the_download_link_saves_the_original(page: Page, actor: Actor) -> None:
    job = completed(actor)
    open_job(page, actor, job)

    with page.expect_download() as saved:
        view(page).get_by_role("link", name="Download").click()

    assert re.fullmatch(r"flux-schnell-\d{4}-\d\d-\d\d-1\.\w+", saved.value.suggested_filename)
    assert saved.value.path().stat().st_size == job["outputs"][0]["bytes"]
    expect(view(page)).to_be_visible()


def test_a_hostile_prompt_is_text_and_is_copied_unchanged(page: Page, actor: Actor) -> None:
    job = completed(actor, prompt=HOSTILE)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_job(page, actor, job)

    expect(view(page).locator(".prompt")).to_have_text(HOSTILE)
    view(page).get_by_role("button", name="Copy prompt").click()
    expect(view(page).get_by_role("status")).to_contain_text("copied")

    assert page.evaluate("navigator.clipboard.readText()") == HOSTILE


def test_a_broken_link_is_renewed_and_the_image_loads(
    page: Page, actor: Actor, watch: Watch
) -> None:
    job = completed(actor)
    watch.allow_status(403)
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=403, body="<Error/>")

    path = urlsplit(job["outputs"][0]["url"]).path
    page.route(lambda url: urlsplit(url).path == path, refuse_once)
    with page.expect_response(lambda one: one.url.endswith(f"/jobs/{job['id']}")):
        open_tile(page, actor, job)

    expect_loaded(page)
    assert len(refused) == 1
    expect(view(page).get_by_text("The file does not load.")).to_have_count(0)


def test_a_file_that_stays_away_is_reported_and_can_be_tried_again(
    page: Page, actor: Actor, watch: Watch
) -> None:
    job = completed(actor)
    watch.allow_status(403)
    path = urlsplit(job["outputs"][0]["url"]).path
    page.route(
        lambda url: urlsplit(url).path == path, lambda route: route.fulfill(status=403, body="")
    )
    open_tile(page, actor, job)

    expect(view(page).get_by_role("alert")).to_contain_text("The file does not load.")
    page.unroute_all()
    view(page).get_by_role("button", name="Try again").click()
    expect_loaded(page)


def test_a_video_has_a_poster_plays_and_keeps_its_keys(page: Page, actor: Actor) -> None:
    job = actor.ended(actor.submit("wan-2.2-t2v-fast"))
    output = job["outputs"][0]
    completed(actor)
    sign_in(page, actor, f"#/job/{job['id']}/0")
    video = view(page).locator("video")

    expect(video).to_have_attribute("poster", re.compile("^http"))
    expect(video).to_have_attribute("preload", "metadata")
    page.wait_for_function("() => document.querySelector('.view video').duration > 0")
    length = page.evaluate("document.querySelector('.view video').duration")
    assert length == pytest.approx(output["seconds"], abs=0.1)
    seconds = video.evaluate(
        """async (video) => {
          video.muted = true;
          await video.play();
          await new Promise((resolve) => video.addEventListener('timeupdate', () =>
            video.currentTime > 0 && resolve()));
          return video.currentTime;
        }"""
    )
    assert seconds > 0
    video.focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(rf"#/job/{job['id']}/0$"))


def test_a_failed_job_says_what_happened(page: Page, actor: Actor, stack: LocalStack) -> None:
    Client(stack.replicate_url, "").call("PUT", "/faults", json={"flag_sensitive": 1})
    job = actor.ended(actor.submit())
    assert job["status"] == "failed"

    sign_in(page, actor, f"#/job/{job['id']}/0")

    expect(view(page).locator(".stage")).to_contain_text(job["error"]["message"])
    expect(view(page).get_by_role("button", name="Zoom")).to_be_disabled()


def test_an_unknown_job_is_reported(page: Page, actor: Actor, watch: Watch) -> None:
    watch.allow_status(404)
    sign_in(page, actor, "#/job/00000000-0000-7000-8000-000000000000/0")

    expect(view(page)).to_contain_text("There is no such job in your account.")


def test_a_deleted_job_closes_its_view(page: Page, actor: Actor) -> None:
    job = completed(actor)
    open_tile(page, actor, job)

    view(page).get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").last.get_by_role("button", name="Delete").click()

    expect(view(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/(#/)?$"))


def test_run_again_submits_once_with_a_key(page: Page, actor: Actor) -> None:
    job = completed(actor)
    open_tile(page, actor, job)

    with page.expect_request(lambda one: one.method == "POST") as sent:
        view(page).get_by_role("button", name="Run again").click()

    assert sent.value.post_data_json == {"rerun_of": job["id"]}
    assert sent.value.headers["idempotency-key"]
    expect(view(page)).to_have_count(0)

"""Two outputs in one frame: the slider, the flicker key, and the parameters that differ."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from local.stack import LocalStack
from tests.browser.gallery import sign_in
from tests.e2e.actors import Actor


def view(page: Page) -> Locator:
    return page.locator("dialog.view")


def part(page: Page) -> float:
    """Return the part of the frame that shows A, in percent, as it is clipped."""
    clip: str = page.evaluate(
        "() => getComputedStyle(document.querySelector('.pair > :last-child')).clipPath"
    )
    number = re.search(r"([\d.]+)%", clip)
    return float(number.group(1)) if number else 0


def jobs(actor: Actor, *aspect_ratios: str) -> list[str]:
    ids = [
        actor.submit(aspect_ratio=one, prompt=f"a lighthouse {n}", num_outputs=2)
        for n, one in enumerate(aspect_ratios)
    ]
    assert all(actor.ended(one)["status"] == "completed" for one in ids)
    return ids


@pytest.fixture(scope="module")
def painter(stack: LocalStack) -> Actor:
    return Actor.arrive(stack, "painter", credits=200)


@pytest.fixture(scope="module")
def squares(painter: Actor) -> list[str]:
    """Two jobs of the same aspect ratio, for all tests, because no test changes them."""
    return jobs(painter, "1:1", "1:1")


@pytest.fixture
def pair(page: Page, painter: Actor, squares: list[str]) -> tuple[str, str]:
    """Two jobs that are compared in the page."""
    one, two = squares
    sign_in(page, painter, f"#/compare/{one}/0/{two}/1")
    expect(view(page).locator(".frame img")).to_have_count(2)
    # The keys work when the dialog is open.
    expect(view(page).get_by_role("slider")).to_be_visible()
    return one, two


@pytest.mark.usefixtures("pair")
def test_the_slider_moves_by_keyboard(page: Page) -> None:
    slider = view(page).get_by_role("slider", name="Part of A")
    slider.focus()
    assert part(page) == 50

    page.keyboard.press("ArrowRight")
    assert part(page) == 51
    page.keyboard.press("End")
    assert part(page) == 100
    page.keyboard.press("Home")
    assert part(page) == 0


@pytest.mark.usefixtures("pair")
def test_a_drag_anywhere_on_the_image_moves_the_slider(page: Page) -> None:
    box = view(page).locator(".pair").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 90)
    page.mouse.up()
    page.mouse.move(box["x"] + 5, box["y"] + 5)

    assert part(page) == pytest.approx(25, abs=0.5)
    expect(view(page).get_by_role("slider")).to_have_value("25")


@pytest.mark.usefixtures("pair")
def test_each_press_of_f_and_the_button_show_the_other_output(page: Page) -> None:
    seen: list[float] = []
    for _ in range(3):
        page.keyboard.press("f")
        expect(view(page).locator("[aria-live]")).to_have_text("A" if len(seen) % 2 else "B")
        seen.append(part(page))
    view(page).get_by_role("button", name="Switch A/B").click()
    expect(view(page).locator("[aria-live]")).to_have_text("A")

    assert [*seen, part(page)] == [0, 100, 0, 100]


def test_the_table_has_the_parameters_that_differ(page: Page, pair: tuple[str, str]) -> None:
    rows = view(page).get_by_role("row")

    expect(rows).to_have_count(2)
    expect(rows.last.get_by_role("cell")).to_have_text(["a lighthouse 0", "a lighthouse 1"])
    expect(view(page)).not_to_contain_text("aspect ratios differ")


def test_swap_exchanges_the_two(page: Page, pair: tuple[str, str]) -> None:
    one, two = pair
    view(page).get_by_role("button", name="Swap").click()

    expect(page).to_have_url(re.compile(rf"#/compare/{two}/1/{one}/0$"))
    cells = view(page).get_by_role("row").last.get_by_role("cell")
    expect(cells).to_have_text(["a lighthouse 1", "a lighthouse 0"])


def test_different_ratios_share_one_box_and_are_reported(page: Page, actor: Actor) -> None:
    one, two = jobs(actor, "16:9", "9:16")
    sign_in(page, actor, f"#/compare/{one}/0/{two}/0")

    expect(view(page)).to_contain_text("The aspect ratios differ")
    images = view(page).locator(".frame img")
    expect(images).to_have_count(2)
    assert images.first.bounding_box() == images.last.bounding_box()
    assert images.last.evaluate("one => getComputedStyle(one).objectFit") == "contain"


def test_the_view_compares_with_the_output_beside_it_and_closes_to_the_grid(
    page: Page, actor: Actor
) -> None:
    (job,) = jobs(actor, "1:1")
    sign_in(page, actor)
    page.locator(f'main a[href="#/job/{job}/1"]').click()

    view(page).get_by_role("button", name="Compare", exact=True).click()
    expect(page).to_have_url(re.compile(rf"#/compare/{job}/0/{job}/1$"))
    expect(view(page)).to_contain_text("All parameters are the same.")
    page.keyboard.press("Escape")

    expect(view(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/(#/)?$"))


def test_two_jobs_with_one_output_each_are_chosen_one_after_the_other(
    page: Page, actor: Actor
) -> None:
    one, two = actor.submit(), actor.submit()
    actor.ended(one)
    actor.ended(two)
    sign_in(page, actor)

    page.locator(f'main a[href="#/job/{two}/0"]').click()
    view(page).get_by_role("button", name="Compare", exact=True).click()
    expect(view(page).get_by_role("status")).to_contain_text("The first output is chosen.")
    page.keyboard.press("ArrowRight")
    view(page).get_by_role("button", name="Compare", exact=True).click()

    expect(page).to_have_url(re.compile(rf"#/compare/{one}/0/{two}/0$"))

"""axe-core finds nothing in any view, in both themes, on a phone and on a wide screen."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from local.stack import LocalStack
from tests.browser.gallery import accessibility_findings, open_view, sign_in
from tests.browser.watch import Watch
from tests.e2e.actors import Actor

VIEWS = (
    "#/",
    "#/make",
    "#/make/flux-schnell",
    "#/credits",
    "#/callbacks",
    "#/nothing-here",
    "#/job/{job}",
    "#/job/{failed}",
    "#/compare/{job}/0/{other}/0",
)
PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True}
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", **PHONE},
    "phone-dark-zh": {"color_scheme": "dark", "locale": "zh-CN", **PHONE},
}
each_look = pytest.mark.parametrize("options", LOOKS.values(), ids=LOOKS.keys())


@pytest.fixture(scope="module")
def painter(stack: LocalStack) -> tuple[Actor, dict[str, str]]:
    """A user with jobs in several states, and the jobs' ids by name."""
    actor = Actor.arrive(stack, "painter", credits=200)
    ids = {"job": actor.submit(), "other": actor.submit()}
    ids["failed"] = actor.submit(prompt="flag me")
    for job in ids.values():
        actor.ended(job)
    return actor, ids


@each_look
def test_axe_finds_nothing_on_the_sign_in(page: Page, axe_source: str, options: Any) -> None:
    page.goto("#/")
    page.get_by_role("textbox").wait_for()

    assert accessibility_findings(page, axe_source) == []


@each_look
def test_axe_finds_nothing_in_the_views_of_a_user(
    page: Page,
    painter: tuple[Actor, dict[str, str]],
    watch: Watch,
    axe_source: str,
    options: dict[str, Any],
) -> None:
    actor, ids = painter
    sign_in(page, actor)

    found = {}
    for view in VIEWS:
        open_view(page, watch, view.format(**ids))
        found[view] = accessibility_findings(page, axe_source)
    assert {view: texts for view, texts in found.items() if texts} == {}


@each_look
def test_axe_finds_nothing_in_the_administration(
    page: Page,
    painter: tuple[Actor, dict[str, str]],
    watch: Watch,
    axe_source: str,
    options: dict[str, Any],
) -> None:
    sign_in(page, "demo-admin")
    open_view(page, watch, "#/manage")

    assert accessibility_findings(page, axe_source) == []


def test_axe_sees_a_missing_name_and_a_low_contrast(page: Page, axe_source: str) -> None:
    page.goto("#/")
    page.get_by_role("textbox").wait_for()
    page.evaluate(
        """() => {
          const button = document.createElement('button');
          const text = document.createElement('p');
          text.textContent = 'hardly visible';
          text.style.color = '#ddd';
          text.style.background = '#fff';
          document.querySelector('main').append(button, text);
        }"""
    )

    names = [text.partition(":")[0] for text in accessibility_findings(page, axe_source)]
    assert {"button-name", "color-contrast"} <= set(names)

"""Fixtures of the tests in Chromium: the local stack, a browser, and a page that is watched."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from local.client import Client
from local.stack import LocalStack
from tests.browser.network import NetworkLog
from tests.browser.watch import Watch
from tests.chromium import OPTIONS, NotHere, chromium
from tests.e2e.actors import Actor, signed_in
from tests.fuzz.run import PARAMETERS
from tests.healthy_providers import make_providers_healthy
from tools.node_tools import NodeMissing, installed

BUILD_DIRECTORY = Path(".aws-sam/local")
# Playwright adds the option for a headless browser.
ARGUMENTS = [option for option in OPTIONS if not option.startswith("--headless")]
VIEWPORT = {"width": 1280, "height": 800}
# Enough for a machine that is four times slower.
WAIT_MILLISECONDS_MAX = 60_000
NAME_LENGTH_MAX = 50
expect.set_options(timeout=WAIT_MILLISECONDS_MAX)


@pytest.fixture(scope="package")
def stack() -> Iterator[LocalStack]:
    """The local stack without demo data, once for all tests of this folder."""
    with LocalStack(BUILD_DIRECTORY, parameters=PARAMETERS) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Without Chromium, skip the test; fail in CI."""
    try:
        program = chromium()
    except NotHere as missing:
        if os.environ.get("CI"):
            pytest.fail(f"the gallery must be tried in CI: {missing}")
        warnings.warn(f"no browser tries the gallery: {missing}", stacklevel=1)
        pytest.skip(f"not tried: {missing}")
    # The loop of Playwright ends with this folder, so other tests can run loops of their own.
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def options() -> dict[str, Any]:
    """Options of the browser context, such as `color_scheme`. Tests parametrize them."""
    return {}


@pytest.fixture
def context(
    browser: Browser, stack: LocalStack, options: dict[str, Any]
) -> Iterator[BrowserContext]:
    """A browser profile of its own for each test."""
    settings = {"viewport": VIEWPORT, "locale": "en-US", "base_url": f"{stack.api_url}/"}
    context = browser.new_context(**{**settings, **options})
    context.set_default_timeout(WAIT_MILLISECONDS_MAX)
    yield context
    context.close()


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    """Fail the test for a console message, an error, or a request to another host."""
    watch = Watch(context)
    yield watch
    watch.must_be_silent()


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """An empty page in the watched profile."""
    return context.new_page()


@pytest.fixture
def network(context: BrowserContext, page: Page) -> NetworkLog:
    """The responses to the page, with the bytes that it received."""
    return NetworkLog(context, page)


@pytest.fixture
def clock(page: Page) -> Any:
    """The clock of the page. It starts at the present time and runs on until the test stops it."""
    page.clock.install()
    return page.clock


@pytest.fixture
def actor(stack: LocalStack, request: pytest.FixtureRequest) -> Actor:
    """A new user with 200 credits. The field of the sign-in takes at most 64 characters."""
    return Actor.arrive(stack, request.node.name[:NAME_LENGTH_MAX], credits=200)


@pytest.fixture
def admin(stack: LocalStack) -> Client:
    return signed_in(stack, "grace", groups=["admin"])


@pytest.fixture(autouse=True)
def no_faults(stack: LocalStack) -> Iterator[None]:
    """Remove the faults of the simulated Replicate, and their effects, after each test."""
    yield
    Client(stack.replicate_url, "").call("PUT", "/faults", json={})
    make_providers_healthy(stack)


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The code of axe-core. Without npm, skip the test; fail in CI."""
    try:
        home = installed()
    except NodeMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tried: {missing}")
    return (home / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")

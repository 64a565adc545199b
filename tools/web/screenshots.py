"""Write the screenshots of the README, in light and in dark: python -m tools.web.screenshots.

The local stack runs with the demo data. Chromium is a program of the machine.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from local.api_gateway.web_files import DEMO_USERS
from local.demo_data import DemoData
from local.stack import LocalStack

FOLDER = Path(__file__).parents[2] / "docs/images"
THEMES = ("light", "dark")
SIZE = (1440, 900)
QUALITIES = (90, 80, 70, 60)
BYTES_MAX = 150_000
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_DEMO_SECONDS_MAX = 600
_MILLISECONDS_MAX = 120_000
# The images in the viewport are displayed, and no transition runs.
_IS_READY = """() => {
  const images = [...document.querySelectorAll('.tile img')].filter(
    (image) => image.getBoundingClientRect().top < innerHeight);
  return images.length > 4
    && images.every((image) => image.complete && getComputedStyle(image).opacity === '1');
}"""


def main() -> int:
    """Start the stack, wait for the demo data, and write a file for each theme."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        sys.stderr.write("Chromium is not installed (Debian: apt-get install chromium).\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    with LocalStack() as stack, DemoData(stack) as demo, sync_playwright() as playwright:
        if not demo.wait(_DEMO_SECONDS_MAX):
            sys.stderr.write(f"The demo data is not there after {_DEMO_SECONDS_MAX} seconds.\n")
            return 1
        # Playwright itself turns the process isolation off, which root cannot use.
        options = ["--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program, args=options)
        for theme in THEMES:
            file = FOLDER / f"gallery-{theme}.webp"
            file.write_bytes(compressed(screenshot(browser, f"{stack.api_url}/", theme)))
            sys.stdout.write(
                f"{file.relative_to(FOLDER.parents[1])}: {file.stat().st_size} bytes\n"
            )
        browser.close()
    return 0


def screenshot(browser: Browser, url: str, theme: str) -> bytes:
    """Sign in as the first demo user, and return the grid as a PNG image."""
    width, height = SIZE
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-US",
    )
    context.set_default_timeout(_MILLISECONDS_MAX)
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name=DEMO_USERS[0], exact=True).click()
    # The mouse is still over a tile, which shows its caption then.
    page.mouse.move(0, 0)
    page.get_by_text("of about").wait_for()
    page.wait_for_function(_IS_READY)
    body = page.screenshot()
    context.close()
    return body


def compressed(png: bytes) -> bytes:
    """Return an image as WebP, in the best quality that has at most `BYTES_MAX` bytes."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= BYTES_MAX:
            return file.getvalue()
    raise ValueError(f"The image has more than {BYTES_MAX} bytes.")


if __name__ == "__main__":
    sys.exit(main())

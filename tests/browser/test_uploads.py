"""Images as inputs of a job: sent by button, drop and paste, checked, ordered and removed."""

from __future__ import annotations

import io
import re
from typing import Any

from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.browser.gallery import sign_in
from tests.browser.watch import Watch
from tests.e2e.actors import Actor

STARTING_MILLISECONDS_MAX = 60_000
SENDING_MILLISECONDS_MAX = 90_000
_EVENT = """([kind, selector, bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', { ...options, clipboardData: data })
    : new DragEvent('drop', { ...options, dataTransfer: data });
  document.querySelector(selector).dispatchEvent(event);
}"""


def png(width: int = 400, height: int = 400, color: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, "PNG")
    return file.getvalue()


def file_of(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def open_form(page: Page, actor: Actor, code: str) -> None:
    sign_in(page, actor, "#/make")
    page.goto(f"#/make/{code}")
    # The first request starts the API.
    expect(page.get_by_role("tab", name="Form")).to_be_visible(timeout=STARTING_MILLISECONDS_MAX)


def rows(page: Page) -> Any:
    return page.locator(".images .row")


def ids_in_draft(page: Page, code: str, name: str, *, count: int) -> list[str]:
    """Return the uploads in a form's draft, once it has so many. It is stored after a render."""
    draft = f"[JSON.parse(sessionStorage.getItem('darkroom.draft.{code}')).values.{name}].flat()"
    page.wait_for_function(f"() => {draft}.filter(Boolean).length === {count}")
    return list(page.evaluate(draft))


def test_several_images_are_sent_ordered_and_removed(page: Page, actor: Actor) -> None:
    open_form(page, actor, "flux-2-pro")
    page.locator(".drop input").set_input_files(
        [file_of("one.png", png()), file_of("two.png", png(color="red"))]
    )
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=SENDING_MILLISECONDS_MAX)
    first, second = ids_in_draft(page, "flux-2-pro", "input_images", count=2)
    assert rows(page).first.locator("img").get_attribute("src").startswith("data:image/")

    page.get_by_role("button", name="Move to the front").click()
    page.wait_for_function(
        f"() => sessionStorage.getItem('darkroom.draft.flux-2-pro').search('{second}.*{first}') > 0"
    )
    page.get_by_role("button", name="Remove two.png").click()
    expect(rows(page)).to_have_count(1)
    assert ids_in_draft(page, "flux-2-pro", "input_images", count=1) == [first]
    page.get_by_label("prompt", exact=True).fill("a lighthouse")
    expect(page.locator(".submit p")).to_contain_text("12 credits")


def test_an_image_is_dropped_or_pasted(page: Page, actor: Actor) -> None:
    open_form(page, actor, "flux-2-pro")
    page.evaluate(_EVENT, ["drop", ".images", list(png()), "dropped.png"])
    expect(rows(page)).to_contain_text(["dropped.png"])
    page.evaluate(_EVENT, ["paste", "body", list(png(color="red")), "pasted.png"])
    expect(rows(page)).to_contain_text(["dropped.png", "pasted.png"])
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=SENDING_MILLISECONDS_MAX)
    assert ids_in_draft(page, "flux-2-pro", "input_images", count=2)


def test_images_that_a_model_refuses_are_not_sent(page: Page, actor: Actor) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    open_form(page, actor, "kling-v2.1")
    field = page.locator(".field", has=page.get_by_text("start image", exact=True))
    choose = field.locator(".drop input")

    choose.set_input_files(file_of("small.png", png(200, 200)))
    expect(field).to_contain_text("Each side needs at least 300 pixels.")
    choose.set_input_files(file_of("long.png", png(2000, 500)))
    expect(field).to_contain_text("at most 2.5 times the shorter one")
    choose.set_input_files(file_of("text.png", b"not an image at all"))
    expect(field).to_contain_text("This is not a JPEG, HEIC, PNG, WebP, AVIF or GIF image.")
    assert not [url for url in sent if url.endswith("/uploads")]


def test_an_image_without_a_preview_is_sent_and_refused(
    page: Page, actor: Actor, watch: Watch
) -> None:
    watch.allow_status(422)
    open_form(page, actor, "background-remover")
    head = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
    page.locator(".drop input").set_input_files(file_of("photo.heic", head + bytes(500)))

    # The server decodes the file, and says what is wrong with it.
    expect(rows(page).locator(".danger")).not_to_be_empty()
    expect(rows(page).locator("img")).to_have_count(0)
    expect(rows(page)).to_contain_text("photo.heic")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_a_failed_upload_is_sent_again_by_a_button(page: Page, actor: Actor, watch: Watch) -> None:
    watch.allow_no_network()
    failures = [1]

    def fail_once(route: Route) -> None:
        if route.request.method == "POST" and failures:
            failures.pop()
            return route.abort()
        return route.continue_()

    page.route(f"{actor.stack.aws_url}/**", fail_once)
    open_form(page, actor, "background-remover")
    page.locator(".drop input").set_input_files(file_of("one.png", png()))
    again = page.get_by_role("button", name="Try again")
    again.click()
    expect(again).to_have_count(0)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=SENDING_MILLISECONDS_MAX)
    assert ids_in_draft(page, "background-remover", "image", count=1)


def test_an_output_becomes_an_input(page: Page, actor: Actor) -> None:
    job = actor.submit()
    actor.ended(job)
    sign_in(page, actor, "#/make")
    page.goto(f"#/make?use={job}.0")
    page.locator(".cards a", has_text="Real-ESRGAN").click()
    expect(rows(page)).to_contain_text(["flux-schnell-1"])
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=SENDING_MILLISECONDS_MAX)
    expect(page.locator(".submit p")).to_contain_text("15 credits")
    expect(page).to_have_url(re.compile("#/make/real-esrgan$"))

"""What the gallery tells about failed, canceled and deleted jobs, and what it offers to do."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from local.stack import LocalStack
from tests.browser.gallery import expire_links, sign_in
from tests.browser.watch import Watch
from tests.builders import until
from tests.e2e.actors import Actor, set_faults

PROMPT = "a lighthouse at dawn"


def open_job(page: Page, actor: Actor, job_id: str) -> Locator:
    """Open the view of a job, and return its dialog."""
    sign_in(page, actor, f"#/job/{job_id}")
    return page.get_by_role("dialog")


def announced(page: Page) -> Locator:
    return page.locator("[aria-live=polite]")


def test_a_failed_job_is_told_with_its_refund_and_is_run_again(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, fail=1, error="CUDA out of memory (E1001)", run_seconds=20)
    sign_in(page, actor)
    job_id = actor.submit()
    expect(announced(page)).to_have_text(
        re.compile(rf"Failed: {PROMPT}\. .* 10 credits came back\.")
    )
    set_faults(stack)
    page.goto(f"#/job/{job_id}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(actor.ended(job_id)["error"]["message"])
    expect(dialog).to_contain_text("10 credits came back.")

    dialog.locator(".notice").get_by_role("button", name="Run again").click()
    page.goto("#/")
    expect(page.get_by_role("img", name=PROMPT)).to_be_visible()
    assert len(actor.client.get("/jobs")["jobs"]) == 2


def test_a_refused_prompt_can_be_edited(page: Page, stack: LocalStack, actor: Actor) -> None:
    set_faults(stack, flag_sensitive=1)
    job_id = actor.submit()
    job = actor.ended(job_id)
    assert job["error"]["code"] == "refused"

    dialog = open_job(page, actor, job_id)
    expect(dialog).to_contain_text(job["error"]["message"])
    edit = dialog.get_by_role("link", name="Edit the prompt")
    expect(edit).to_have_attribute("href", f"#/make/flux-schnell?from={job_id}")
    expect(dialog.locator(".notice").get_by_role("button", name="Run again")).to_have_count(0)


def test_an_early_cancel_gives_the_credits_back(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, run_seconds=60)
    job_id = actor.submit()
    actor.until_processing(job_id)
    dialog = open_job(page, actor, job_id)
    dialog.get_by_role("button", name="Cancel").click()

    expect(dialog).to_contain_text("Canceled. 10 credits came back.")
    assert actor.ended(job_id)["credits"]["refunded"] == 10
    expect(page.get_by_role("link", name="200 credits")).to_be_visible()
    assert actor.must_have_a_balanced_ledger()["available"] == 200


def test_a_cancel_of_an_ended_job_shows_its_end(
    page: Page, watch: Watch, stack: LocalStack, actor: Actor
) -> None:
    # It runs until the page has shown the button and stopped reading, also on a slow machine.
    set_faults(stack, run_seconds=25)
    job_id = actor.submit()
    dialog = open_job(page, actor, job_id)
    cancel = dialog.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    # The page does not learn of the end by itself.
    watch.allow_status(409, 503)
    wait = {"Retry-After": "600", "Access-Control-Expose-Headers": "Retry-After"}
    page.route(
        re.compile(r"/jobs(/|\?)"), lambda route: route.fulfill(status=503, headers=wait, json={})
    )
    # Each call of the page runs the handler above.
    until(
        lambda: page.evaluate("true") and actor.client.get(f"/jobs/{job_id}")["finished_at"],
        seconds=120,
    )
    page.unroute_all()
    cancel.click()
    expect(dialog.get_by_role("img", name=PROMPT).first).to_be_attached()
    expect(dialog.get_by_role("button", name="Delete")).to_be_visible()


def test_a_late_cancel_says_what_was_charged(page: Page, actor: Actor) -> None:
    job_id = actor.submit()
    job = actor.ended(job_id)
    late = {**job, "cancel_requested_at": job["finished_at"]}
    page.route(re.compile(rf"/jobs/{job_id}$"), lambda route: route.fulfill(json=late))
    # The list of the grid can arrive after the job.
    jobs = {"jobs": [late], "next_cursor": None, "total": 1}
    page.route(re.compile(r"/jobs\?"), lambda route: route.fulfill(json=jobs))
    dialog = open_job(page, actor, job_id)
    expect(dialog).to_contain_text("It was finished before the cancel: 10 credits charged.")


def test_a_partly_delivered_job_says_what_came_back(
    page: Page, stack: LocalStack, actor: Actor
) -> None:
    set_faults(stack, drop_output=0.5, seed=3)
    job_id = actor.submit(num_outputs=4)
    job = actor.ended(job_id)
    count, back = len(job["outputs"]), job["credits"]["refunded"]
    assert 0 < count < 4

    dialog = open_job(page, actor, job_id)
    expect(dialog).to_contain_text(f"{count} of 4 delivered. {back} credits came back.")


def test_a_deleted_job_is_gone_after_a_question(page: Page, watch: Watch, actor: Actor) -> None:
    job_id = actor.submit()
    actor.ended(job_id)
    sign_in(page, actor)
    page.goto(f"#/job/{job_id}")
    page.get_by_role("button", name="Delete", exact=True).click()
    question = page.get_by_role("dialog", name="Delete this job?")
    expect(question).to_contain_text("Its credit history stays.")
    question.get_by_role("button", name="Close").click()
    expect(question).to_have_count(0)
    assert actor.client.get(f"/jobs/{job_id}")["status"] == "completed"

    page.get_by_role("button", name="Delete", exact=True).click()
    question.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(0)
    assert actor.refused("GET", f"/jobs/{job_id}").status_code == 404


def test_an_expired_link_is_replaced_once(page: Page, watch: Watch, actor: Actor) -> None:
    job_id = actor.submit()
    actor.ended(job_id)
    watch.allow_status(403)
    expired = expire_links(page)
    reads: list[str] = []
    page.on("request", lambda one: reads.append(urlsplit(one.url).path))
    sign_in(page, actor)
    image = page.get_by_role("main").get_by_role("img", name=PROMPT)
    expect(image).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('main img')].every((i) => i.naturalWidth)"
    )
    assert len(expired) == 1
    assert reads.count(f"/jobs/{job_id}") == 1

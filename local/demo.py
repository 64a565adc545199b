"""The demo: run three jobs from start to end on this machine, and check the ledger."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from PIL import Image
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from local.client import Client
from local.stack import LocalStack

OUTPUT_DIRECTORY = Path("demo-output")
_GRANTED_CREDITS = 100
_SECONDS_MAX = 90
_FINAL = ("completed", "failed", "canceled")
_RECEIPT = ("quoted", "charged", "refunded")
_SUMS = ("granted", "available", "held", "spent")


@dataclass(frozen=True, slots=True)
class DemoJob:
    """A job of the demo, and its expected result."""

    template: str
    parameters: dict[str, Any]
    status: str
    charged: int
    refunded: int
    images: int


DEMO_JOBS = (
    DemoJob(
        "flux-1.1-pro",
        {"prompt": "a lighthouse at dawn, oil on canvas", "output_format": "png"},
        "completed",
        15,
        0,
        1,
    ),
    DemoJob(
        "flux-schnell",
        {"prompt": "four seasons in the same valley", "num_outputs": 4, "aspect_ratio": "3:2"},
        "completed",
        40,
        0,
        4,
    ),
    DemoJob("flux-schnell", {"prompt": "flag me, please"}, "failed", 0, 10, 0),
)


class DemoFailed(Exception):
    """A result of the demo is wrong. The message describes it."""


def main() -> int:
    """Run the demo. Returns the exit status: 0 if every result is as expected, else 1."""
    console = Console()
    shutil.rmtree(OUTPUT_DIRECTORY, ignore_errors=True)
    try:
        with console.status("Starting the stack from template.yaml …"):
            stack = LocalStack()
        with stack:
            _run(stack, console)
    except DemoFailed as error:
        console.print("[bold red]The demo failed:[/]", escape(str(error)))
        return 1
    return 0


def _run(stack: LocalStack, console: Console) -> None:
    ann = Client(stack.api_url, stack.token("ann"))
    admin = Client(stack.api_url, stack.token("grace", groups=["admin"]))
    admin.post(
        "/accounts/web/ann/credits",
        {"amount": _GRANTED_CREDITS, "reason": "demo", "reference": "demo"},
    )
    console.print(
        f"The API is at {stack.api_url}. ann is signed in and has {_GRANTED_CREDITS} credits.\n"
    )
    before = ann.get("/credits")

    submitted = [
        ann.post("/jobs", {"template": demo_job.template, "parameters": demo_job.parameters})["id"]
        for demo_job in DEMO_JOBS
    ]
    jobs = _wait_until_final(ann, submitted, console)
    files = [_save(job) for job in jobs]
    after = ann.get("/credits")
    console.print(_table(jobs, files), "", _ledger_table(before, after), "", sep="\n")
    _check_jobs(jobs, files)
    _check_ledger(after, list(ann.pages("/credits/entries", "entries")))
    console.print(
        f"The ledger balances: {after['available']} + {after['held']} + {after['spent']}"
        f" = {after['granted']}. The entries add up to the same sums."
    )
    console.print(f"The images are in {OUTPUT_DIRECTORY}/.")


def _wait_until_final(ann: Client, job_ids: list[str], console: Console) -> list[dict[str, Any]]:
    """Show the jobs until all have ended. Raises DemoFailed if that takes too long."""
    give_up_at = time.monotonic() + _SECONDS_MAX
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while True:
            jobs = [ann.get(f"/jobs/{job_id}") for job_id in job_ids]
            live.update(_table(jobs, [[] for _ in jobs]))
            if all(job["status"] in _FINAL for job in jobs):
                return jobs
            if time.monotonic() > give_up_at:
                raise DemoFailed(
                    f"the jobs did not end within {_SECONDS_MAX} seconds. See .aws-sam/logs."
                )
            time.sleep(0.2)


def _save(job: dict[str, Any]) -> list[Path]:
    """Save a job's outputs and thumbnails. Raises DemoFailed if an image has a wrong size."""
    if not job["outputs"]:
        return []
    directory = OUTPUT_DIRECTORY / f"{job['template']['code']}-{job['id'][-6:]}"
    directory.mkdir(parents=True)
    return list(_download(job, directory))


def _download(job: dict[str, Any], directory: Path) -> Iterator[Path]:
    for number, output in enumerate(job["outputs"]):
        extension = output["content_type"].rpartition("/")[2].replace("jpeg", "jpg")
        for url, name, size in (
            (output["url"], f"{number}.{extension}", (output["width"], output["height"])),
            (output["thumbnail_url"], f"{number}.thumbnail.jpg", (200, 200)),
        ):
            body = requests.get(url, timeout=10).content
            with Image.open(BytesIO(body)) as image:
                image.load()
                if image.size != size:
                    raise DemoFailed(f"{name} of {job['id']} has {image.size} pixels, not {size}")
            (directory / name).write_bytes(body)
            yield directory / name


def _table(jobs: list[dict[str, Any]], files: list[list[Path]]) -> Table:
    table = _narrow_table("job", "template", "status", "seconds", *_RECEIPT, "files")
    for job, saved in zip(jobs, files, strict=True):
        credits_ = job["credits"]
        color = {"completed": "green", "failed": "red", "processing": "cyan"}.get(
            job["status"], "white"
        )
        seconds = job["processing_seconds"]
        table.add_row(
            job["id"][-6:],
            job["template"]["code"],
            f"[{color}]{job['status']}{': ' + job['error']['code'] if job['error'] else ''}[/]",
            f"{seconds:.1f}" if seconds is not None else "…",
            *(str(credits_[name]) for name in _RECEIPT),
            str(len(saved)),
        )
    return table


def _ledger_table(before: dict[str, int], after: dict[str, int]) -> Table:
    table = _narrow_table("account", *_SUMS)
    table.add_row("before", *(str(before[name]) for name in _SUMS))
    table.add_row("after", *(str(after[name]) for name in _SUMS))
    return table


def _narrow_table(*names: str) -> Table:
    """Make an empty table that fits into a terminal of 80 columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def _check_jobs(jobs: list[dict[str, Any]], files: list[list[Path]]) -> None:
    for demo_job, job, saved in zip(DEMO_JOBS, jobs, files, strict=True):
        result = (
            job["status"],
            job["credits"]["charged"],
            job["credits"]["refunded"],
            len(job["outputs"]),
            len(saved),
        )
        expected = (
            demo_job.status,
            demo_job.charged,
            demo_job.refunded,
            demo_job.images,
            2 * demo_job.images,
        )
        if result != expected:
            raise DemoFailed(
                f"{demo_job.template} “{demo_job.parameters['prompt']}” ended with {result},"
                f" expected {expected} (status, charged, refunded, outputs, files)"
            )


def _check_ledger(account: dict[str, int], entries: list[dict[str, Any]]) -> None:
    if account["granted"] != account["available"] + account["held"] + account["spent"]:
        raise DemoFailed(f"the account does not balance: {account}")
    for name in _SUMS:
        if account[name] != sum(entry[name] for entry in entries):
            raise DemoFailed(f"the entries do not add up to the account's {name} credits")

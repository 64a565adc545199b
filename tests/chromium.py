"""Opens a page in headless Chromium, and returns what the page reports.

Chromium is a program of the machine, for example Debian's package `chromium`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from tests.builders import until
from tests.integration.servers import Received, Reply, server

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new",
    # The only page is the test's own. The sandbox needs rights that containers do not have.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)
_SECONDS_MAX = 120


class NotHere(RuntimeError):
    """The machine has no Chromium. The message names the missing program."""


@dataclass(frozen=True)
class Visit:
    """What a page reported, and the files that it downloaded, by name."""

    report: Any
    files: dict[str, bytes]


def chromium() -> str:
    """Return the path of Chromium. Raises NotHere."""
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    raise NotHere("Chromium is not installed (Debian: apt-get install chromium)")


def visit(page: str, home: Path, *, downloads_count: int) -> Visit:
    """Open a page with a new profile, and wait for its report and its downloads, at least one.

    The page reports by a POST of a JSON document to `/report`. `home` is an empty folder.
    """
    downloads, reports = _profile(home), Queue[bytes]()

    def respond(request: Received) -> Reply:
        if request.method == "POST":
            reports.put(request.body)
            return Reply(204)
        return Reply(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})

    with server(respond) as url:
        process = subprocess.Popen(
            [chromium(), *OPTIONS, f"--user-data-dir={home}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            report = json.loads(reports.get(timeout=_SECONDS_MAX))
            files = until(
                lambda: found if len(found := _files(downloads)) >= downloads_count else None,
                seconds=_SECONDS_MAX,
            )
        except Empty:
            raise AssertionError(f"the page reported nothing in {_SECONDS_MAX} seconds") from None
        finally:
            # Chromium has child processes. The session has its process id.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Visit(report, files)


def _files(folder: Path) -> dict[str, bytes]:
    """Return the complete downloads. Chromium writes an incomplete one under another name."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix != ".crdownload" and not path.name.startswith(".")
    }


def _profile(home: Path) -> Path:
    """Write the preferences of a profile. Returns its folder of downloads."""
    downloads = home / "downloads"
    downloads.mkdir()
    preferences = {
        "download": {"default_directory": str(downloads), "prompt_for_download": False},
        # Without this, Chromium asks before the second download of a page.
        "profile": {"default_content_setting_values": {"automatic_downloads": 1}},
    }
    (home / "Default").mkdir()
    (home / "Default" / "Preferences").write_text(json.dumps(preferences))
    return downloads

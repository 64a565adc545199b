"""`make demo` prints what the README shows."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.aws import ROOT

_SECONDS_MAX = 180
# What differs between two runs: the port, the ids of the jobs, the seconds of each.
_VARIES = ((r":\d{4,5}\b", ":PORT"), (r"^[0-9a-f]{6} ", "ID "), (r"\b\d+\.\d\b", "SECONDS"))


def without_details(text: str) -> list[str]:
    """Return the lines that are not blank, with one space between words."""
    for pattern, replacement in _VARIES:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_the_demo_prints_what_the_readme_shows() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    documented = readme.partition("$ make demo\n")[2].partition("```")[0]

    done = subprocess.run(
        [sys.executable, "-m", "local", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=True,
    )

    assert without_details(done.stdout) == without_details(documented)

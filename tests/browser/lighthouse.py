"""Print the scores of Lighthouse for the first page: python -m tests.browser.lighthouse.

The scores are no test: they depend on the machine. If Lighthouse cannot run, the command says why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from local.stack import LocalStack
from tests.chromium import OPTIONS, NotHere, chromium
from tools.node_tools import ROOT, NodeMissing, installed

PINNED = ROOT / "tools/lighthouse"
SECONDS_MAX = 300


def main() -> int:
    """Start the local stack, run Lighthouse, and print the scores in percent."""
    try:
        program = installed(PINNED) / "node_modules/.bin/lighthouse"
        browser = chromium()
    except (NodeMissing, NotHere) as missing:
        sys.stderr.write(f"lighthouse: NOT TRIED: {missing}\n")
        return 0
    with LocalStack(Path(".aws-sam/local")) as stack:
        ended = subprocess.run(
            [
                str(program),
                stack.api_url,
                "--output=json",
                "--quiet",
                "--no-enable-error-reporting",
                f"--chrome-flags={' '.join(OPTIONS)}",
            ],
            env=os.environ | {"CHROME_PATH": browser},
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
    if ended.returncode:
        sys.stderr.write(f"lighthouse: NOT TRIED: {ended.stderr.strip()}\n")
        return 0
    report = json.loads(ended.stdout)
    scores = (
        f"{category['title']} {category['score'] * 100:.0f}"
        for category in report["categories"].values()
    )
    sys.stdout.write(f"lighthouse: {', '.join(scores)}\n")
    failed = [
        audit["title"]
        for audit in report["audits"].values()
        if audit["score"] is not None and audit["score"] < 1
    ]
    sys.stdout.write("".join(f"  below 100: {title}\n" for title in failed))
    return 0


if __name__ == "__main__":
    sys.exit(main())

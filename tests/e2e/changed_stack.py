"""Starts a stack with a changed template, calls its API, and prints the responses as JSON.

Runs in a separate process.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import requests

from local.stack import LocalStack

BUILD_DIRECTORY = Path(".aws-sam/local")


def changed_build(directory: Path) -> Path:
    """Link the build with a template that has a renamed route and one more environment variable."""
    for artifact in BUILD_DIRECTORY.iterdir():
        if artifact.name != "template.yaml":
            (directory / artifact.name).symlink_to(artifact.resolve())
    template = (BUILD_DIRECTORY / "template.yaml").read_text()
    changed = template.replace("Path: /credits\n", "Path: /balance\n").replace(
        "Variables:\n", "Variables:\n        PROMPT_CHARACTERS_MAX: '10'\n", 1
    )
    if changed.count("/balance") != 1 or "PROMPT_CHARACTERS_MAX" not in changed:
        raise RuntimeError("template.yaml no longer has the lines that this test replaces")
    (directory / "template.yaml").write_text(changed)
    return directory


def read_responses(stack: LocalStack) -> dict[str, object]:
    """Call the old and the new route, with and without a token, and submit a long prompt."""
    signed_in = {"Authorization": f"Bearer {stack.token('ann')}"}
    job = {"template": "flux-schnell", "parameters": {"prompt": "12345678901"}}
    return {
        "old route, signed in": requests.get(
            f"{stack.api_url}/credits", headers=signed_in, timeout=30
        ).status_code,
        "new route, no token": requests.get(f"{stack.api_url}/balance", timeout=30).json(),
        "new route, signed in": requests.get(
            f"{stack.api_url}/balance", headers=signed_in, timeout=30
        ).json()["type"],
        "long prompt": requests.post(
            f"{stack.api_url}/jobs", headers=signed_in, json=job, timeout=30
        ).json()["errors"],
    }


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(dir=BUILD_DIRECTORY.parent) as temporary,
        LocalStack(changed_build(Path(temporary)), log_dir=Path(temporary) / "logs") as running,
    ):
        sys.stdout.write(json.dumps(read_responses(running)))

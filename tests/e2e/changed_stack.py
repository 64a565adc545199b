"""Start a stack whose template was changed, look at it as a user would, and print what was seen as JSON. Runs in a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import requests

from local.stack import LocalStack

BUILD_DIRECTORY = Path(".aws-sam/local")


def changed_build(directory: Path) -> Path:
    """Lay out the built artifacts with a template in which a route is renamed and an environment variable is added."""
    for artifact in BUILD_DIRECTORY.iterdir():
        if artifact.is_dir():
            (directory / artifact.name).symlink_to(artifact.resolve(), target_is_directory=True)
    template = (BUILD_DIRECTORY / "template.yaml").read_text()
    changed = template.replace("Path: /credits\n", "Path: /balance\n").replace(
        "Variables:\n", "Variables:\n        PROMPT_CHARACTERS_MAX: '10'\n", 1
    )
    if changed.count("/balance") != 1 or "PROMPT_CHARACTERS_MAX" not in changed:
        raise RuntimeError("the template has changed its shape; change this test with it")
    (directory / "template.yaml").write_text(changed)
    return directory


def look(stack: LocalStack) -> dict[str, object]:
    """Ask for the old route and the new one, without and with a token, and submit a prompt of eleven characters."""
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
        sys.stdout.write(json.dumps(look(running)))

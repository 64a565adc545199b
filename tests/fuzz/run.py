"""Runs Schemathesis against a running stack.

It checks for 5xx responses, undescribed responses, missing authentication and schema violations.
"""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import requests
from PIL import Image

from local.client import Client
from local.stack import LocalStack

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
CREDITS = 1_000
SECONDS_MAX = 3_600
# Random requests exceed the default limit of quotes, and a refusal hides the other responses.
PARAMETERS = {"QuotesPerHourMax": "1000000"}


def fuzz(stack: LocalStack, *, examples: int, options: tuple[str, ...] = ()) -> tuple[int, Client]:
    """Fuzz every operation as an administrator with credits and an uploaded image.

    Returns the exit code of Schemathesis and the client of the administrator.
    """
    user = f"fuzz.{uuid4().hex[:8]}"
    token = stack.token(user, groups=["admin"])
    client = Client(stack.api_url, token)
    client.post(
        f"/accounts/web/{user}/credits", {"amount": CREDITS, "reason": "fuzz", "reference": "fuzz"}
    )
    environment = {
        "FUZZ_API_URL": stack.api_url,
        "FUZZ_TOKEN": token,
        "FUZZ_UPLOAD": _upload(client),
        "PYTHONPATH": str(ROOT),
    }
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    command = [schemathesis, "--no-color", "--config-file", str(CONFIGURATION)]
    command += ["run", f"{stack.api_url}/openapi.json", "--max-examples", str(examples), *options]
    with TemporaryDirectory() as folder:
        ended = subprocess.run(
            command, env=os.environ | environment, cwd=folder, check=False, timeout=SECONDS_MAX
        )
    return ended.returncode, client


def _upload(client: Client) -> str:
    file = BytesIO()
    # Every template accepts an image of this size.
    Image.new("RGB", (512, 512), "tomato").save(file, "PNG")
    form = client.post("/uploads", {"content_type": "image/png", "bytes": len(file.getvalue())})
    requests.post(
        form["url"], data=form["fields"], files={"file": file.getvalue()}, timeout=10
    ).raise_for_status()
    upload_id: str = client.post(f"/uploads/{form['upload_id']}/complete", {})["upload_id"]
    return upload_id

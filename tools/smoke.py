"""Run one real job on a deployed stack, and check its status, its credits and its files.

    python -m tools.smoke STACK

The token is in TOKEN, or the command signs in with SMOKE_EMAIL and SMOKE_PASSWORD. The job is the
cheapest one that needs only a prompt. If the account has too few credits and the user is an
administrator, the command grants the missing ones. It changes nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import uuid4

import requests
from PIL import Image

from local.client import Client
from tools.deployed_stack import StackUnusable, read_outputs, user_pool
from tools.sign_in import sign_in

_PROMPT = "a lighthouse at dawn, oil on canvas"
_FINAL = ("completed", "failed", "canceled")
_SUMS = ("granted", "available", "held", "spent")
# A job may wait for a slot and be asked for twice.
_EXTRA_SECONDS = 300
_LINK_SECONDS_MAX = 60


class SmokeFailed(Exception):
    """The stack did not do what it promises. The message says what was expected."""


@dataclass(frozen=True)
class Choice:
    """A template and the price of its job."""

    code: str
    credits: int
    seconds_max: int


def smoke(
    api_url: str, token: str, say: Callable[[str], None], poll_seconds: float = 2
) -> dict[str, Any]:
    """Run the job, and return it. `say` gets a line for each step. Raises SmokeFailed."""
    started = time.monotonic()
    client = Client(api_url, token)
    choice = cheapest(client)
    say(f"{choice.code} is the cheapest template: {choice.credits} credits")
    say(afford(client, token, choice.credits))
    before = client.get("/credits")
    job_id = submit(client, choice)
    say(f"submitted {job_id}; a repeat of the request is the same job")
    job = wait(client, job_id, choice.seconds_max + _EXTRA_SECONDS, poll_seconds)
    say(f"{job['status']} after {time.monotonic() - started:.1f} s")
    check_job(job, choice)
    check_ledger(before, client.get("/credits"), choice.credits)
    entries = [
        each for each in client.pages("/credits/entries", "entries") if each["job_id"] == job_id
    ]
    check_entries(entries, choice.credits)
    say(f"the ledger balances: {choice.credits} credits were held, then charged")
    for output in job["outputs"]:
        say(check_files(output))
    return job


def cheapest(client: Client) -> Choice:
    """Return the template with the lowest quote among those that need only a prompt."""
    templates = [
        template
        for template in client.get("/templates")["templates"]
        if set(template["parameters"].get("required", [])) <= {"prompt"}
        and template["category"] == "image"
    ]
    choices = [
        Choice(
            template["code"],
            client.post(
                f"/templates/{template['code']}/quote", {"parameters": {"prompt": _PROMPT}}
            )["credits"],
            template["seconds_max"],
        )
        for template in templates
    ]
    if not choices:
        raise SmokeFailed("no template makes an image from a prompt alone")
    return min(choices, key=lambda choice: (choice.credits, choice.seconds_max, choice.code))


def afford(client: Client, token: str, price: int) -> str:
    """Grant missing credits, if the user is an administrator. Raises SmokeFailed otherwise."""
    claims = claims_of(token)
    platform, user = claims.get("custom:platform") or "web", claims["sub"]
    available = client.get("/credits")["available"]
    if available >= price:
        return f"{user} has {available} credits"
    if "admin" not in str(claims.get("cognito:groups", "")):
        raise SmokeFailed(
            f"{user} has {available} credits and needs {price}. An administrator grants them by"
            f" POST /accounts/{platform}/{user}/credits"
        )
    missing = price - available
    client.post(
        f"/accounts/{platform}/{user}/credits",
        {"amount": missing, "reason": "smoke test", "reference": f"smoke-{uuid4()}"},
    )
    return f"granted {missing} credits to {user}"


def submit(client: Client, choice: Choice) -> str:
    """Submit the job twice with one Idempotency-Key. Returns its id."""
    body = {"template": choice.code, "parameters": {"prompt": _PROMPT}}
    headers = {"Idempotency-Key": f"smoke-{uuid4()}"}
    first, second = (
        client.call("POST", "/jobs", json=body, headers=headers)["id"] for _ in range(2)
    )
    if first != second:
        raise SmokeFailed(f"one Idempotency-Key made two jobs: {first} and {second}")
    return str(first)


def wait(client: Client, job_id: str, seconds_max: float, poll_seconds: float) -> dict[str, Any]:
    """Poll the job until it ends. Raises SmokeFailed after `seconds_max`."""
    give_up_at = time.monotonic() + seconds_max
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}")
        if job["status"] in _FINAL:
            return job
        if time.monotonic() > give_up_at:
            raise SmokeFailed(f"{job_id} is still {job['status']} after {seconds_max} s")
        time.sleep(poll_seconds)


def check_job(job: Mapping[str, Any], choice: Choice) -> None:
    """Require a completed job with an output, charged as quoted. Raises SmokeFailed."""
    if job["status"] != "completed":
        raise SmokeFailed(f"{job['id']} is {job['status']}: {job['error']}")
    found = {name: job["credits"][name] for name in ("quoted", "charged", "refunded", "held")}
    expected = {"quoted": choice.credits, "charged": choice.credits, "refunded": 0, "held": 0}
    if found != expected or not job["outputs"]:
        raise SmokeFailed(f"{job['id']} has {found}, expected {expected} and an output")


def check_ledger(before: Mapping[str, int], after: Mapping[str, int], price: int) -> None:
    """Require that the account paid the price, and that it balances. Raises SmokeFailed."""
    changes = {name: after[name] - before[name] for name in _SUMS}
    expected = {"granted": 0, "available": -price, "held": 0, "spent": price}
    if changes != expected:
        raise SmokeFailed(f"the account changed by {changes}, expected {expected}")
    if after["granted"] != after["available"] + after["held"] + after["spent"]:
        raise SmokeFailed(f"the account does not balance: {dict(after)}")


def check_entries(entries: list[dict[str, Any]], price: int) -> None:
    """Require that the job's entries hold and spend the price. Raises SmokeFailed."""
    sums = {name: sum(entry[name] for entry in entries) for name in _SUMS}
    expected = {"granted": 0, "available": -price, "held": 0, "spent": price}
    if sums != expected:
        raise SmokeFailed(f"the entries of the job add up to {sums}, expected {expected}")


def check_files(output: Mapping[str, Any]) -> str:
    """Download an output and its thumbnail, and decode both. Raises SmokeFailed."""
    size = _decoded_size(output["url"])
    if size != (output["width"], output["height"]):
        raise SmokeFailed(f"the image has {size} pixels, but the job says {dict(output)}")
    thumbnail = _decoded_size(output["thumbnail_url"])
    return (
        f"the image decodes: {size[0]} × {size[1]} pixels, {output['bytes']:,} bytes;"
        f" its thumbnail: {thumbnail[0]} × {thumbnail[1]}"
    )


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token without verifying it. Raises SmokeFailed if it is none."""
    try:
        payload = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    except (IndexError, ValueError):
        raise SmokeFailed("TOKEN is not a JSON Web Token") from None
    return claims


def _decoded_size(url: str) -> tuple[int, int]:
    response = requests.get(url, timeout=_LINK_SECONDS_MAX)
    if response.status_code != requests.codes.ok:
        raise SmokeFailed(f"the link answers {response.status_code}: {response.text[:300]}")
    with Image.open(BytesIO(response.content)) as image:
        image.load()
        return image.size


def _print(line: str) -> None:
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()


def _token(outputs: dict[str, str], environment: Mapping[str, str]) -> str:
    """Return TOKEN, or sign in. Raises StackUnusable."""
    if token := environment.get("TOKEN"):
        return token
    email, password = environment.get("SMOKE_EMAIL"), environment.get("SMOKE_PASSWORD")
    if not (email and password):
        raise StackUnusable("Set TOKEN to an ID token, or SMOKE_EMAIL and SMOKE_PASSWORD.")
    return sign_in(user_pool(outputs), email, password)["IdToken"]


def main() -> int:
    """Run the command. Returns the exit status."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.stderr.write("usage: SMOKE_EMAIL=… SMOKE_PASSWORD=… make smoke STACK=darkroom-dev\n")
        return 2
    try:
        outputs = read_outputs(sys.argv[1])
        token = _token(outputs, os.environ)
        smoke(outputs["ApiUrl"], token, _print)
    except (StackUnusable, SmokeFailed, requests.RequestException) as error:
        sys.stderr.write(f"The smoke test failed: {error}\n")
        return 1
    sys.stdout.write(f"{sys.argv[1]} works.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

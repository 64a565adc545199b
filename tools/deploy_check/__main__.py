"""Deploy the local build to MiniStack, run jobs there, change it, and delete it.

    python -m tools.deploy_check

The directory .aws-sam/deploy-check has the logs. The exit status is 0 if every step succeeds.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from local.client import Client
from local.simulators.replicate import SimulatedReplicate
from tools.admin import make_administrator
from tools.deploy_check import gaps, stacks
from tools.deploy_check.emulator import MiniStack, lead_to
from tools.deploy_check.one_time_code import one_time_code
from tools.deployed_stack import read_outputs, user_pool
from tools.deployment.commands import check, deploy
from tools.deployment.settings import read_deployment
from tools.put_secrets import put_secrets, webhook_secret_of
from tools.sign_in import sign_in
from tools.smoke import smoke
from tools.web.upload import ROOT, upload

BUILD = Path(".aws-sam/local").resolve()
DIRECTORY = Path(".aws-sam/deploy-check").resolve()
FIRST, SECOND = "darkroom-dev", "darkroom-two"
_EMAIL = "grace@example.com"
_TOKEN = "r8_token_of_the_deployment_check"  # noqa: S105
# Templates without a price of their own cost DefaultImageCreditCost.
_TEMPLATE = "flux-schnell"
_PRICE = 13


class CheckFailed(Exception):
    """The deployment does not do what docs/deploying.md promises."""


class DeploymentCheck:
    """The steps, in their order. Each prints a line with its seconds."""

    def __init__(self, emulator: MiniStack, replicate: SimulatedReplicate) -> None:
        """Use a running emulator and a running provider."""
        self._emulator = emulator
        self._replicate = replicate
        self._authenticators: dict[str, str] = {}
        self._started = time.monotonic()

    def run(self) -> None:
        """Run every step. Raises CheckFailed, or the error of the failed command."""
        with _step(f"deploy {FIRST}"):
            self._deploy(FIRST)
        with _step("make secrets"):
            self._put_secrets(FIRST)
        with _step("make admin, twice"):
            self._make_admin(FIRST)
        with _step("make smoke: one job through the deployed API"):
            self._smoke(FIRST)
        with _step("make web, twice"):
            self._upload_gallery(FIRST)
        self._change_a_parameter()
        with _step("deploy again, without a change"):
            self._deploy_unchanged()
        with _step(f"deploy {SECOND} beside it"):
            self._deploy(SECOND)
            _require(not (shared := stacks.shared_names(FIRST, SECOND)), f"both have {shared}")
        with _step(f"run a job on {SECOND}"):
            self._put_secrets(SECOND)
            self._make_admin(SECOND)
            self._smoke(SECOND)
        with _step(f"delete {SECOND}"):
            self._delete(SECOND)
        with _step(f"run a job on {FIRST}, with the changed parameter"):
            self._smoke(FIRST)
        with _step("known gaps of MiniStack"):
            gaps.report(read_outputs(FIRST), _say)
        with _step(f"delete {FIRST}"):
            self._delete(FIRST)
        _say(f"all steps took {time.monotonic() - self._started:.0f} s", indent=0)

    def _deploy(self, stack: str, **overrides: str) -> None:
        simulator = urlsplit(self._replicate.base_url).netloc
        parameters = {
            "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
            "PublicUrl": self._emulator.api_url(stack),
            "ReplicateBaseUrl": f"{self._replicate.base_url}/v1",
            "DeliveryHosts": simulator,
            "PrivateHosts": f"{simulator},127.0.0.1",
            "Gallery": "true",
            **overrides,
        }
        text = " ".join(f"{name}={value}" for name, value in parameters.items())
        plan = check(read_deployment("dev", text, stack))
        with (DIRECTORY / "deploy.log").open("a") as log:
            deploy(plan, BUILD, output=log)
        outputs = read_outputs(stack)
        _require(outputs["ApiUrl"] == parameters["PublicUrl"], f"ApiUrl is {outputs['ApiUrl']}")

    def _put_secrets(self, stack: str) -> None:
        put_secrets(
            read_outputs(stack),
            token=_TOKEN,
            webhook_secret=webhook_secret_of(_TOKEN, f"{self._replicate.base_url}/v1"),
        )

    def _make_admin(self, stack: str) -> None:
        os.environ.setdefault("ADMIN_PASSWORD", f"Aa1-{secrets.token_urlsafe(16)}")

        def register(secret: str) -> str:
            self._authenticators[stack] = secret
            return one_time_code(secret)

        first = make_administrator(stack, _EMAIL, register)
        again = make_administrator(stack, _EMAIL, register)
        _say(", ".join(first))
        _require(f"created {_EMAIL}" in first and f"{_EMAIL} exists" in again, f"{first}, {again}")

    def _token(self, stack: str) -> str:
        pool = user_pool(read_outputs(stack))
        if secret := self._authenticators.get(stack):
            os.environ["MFA_CODE"] = one_time_code(secret)
        return sign_in(pool, _EMAIL, os.environ["ADMIN_PASSWORD"])["IdToken"]

    def _smoke(self, stack: str) -> None:
        smoke(self._emulator.api_url(stack), self._token(stack), _say, poll_seconds=0.3)

    def _upload_gallery(self, stack: str) -> None:
        url = upload(stack, ROOT, _say)
        _require(url.startswith("https://"), f"the gallery is at {url}")
        again: list[str] = []
        upload(stack, ROOT, again.append)
        _require("the page is up to date" in again, f"the second run changed files: {again}")

    def _change_a_parameter(self) -> None:
        before = stacks.functions(FIRST)
        with _step(f"change DefaultImageCreditCost to {_PRICE}"):
            self._deploy(FIRST, DefaultImageCreditCost=str(_PRICE))
            after = stacks.functions(FIRST)
            for old, new in zip(before, after, strict=True):
                _require(
                    new.variables["DEFAULT_IMAGE_CREDIT_COST"] == str(_PRICE)
                    and new.variables["REVISION"] != old.variables["REVISION"]
                    and new.published == old.published + 1,
                    f"{new.name} runs {new}, before {old}",
                )
            client = Client(self._emulator.api_url(FIRST), self._token(FIRST))
            quote = client.post(f"/templates/{_TEMPLATE}/quote", {"parameters": {"prompt": "x"}})
            _require(quote["credits"] == _PRICE, f"the running API quotes {quote}")
            _say(f"{len(after)} functions have a new version; the running API quotes {_PRICE}")

    def _deploy_unchanged(self) -> None:
        before = stacks.functions(FIRST)
        self._deploy(FIRST, DefaultImageCreditCost=str(_PRICE))
        after = stacks.functions(FIRST)
        _require(before == after, f"an unchanged deployment changed {before} to {after}")

    def _delete(self, stack: str) -> None:
        outputs, names = read_outputs(stack), [each.name for each in stacks.functions(stack)]
        stacks.delete(stack)
        left = stacks.existing_functions(names)
        _require(not left, f"the functions {left} still exist")
        stays = stacks.what_stays(outputs)
        _require(stays == ["the table", "the bucket", "the user pool"], f"only {stays} stay")
        _say(f"{', '.join(stays)} stay")


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    _say(f"{name} …", indent=0)
    yield
    _say(f"done in {time.monotonic() - started:.1f} s")


def _say(line: str, indent: int = 2) -> None:
    sys.stdout.write(f"{' ' * indent}{line}\n")
    sys.stdout.flush()


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 (an assertion)
    if not holds:
        raise CheckFailed(otherwise)


def main() -> int:
    """Run the check. Returns the exit status."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    with MiniStack(DIRECTORY) as emulator, SimulatedReplicate() as replicate:
        lead_to(emulator)
        try:
            DeploymentCheck(emulator, replicate).run()
        except Exception as error:  # noqa: BLE001 (any failure ends the check with its reason)
            sys.stderr.write(
                f"deploy-check failed: {type(error).__name__}: {error}\nLogs: {DIRECTORY}\n"
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

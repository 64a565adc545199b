"""`make catalog-check` prints the result for each template, and its exit status tells the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from darkroom import catalog
from local.simulators.replicate import SimulatedReplicate
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.aws import ROOT
from tests.integration.stable_diffusion.webui import set_faults
from tools import provider_environment
from tools.provider_environment import environment_of, environment_of_stack

PROVIDERS = ("replicate", "runway", "stable_diffusion")
HOSTED = [each.code for each in catalog.templates().values() if each.provider == "replicate"]
# No local stack has this port.
NOWHERE = {"AWS_PORT": "1"}


@dataclass(frozen=True)
class Result:
    status: int
    output: str
    error: str

    def lines_of(self, code: str) -> list[str]:
        """Return the lines about a template: the verdict, and the indented lines below it."""
        before, _, rest = self.output.partition(f"{code} (")
        assert not before or before.endswith("\n")
        first, *lines = rest.splitlines()
        end = next((n for n, line in enumerate(lines) if not line.startswith(" ")), len(lines))
        return [first.partition("): ")[2], *(line.strip() for line in lines[:end])]


def run(**variables: str) -> Result:
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    done = subprocess.run(
        [sys.executable, "-m", "tools.check_catalog"],
        env=own | NOWHERE | {"PYTHONPATH": f"{ROOT}/shared:{ROOT}"} | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_changed_model_is_named_and_the_status_is_1() -> None:
    changes: dict[str, Any] = {
        "google/veo-3.1": {"retired": True},
        "kwaivgi/kling-v2.1": {
            "inputs": {
                "mode": {"type": "string", "enum": ["pro"], "default": "pro"},
                "duration": {"type": "integer", "enum": [5, 10], "default": 10},
            }
        },
    }
    with SimulatedReplicate() as replicate:
        requests.put(f"{replicate.base_url}/sim/models", json=changes, timeout=5)
        result = run(REPLICATE_API_TOKEN="r8_x", REPLICATE_BASE_URL=f"{replicate.base_url}/v1")

    assert result.status == 1, result.error
    assert result.output.endswith(
        f"{len(HOSTED)} templates compared, 2 differ from their models, 0 could not be compared.\n"
    )
    assert result.lines_of("veo-3.1") == [
        "DRIFT",
        "Replicate has no such model any more (status 404).",
    ]
    verdict, *lines = result.lines_of("kling-v2.1")
    assert verdict == "DRIFT"
    assert "mode: the model does not accept standard. It accepts pro." in lines
    assert "duration: the model's default is 10, the template sends 5 (no drift)" in lines
    assert result.lines_of("flux-dev")[0] == "ok"
    assert '"level"' not in result.output


def test_a_webui_shows_what_it_offers_and_one_that_is_down_has_status_2() -> None:
    with SimulatedStableDiffusion() as webui:
        printed = run(STABLE_DIFFUSION_URL=webui.base_url)
        set_faults(webui, unavailable=1)
        down = run(STABLE_DIFFUSION_URL=webui.base_url)

    assert printed.status == 0, printed.error
    verdict, *lines = printed.lines_of("sd-webui")
    assert verdict == "ok"
    assert {line.partition(":")[0] for line in lines} >= {"samplers", "schedules", "checkpoint"}
    assert down.status == 2
    assert down.lines_of("sd-webui")[0].startswith("NOT COMPARED. The provider does not answer")


def test_without_a_key_and_a_stack_the_remedy_is_told() -> None:
    result = run()

    assert (result.status, result.output) == (2, "")
    for word in ("REPLICATE_API_TOKEN", "make run", "make catalog-check STACK="):
        assert word in result.error


def test_the_keys_of_this_machine_choose_the_providers() -> None:
    assert environment_of({"RUNWAY_BASE_URL": "", "PATH": "/bin"}, PROVIDERS) is None
    found = environment_of(
        {"REPLICATE_API_TOKEN": "r8_x", "RUNWAYML_API_SECRET": "key_x"}, PROVIDERS
    )

    assert found is not None, "Runway's URL has no default"
    assert found.variables["PROVIDERS"] == "replicate"
    assert found.variables["REPLICATE_BASE_URL"].startswith("https://")
    assert found.secrets == {found.variables["REPLICATE_TOKEN_SECRET"]: "r8_x"}

    both = environment_of(
        {"RUNWAYML_API_SECRET": "key_x", "RUNWAY_BASE_URL": "https://runway.test"}, PROVIDERS
    )
    assert both is not None
    assert (both.variables["PROVIDERS"], list(both.secrets.values())) == ("runway", ["key_x"])


def test_a_stack_has_the_providers_whose_url_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {"ReplicateTokenSecretArn": "arn:token", "StableDiffusionLoginSecretArn": "arn:login"}
    parameters = {
        "ReplicateBaseUrl": "https://replicate.test/v1",
        "RunwayBaseUrl": "",
        "StableDiffusionUrl": "https://webui.test",
    }
    monkeypatch.setattr(provider_environment, "outputs_of", lambda _: outputs)
    monkeypatch.setattr(provider_environment, "parameter_of", lambda _, name: parameters[name])

    found = environment_of_stack("darkroom-prod", PROVIDERS)

    assert (found.variables["PROVIDERS"], found.secrets) == ("replicate,stable_diffusion", {})
    assert found.variables["REPLICATE_TOKEN_SECRET"] == "arn:token"
    assert found.variables["STABLE_DIFFUSION_LOGIN_SECRET"] == "arn:login"
    assert found.variables["RUNWAY_KEY_SECRET"] == ""

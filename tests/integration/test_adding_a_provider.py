"""The example of docs/adding-a-provider.md works. The page lists all files of a provider."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from samcli.yamlhelper import yaml_parse

from darkroom import catalog, providers
from darkroom import settings as settings_module
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, JobStatus
from darkroom.providers import load_provider
from darkroom.services import provider_health
from darkroom.storage import jobs, ledger, provider_state
from local.cloudformation.intrinsics import Resolver, parameter_values, pseudo_parameters
from local.cloudformation.template import translate
from tests.aws import ROOT, Workflow, client
from tests.builders import ANN, call_api, open_account, until
from tests.integration.servers import Received, Reply, server
from tests.integration.steps import at, with_setting

PAGE = (ROOT / "docs/adding-a-provider.md").read_text(encoding="utf-8")
# Patterns for the name of a provider in code, in templates and in prose.
# `cog-stable-diffusion` is a model of Replicate.
SPELLINGS = {"runway": r"runway", "stable_diffusion": r"(?<!cog-)stable.?diffusion|webui"}
PRODUCT = (
    "shared",
    "functions",
    "tools",
    "events",
    "template.yaml",
    "workflow.asl.yaml",
    "samconfig.toml",
    "Makefile",
)


def block(info: str) -> str:
    """Return the only code block of the page with this info string."""
    (found,) = re.findall(rf"```{info}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def listed_files() -> list[str]:
    """Return the files of the page's table as glob patterns."""
    table = PAGE.partition("## The files that a provider touches")[2].partition(
        "\n\nNo other file"
    )[0]
    return [
        re.sub(r"<\w+>", "*", name) for name in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    ]


def extended_settings() -> ModuleType:
    """Return the settings module with the page's block in it."""
    source = Path(str(settings_module.__file__)).read_text()
    anchor = "    runway_base_url: str"
    module = ModuleType("darkroom.settings")
    exec(
        compile(
            source.replace(anchor, block("python settings") + anchor, 1), "settings.py", "exec"
        ),
        vars(module),
    )
    return module


def extended_template() -> dict[str, Any]:
    """Return template.yaml with the page's lines, each before the line of its kind for Runway."""
    text = (ROOT / "template.yaml").read_text()
    anchors = {
        "Parameters": r"^  RunwayBaseUrl:",
        "Conditions": r"^  UsesRunway:",
        "Variables": r"^        RUNWAY_BASE_URL:",
        "Resources": r"^  RunwayKeySecret:",
        "ProviderAccess": r"^              - !If \[UsesRunway, !Ref RunwayKeySecret",
        "Outputs": r"^  RunwayKeySecretArn:",
    }
    for section, anchor in anchors.items():
        found = re.search(anchor, text, re.MULTILINE)
        assert found, section
        text = text[: found.start()] + block(f"yaml {section}") + text[found.start() :]
    provider = '!If [UsesAtelier, atelier, ""]'
    assert provider in PAGE
    text, count = re.subn(
        r"(PROVIDERS:.*?)(!If \[UsesRunway)", rf"\1{provider}, \2", text, count=1, flags=re.DOTALL
    )
    assert count == 1
    template: dict[str, Any] = yaml_parse(text)
    return template


class NamedReferences:
    """Resolves each reference of a template to a text that names the resource."""

    def ref(self, logical_id: str) -> str:
        return f"ref of {logical_id}"

    def attribute(self, logical_id: str, attribute: str) -> str:
        return f"{attribute} of {logical_id}"


class Atelier:
    """The server of the example provider. A work is done after `polls_until_done` requests."""

    def __init__(self) -> None:
        self.url = ""
        self.works: dict[str, dict[str, Any]] = {}
        self.polls: dict[str, int] = {}
        self.polls_until_done = 1
        self.next_fault = ""
        self.final_state = "done"
        self.canceled: list[str] = []
        self.accepts_account = True

    def respond(self, request: Received) -> Reply:
        kind, _, work_id = request.path.strip("/").partition("/")
        if kind == "account":
            return Reply(200 if self.accepts_account else 401)
        if kind == "models":
            return Reply(200 if work_id == "pencil" else 404)
        if not self.accepts_account:
            return Reply(401)
        if kind == "files":
            file = BytesIO()
            Image.new("RGB", (64, 48), "tomato").save(file, "PNG")
            return Reply(200, file.getvalue(), {"Content-Type": "image/png"})
        if request.method == "PUT":
            return self._put(work_id, json.loads(request.body))
        if request.method == "DELETE":
            self.canceled.append(work_id)
        return self._reply(work_id)

    def _put(self, work_id: str, work: dict[str, Any]) -> Reply:
        fault, self.next_fault = self.next_fault, ""
        if fault == "busy":
            return Reply(429, b"", {"Retry-After": "1"})
        if work["prompt"] == "a hand":
            return Reply(422)
        self.works.setdefault(work_id, work)
        return Reply(500) if fault == "lost response" else self._reply(work_id)

    def _reply(self, work_id: str) -> Reply:
        if work_id not in self.works:
            return Reply(404)
        self.polls[work_id] = self.polls.get(work_id, 0) + 1
        state = self.final_state if self.polls[work_id] > self.polls_until_done else "queued"
        document = {"state": state, "files": [f"{self.url}/files/{work_id}"]}
        return Reply(200, json.dumps(document).encode())


@pytest.fixture
def atelier(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Atelier]:
    """Register the page's provider, its template and its settings."""
    (tmp_path / "atelier.py").write_text(block("python"))
    (tmp_path / "atelier-sketch.toml").write_text(block("toml"))
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    monkeypatch.setattr(catalog, "files", lambda _: tmp_path)
    for cached in (catalog.codes, catalog._names, catalog._read):
        cached.cache_clear()
    atelier = Atelier()
    with server(atelier.respond) as url:
        atelier.url = url
        extended = extended_settings()
        for name in ("Settings", "read_settings"):
            monkeypatch.setattr(settings_module, name, getattr(extended, name))
        client("secretsmanager").create_secret(Name="atelier-key", SecretString="key_test")
        monkeypatch.setenv("ATELIER_URL", url)
        monkeypatch.setenv("ATELIER_KEY_SECRET", "atelier-key")
        monkeypatch.setenv("DELIVERY_HOSTS", url.removeprefix("http://"))
        with_setting(monkeypatch, "PROVIDERS", "replicate,atelier")
        open_account(100)
        yield atelier
    for cached in (catalog.codes, catalog._names, catalog._read):
        cached.cache_clear()
    sys.modules.pop("darkroom.providers.atelier", None)


def submit(prompt: str = "a lighthouse") -> tuple[int, Any]:
    status, job, _ = call_api(
        "POST", "/jobs", body={"template": "atelier-sketch", "parameters": {"prompt": prompt}}
    )
    return status, job


def run_job(prompt: str = "a lighthouse") -> Job:
    """Submit a job and return it when it has ended."""
    status, accepted = submit(prompt)
    assert status == 202, accepted

    def final_job() -> Job | None:
        job = jobs.read(ANN, accepted["id"])
        return job if job.status.is_final else None

    return until(final_job, seconds=60)


def test_the_page_lists_at_most_four_files_which_exist() -> None:
    patterns = listed_files()

    assert 1 <= len(patterns) <= 4
    for pattern in patterns:
        assert list(ROOT.glob(pattern)), pattern


@pytest.mark.parametrize("provider", SPELLINGS)
def test_no_unlisted_file_of_the_product_names_the_provider(provider: str) -> None:
    naming_files = {
        # A past version of a template is the same file of an earlier release.
        str(path.relative_to(ROOT)).replace("/catalog/past/", "/catalog/")
        for part in PRODUCT
        for path in ([ROOT / part] if (ROOT / part).is_file() else (ROOT / part).rglob("*.*"))
        if path.suffix in (".py", ".toml", ".yaml", ".json", "")
        and re.search(SPELLINGS[provider], path.read_text(), re.IGNORECASE)
    }

    assert f"shared/darkroom/providers/{provider}/__init__.py" in naming_files
    assert [
        name
        for name in naming_files
        if not any(PurePath(name).full_match(pattern) for pattern in listed_files())
    ] == []


@pytest.mark.parametrize("used", [True, False])
def test_a_stack_has_the_provider_if_its_parameter_has_a_value(used: bool) -> None:
    address = "https://atelier.example" if used else ""
    template = extended_template()
    translated = translate(copy.deepcopy(template), {"AtelierUrl": address})
    resolver = Resolver(
        translated,
        parameter_values(translated, {"AtelierUrl": address}) | pseudo_parameters("darkroom"),
        NamedReferences(),
    )
    environment = resolver.resolve(
        translated["Resources"]["StoreOutputFunction"]["Properties"]["Environment"]["Variables"]
    )
    secrets = resolver.resolve(
        translated["Resources"]["ProviderAccess"]["Properties"]["PolicyDocument"]
    )["Statement"][0]["Resource"]

    assert ("atelier" in environment["PROVIDERS"].split(",")) is used
    assert (environment["ATELIER_URL"], environment["ATELIER_KEY_SECRET"]) == (
        address,
        "ref of AtelierKeySecret" if used else "",
    )
    assert ("ref of AtelierKeySecret" in secrets) is used


def test_completes_and_charges_a_job(atelier: Atelier) -> None:
    job = run_job()

    assert (job.status, job.charged) == (JobStatus.COMPLETED, 3)
    assert [(output.content_type, output.width, output.height) for output in job.outputs] == [
        ("image/png", 64, 48)
    ]
    assert atelier.works == {job.job_id: {"model": "pencil", "prompt": "a lighthouse"}}
    assert (ledger.balance(ANN).available, ledger.balance(ANN).spent) == (97, 3)


@pytest.mark.parametrize("fault", ["busy", "lost response"])
def test_creates_one_work_despite_a_fault(atelier: Atelier, fault: str) -> None:
    atelier.next_fault = fault

    job = run_job()

    assert (job.status, job.charged, list(atelier.works)) == (JobStatus.COMPLETED, 3, [job.job_id])


@pytest.mark.parametrize(
    ("prompt", "final_state", "code"),
    [
        ("a hand", "done", FailureCode.INVALID_INPUT),
        ("a lighthouse", "failed", FailureCode.PREDICTION_FAILED),
    ],
)
def test_refunds_a_failed_job(
    atelier: Atelier, prompt: str, final_state: str, code: FailureCode
) -> None:
    atelier.final_state = final_state

    job = run_job(prompt)

    assert job.failure
    assert (job.status, job.failure.code, job.charged) == (JobStatus.FAILED, code, 0)
    assert (ledger.balance(ANN).available, ledger.balance(ANN).held) == (100, 0)


def test_the_provider_is_paused_while_it_refuses_the_account(atelier: Atelier) -> None:
    atelier.accepts_account = False
    status, accepted = submit()
    assert status == 202
    until(lambda: provider_state.read_state("atelier").pause_reason)
    state = provider_state.read_state("atelier")
    assert state.paused_until
    atelier.accepts_account = True

    with pytest.MonkeyPatch.context() as patch:
        at(patch, state.paused_until)
        provider_health.check_provider("atelier", lambda: False)

    until(lambda: jobs.read(ANN, accepted["id"]).status is JobStatus.COMPLETED)
    assert load_provider("atelier").is_offered("pencil")
    assert not load_provider("atelier").is_offered("brush")


def test_a_deployment_without_the_provider_does_not_offer_its_template(
    atelier: Atelier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [template["code"] for template in call_api("GET", "/templates")[1]["templates"]] == [
        "atelier-sketch"
    ]
    with_setting(monkeypatch, "PROVIDERS", "replicate")

    status, problem = submit()

    assert (status, [error["field"] for error in problem["errors"]]) == (422, ["template"])
    assert call_api("GET", "/templates")[1]["templates"] == []
    assert call_api("GET", "/templates/atelier-sketch")[0] == 404
    assert (
        call_api("POST", "/templates/atelier-sketch/quote", body={"parameters": {"prompt": "x"}})[0]
        == 404
    )

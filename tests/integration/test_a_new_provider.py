"""The provider of docs/a-new-provider.md, as it stands there, does whole jobs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom import catalog, providers
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Job, JobStatus
from darkroom.storage import jobs, ledger
from tests.aws import ROOT, Workflow
from tests.builders import ANN, call_api, open_account, until
from tests.integration.servers import Received, Reply, server
from tests.integration.steps import with_setting

PAGE = (ROOT / "docs/a-new-provider.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


class Atelier:
    """What is on the other side: works in a queue, which are done when somebody has asked for them `asks_until_done` times."""

    def __init__(self) -> None:
        self.url = ""
        self.works: dict[str, dict[str, Any]] = {}
        self.asks: dict[str, int] = {}
        self.asks_until_done = 1
        self.breaks_next = ""
        self.ends_as = "done"
        self.canceled: list[str] = []

    def answer(self, request: Received) -> Reply:
        kind, work_id = request.path.strip("/").split("/")
        if kind == "files":
            file = BytesIO()
            Image.new("RGB", (64, 48), "tomato").save(file, "PNG")
            return Reply(200, file.getvalue(), {"Content-Type": "image/png"})
        if request.method == "PUT":
            return self._put(work_id, json.loads(request.body))
        if request.method == "DELETE":
            self.canceled.append(work_id)
        return self._shown(work_id)

    def _put(self, work_id: str, wanted: dict[str, Any]) -> Reply:
        breaks, self.breaks_next = self.breaks_next, ""
        if breaks == "busy":
            return Reply(429, b"", {"Retry-After": "1"})
        if wanted["prompt"] == "a hand":
            return Reply(422)
        self.works.setdefault(work_id, wanted)
        return Reply(500) if breaks == "lost" else self._shown(work_id)

    def _shown(self, work_id: str) -> Reply:
        if work_id not in self.works:
            return Reply(404)
        self.asks[work_id] = self.asks.get(work_id, 0) + 1
        state = self.ends_as if self.asks[work_id] > self.asks_until_done else "queued"
        return Reply(200, json.dumps({"state": state, "files": [f"{self.url}/files/{work_id}"]}).encode())


@pytest.fixture
def atelier(workflow: Workflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Atelier]:
    """Register the page's provider and its template where the others are."""
    (tmp_path / "atelier.py").write_text(block("python"))
    (tmp_path / "atelier-sketch.toml").write_text(block("toml"))
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    monkeypatch.setattr(catalog, "files", lambda _: tmp_path)
    for kept in (catalog.codes, catalog._names, catalog._read):
        kept.cache_clear()
    atelier = Atelier()
    with server(atelier.answer) as url:
        atelier.url = url
        monkeypatch.setenv("ATELIER_URL", url)
        monkeypatch.setenv("DELIVERY_HOSTS", url.removeprefix("http://"))
        with_setting(monkeypatch, "PROVIDERS", "replicate,atelier")
        open_account(100)
        yield atelier
    for kept in (catalog.codes, catalog._names, catalog._read):
        kept.cache_clear()
    sys.modules.pop("darkroom.providers.atelier", None)


def submit(prompt: str = "a lighthouse") -> tuple[int, Any]:
    status, job, _ = call_api("POST", "/jobs", body={"template": "atelier-sketch", "parameters": {"prompt": prompt}})
    return status, job


def ended(prompt: str = "a lighthouse") -> Job:
    status, accepted = submit(prompt)
    assert status == 202, accepted

    def look() -> Job | None:
        job = jobs.read(ANN, accepted["id"])
        return job if job.status.is_final else None

    return until(look, seconds=60)


def test_a_job_is_done_and_paid_for(atelier: Atelier) -> None:
    job = ended()

    assert (job.status, job.charged) == (JobStatus.COMPLETED, 3)
    assert [(output.content_type, output.width, output.height) for output in job.outputs] == [("image/png", 64, 48)]
    assert atelier.works == {job.job_id: {"model": "pencil", "prompt": "a lighthouse"}}
    assert (ledger.balance(ANN).available, ledger.balance(ANN).spent) == (97, 3)


@pytest.mark.parametrize("breaks", ["busy", "lost"])
def test_whatever_becomes_of_the_asking_there_is_one_work(atelier: Atelier, breaks: str) -> None:
    atelier.breaks_next = breaks

    job = ended()

    assert (job.status, job.charged, list(atelier.works)) == (JobStatus.COMPLETED, 3, [job.job_id])


@pytest.mark.parametrize(
    ("prompt", "ends_as", "code"), [("a hand", "done", FailureCode.INVALID_INPUT), ("a lighthouse", "failed", FailureCode.PREDICTION_FAILED)]
)
def test_what_is_not_delivered_is_given_back(atelier: Atelier, prompt: str, ends_as: str, code: FailureCode) -> None:
    atelier.ends_as = ends_as

    job = ended(prompt)

    assert job.failure
    assert (job.status, job.failure.code, job.charged) == (JobStatus.FAILED, code, 0)
    assert (ledger.balance(ANN).available, ledger.balance(ANN).held) == (100, 0)


def test_a_deployment_without_the_provider_does_not_sell_it(atelier: Atelier, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [template["code"] for template in call_api("GET", "/templates")[1]["templates"]] == ["atelier-sketch"]
    with_setting(monkeypatch, "PROVIDERS", "replicate")

    status, problem = submit()

    assert (status, [error["field"] for error in problem["errors"]]) == (422, ["template"])
    assert call_api("GET", "/templates")[1]["templates"] == []
    assert call_api("GET", "/templates/atelier-sketch")[0] == 404
    assert call_api("POST", "/templates/atelier-sketch/quote", body={"parameters": {"prompt": "x"}})[0] == 404

"""The client that openapi-python-client generates from the OpenAPI document, unchanged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from PIL import Image

from local.stack import LocalStack
from tests.builders import until
from tests.e2e.actors import FINAL

PACKAGE = "darkroom_client"


@dataclass(frozen=True)
class Caller:
    """A user of the generated client."""

    client: Any

    @classmethod
    def signed_in(cls, stack: LocalStack, token: str) -> Caller:
        return cls(
            import_module(PACKAGE).AuthenticatedClient(
                base_url=stack.api_url, token=token, raise_on_unexpected_status=True
            )
        )

    def call(self, operation: str, *path: str, **arguments: Any) -> Any:
        """Call the operation `tag.name`. The response has `status_code`, `headers` and `parsed`."""
        return import_module(f"{PACKAGE}.api.{operation}").sync_detailed(
            *path, client=self.client, **arguments
        )


def model(name: str, document: dict[str, Any]) -> Any:
    return getattr(import_module(f"{PACKAGE}.models"), name).from_dict(document)


@pytest.fixture(scope="module", autouse=True)
def generated(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text("post_hooks: []\n")
    command = [
        str(Path(sys.executable).with_name("openapi-python-client")), "generate",
        "--url", f"{stack.api_url}/openapi.json", "--fail-on-warning", "--meta", "none",
        "--output-path", str(folder / PACKAGE), "--config", str(folder / "config.yaml"),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=120, cwd=folder)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def user() -> str:
    return f"generated.{uuid4().hex[:8]}"


@pytest.fixture
def caller(stack: LocalStack, user: str) -> Caller:
    """A new user with 50 credits. The generated client grants the credits too."""
    admin = Caller.signed_in(stack, stack.token("grace", groups=["admin"]))
    granted = admin.call(
        "administration.grant_credits",
        "web",
        user,
        body=model(
            "GrantRequest", {"amount": 50, "reason": "test", "reference": "arrival", "create": True}
        ),
    )
    assert (granted.status_code, granted.parsed.available) == (201, 50)
    return Caller.signed_in(stack, stack.token(user))


def test_runs_a_job_from_the_quote_to_the_deletion(caller: Caller, stack: LocalStack) -> None:
    parameters = {"prompt": "灯塔在黎明 🌅", "num_outputs": 2}
    templates = caller.call("templates.list_templates").parsed.templates
    assert "flux-schnell" in [template.code for template in templates]
    quoted = caller.call(
        "templates.quote", "flux-schnell", body=model("QuoteRequest", {"parameters": parameters})
    ).parsed.credits_

    request = model(
        "JobRequest",
        {"template": "flux-schnell", "parameters": parameters, "metadata": {"order": 7}},
    )
    accepted = caller.call("jobs.submit_job", body=request, idempotency_key="once")
    repeated = caller.call("jobs.submit_job", body=request, idempotency_key="once")
    assert (accepted.status_code, repeated.parsed.id, repeated.headers["idempotency-replayed"]) == (
        202,
        accepted.parsed.id,
        "true",
    )

    def ended() -> Any:
        job = caller.call("jobs.read_job", accepted.parsed.id).parsed
        return job if job.status.value in FINAL else None

    job = until(ended, seconds=60)
    assert (
        job.status.value,
        job.credits_.charged,
        job.error,
        job.finished_at > job.created_at,
    ) == ("completed", quoted, None, True)
    assert job.parameters["prompt"] == parameters["prompt"]
    assert job.metadata["order"] == 7
    day = job.created_at.date().isoformat()
    for number, output in enumerate(job.outputs, 1):
        assert requests.get(output.url, timeout=10).status_code == 200
        saved = requests.get(output.download_url, timeout=10)
        name = f"flux-schnell-{day}-{number}.webp"
        assert saved.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert len(job.outputs) == 2
    known = caller.call(
        "jobs.read_job", job.id, if_none_match=caller.call("jobs.read_job", job.id).headers["etag"]
    )
    assert (known.status_code, known.parsed) == (304, None)

    page = caller.call("jobs.list_jobs", limit=1).parsed
    assert ([each.id for each in page.jobs], page.next_cursor, page.total) == ([job.id], None, 1)
    statuses = [type(job.status)(status) for status in FINAL]
    for created_after, found in ((job.created_at, [job.id]), (job.finished_at, [])):
        page = caller.call(
            "jobs.list_jobs", status=statuses, template="flux-schnell", created_after=created_after
        ).parsed
        assert [each.id for each in page.jobs] == found
    entries = caller.call("credits_.list_entries").parsed.entries
    assert [entry.kind for entry in entries] == ["settle", "hold", "grant"]
    balance = caller.call("credits_.read_credits").parsed
    assert (balance.available, balance.held, balance.spent) == (30, 0, 20)
    assert caller.call("jobs.delete_job", job.id).status_code == 204


def test_uploads_an_image(caller: Caller) -> None:
    file = BytesIO()
    Image.new("RGB", (30, 20), "tomato").save(file, "PNG")
    form = caller.call(
        "uploads.announce_upload",
        body=model("UploadRequest", {"content_type": "image/png", "bytes": len(file.getvalue())}),
    ).parsed

    requests.post(
        form.url, data=form.fields.to_dict(), files={"file": file.getvalue()}, timeout=10
    ).raise_for_status()

    upload = caller.call("uploads.complete_upload", form.upload_id).parsed
    assert (upload.upload_id, upload.width, upload.height) == (form.upload_id, 30, 20)


def test_parses_problems_and_messages_of_the_gateway(caller: Caller, stack: LocalStack) -> None:
    costly = model(
        "JobRequest",
        {
            "template": "flux-dev",
            "parameters": {"prompt": "x", "num_outputs": 4, "quality": "high"},
        },
    )
    unpaid = caller.call("jobs.submit_job", body=costly)
    assert (unpaid.status_code, unpaid.parsed.type_, unpaid.parsed.missing) == (
        402,
        "/problems/insufficient-credits",
        10,
    )

    wrong = caller.call(
        "jobs.submit_job",
        body=model("JobRequest", {"template": "flux-dev", "parameters": {"prompt": " "}}),
    )
    assert (wrong.status_code, [error.field for error in wrong.parsed.errors]) == (
        422,
        ["parameters.prompt"],
    )

    assert caller.call("jobs.read_job", "nobody").parsed.type_ == "/problems/not-found"
    assert (
        caller.call(
            "administration.pause", body=model("PauseRequest", {"paused": True})
        ).parsed.type_
        == "/problems/forbidden"
    )
    # The gateway in front of the API sends its own body.
    stranger = Caller.signed_in(stack, "no token")
    assert (
        stranger.call("credits_.read_credits").parsed.message,
        stranger.call("credits_.read_credits").status_code,
    ) == ("Unauthorized", 401)

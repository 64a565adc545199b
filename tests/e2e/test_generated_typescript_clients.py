"""Clients that two npm generators make of the OpenAPI document: they compile and run a job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from local.client import Client
from local.stack import LocalStack
from tools.node_tools import NodeMissing, installed, run

SOURCES = Path(__file__).with_name("typescript")
GENERATORS = {
    "openapi-fetch": ("openapi-typescript", "openapi.json", "-o", "openapi-typescript.d.ts"),
    "hey-api": ("openapi-ts", "-i", "openapi.json", "-o", "hey-api", "--no-log-file"),
}
SECONDS_MAX = 90


@pytest.fixture(scope="module")
def folder(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both clients, generated from the document that the stack serves."""
    try:
        programs = installed()
    except NodeMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tried: {missing}")
    folder = shutil.copytree(SOURCES, tmp_path_factory.mktemp("clients") / "typescript")
    (folder / "node_modules").symlink_to(programs / "node_modules")
    (folder / "openapi.json").write_text(json.dumps(Client(stack.api_url, "").get("/openapi.json")))
    for program, *arguments in GENERATORS.values():
        generated = run(program, *arguments, folder=folder)
        assert generated.returncode == 0, generated.stdout + generated.stderr
    compiled = run("tsc", "--project", ".", folder=folder)
    assert compiled.returncode == 0, compiled.stdout
    return folder


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generated_client_compiles_and_runs_a_job(
    name: str, folder: Path, stack: LocalStack
) -> None:
    user = f"typescript.{uuid4().hex[:8]}"
    admin = Client(stack.api_url, stack.token("grace", groups=["admin"]))
    grant = {"amount": 50, "reason": "test", "reference": "arrival", "create": True}
    admin.post(f"/accounts/web/{user}/credits", grant)

    ended = subprocess.run(
        ["node", f"built/{name}.js"],
        cwd=folder,
        env=os.environ | {"API_URL": stack.api_url, "TOKEN": stack.token(user)},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "quoted": 20,
        "status": "completed",
        "charged": 20,
        "outputs": 2,
        "named": True,
        "problem": "/problems/not-found",
    }

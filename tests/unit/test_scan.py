"""The scanners of `make scan`: pinned versions, reasons of skipped checks, and found secrets."""

from __future__ import annotations

import os
import re
import secrets
import string
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.aws import ROOT
from tools.node_tools import NodeMissing, run

SCAN = ROOT / "tools/scan"


def test_every_scanner_has_an_exact_version() -> None:
    project = tomllib.loads((SCAN / "pyproject.toml").read_text())["project"]
    locked = tomllib.loads((SCAN / "uv.lock").read_text())["package"]

    versions = {f"{package['name']}=={package.get('version')}" for package in locked}
    assert set(project["dependencies"]) <= versions
    assert {name.partition("==")[0] for name in project["dependencies"]} >= {
        "bandit",
        "cfn-lint-serverless",
        "checkov",
        "pip-audit",
    }


def test_every_skipped_check_has_a_reason_beside_it() -> None:
    skipped = re.findall(r"^  - CKV\w+(.*)$", (SCAN / "checkov.yaml").read_text(), re.MULTILINE)
    template = (ROOT / "template.yaml").read_text()
    skipped += re.findall(r"checkov:skip=CKV\w+:?(.*)", template)
    lines = template.splitlines()
    rules = [
        (rule, lines[number - 1])
        for number, line in enumerate(lines)
        for listed in re.findall(r"ignore_checks: \[([^]]*)\]", line)
        for rule in listed.split(", ")
    ]

    assert len(skipped) > 8
    assert [text for text in skipped if len(text.split()) < 4] == []
    assert rules
    assert [rule for rule, above in rules if f"# {rule}: " not in above] == []


def token(prefix: str, length: int, alphabet: str) -> str:
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))


def scanned(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return run("secretlint", "--secretlintrc", str(SCAN / "secretlint.yaml"), *names, folder=folder)


def test_a_token_in_a_file_is_found(tmp_path: Path, subtests: pytest.Subtests) -> None:
    letters = string.ascii_letters + string.digits
    planted = {
        "replicate": token("r8_", 37, letters),
        "runway": token("key_", 128, "0123456789abcdef"),
        "webhook": token("whsec_", 32, letters),
        "aws": token("AWS_SECRET_ACCESS_KEY=", 40, letters),
        "github": token("ghp_", 36, letters),
        "private-key": "\n".join(
            (
                "-----BEGIN RSA PRIVATE KEY-----",
                *(token("", 64, letters) for _ in range(12)),
                "-----END RSA PRIVATE KEY-----",
            )
        ),
    }
    (tmp_path / "clean.py").write_text('TOKEN = "r8_token_of_the_simulated_replicate"\n')
    for name, text in planted.items():
        (tmp_path / f"{name}.txt").write_text(f"{text}\n")
    try:
        clean = scanned(tmp_path, "clean.py")
        found = scanned(tmp_path, *(f"{name}.txt" for name in planted))
    except NodeMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tried: {missing}")

    assert (clean.returncode, found.returncode) == (0, 1), clean.stdout + found.stderr
    for name, text in planted.items():
        with subtests.test(name=name):
            assert f"{name}.txt" in found.stdout
            assert text not in found.stdout

"""The code of docs/api.md: every block runs, in order, on the local stack."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook

from local.stack import LocalStack
from tests.aws import ROOT
from tests.e2e.actors import set_faults
from tests.integration.servers import Reply, answering, server
from tests.npm import NotHere, Package, fetched

_BLOCK = re.compile(r"```(\w+) ?(\w*)\n(.*?)```", re.DOTALL)
_SECONDS_MAX = 120
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
NODE_PACKAGES = (
    Package(
        name="standardwebhooks@1.0.0",
        integrity="sha512-BbHGOQK9olHPMvQNHWul6MYlrRTAOKn03rOe4A8O3CLWhNf4YHBqq2HJKKC+sfqpxiBY52pNeesD6jIiLDz8jg==",
    ),
    Package(
        name="@stablelib/base64@1.0.1",
        integrity="sha512-1bnPQqSxSuc3Ii6MhBysoWCg58j97aUjuCSZrGSmDxNqtytIi0k8utUenAwTZN4V5mXXYGsVUI9zeBqy+jBOSQ==",
    ),
    Package(
        name="fast-sha256@1.3.0",
        integrity="sha512-n11RGP/lrWEFI/bWdygLxhI+pVeo1ZYIVwvvPkW7azl/rOy+F3HYRZ2K5zeE9mmkhQppyv9sQFx0JM9UabnpPQ==",
    ),
)


@dataclass(frozen=True)
class Block:
    """A code block: its language, the word after the language, and its text."""

    language: str
    kind: str
    text: str


def blocks() -> list[Block]:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    return [Block(*found) for found in _BLOCK.findall(page)]


def the_block(language: str, kind: str) -> str:
    (found,) = [
        block.text for block in blocks() if (block.language, block.kind) == (language, kind)
    ]
    return found


@pytest.fixture
def callback_url() -> Iterator[str]:
    """The URL of a server that responds 204 to every callback."""
    with server(answering(Reply(204))) as url:
        yield url


def differences(documented: Any, actual: Any, where: str = "response") -> Iterator[str]:
    """Yield how a response differs from its documentation: in its keys, constants and types.

    A text with "…" stands for any text, and a time for any time. Sizes and seconds may differ.
    """
    if isinstance(documented, dict):
        if not isinstance(actual, dict) or documented.keys() != actual.keys():
            yield f"{where} is {actual!r}, not an object with {sorted(documented)}"
            return
        for key, value in documented.items():
            yield from differences(value, actual[key], f"{where}.{key}")
    elif isinstance(documented, list):
        if not actual:
            yield f"{where} is empty"
        for value in actual:
            yield from differences(documented[0], value, f"{where}[]")
    elif _varies(documented, where):
        if not isinstance(actual, type(documented)):
            yield f"{where} is {actual!r}, of another type than {documented!r}"
    elif documented != actual:
        yield f"{where} is {actual!r}, not {documented!r}"


def _varies(documented: Any, where: str) -> bool:
    if isinstance(documented, str):
        return "…" in documented or _TIME.fullmatch(documented) is not None
    return documented is not None and where.endswith(("bytes", "width", "height", "seconds"))


def test_the_shell_blocks_run_and_respond_as_documented(
    stack: LocalStack, callback_url: str, tmp_path: Path
) -> None:
    examples = [block for block in blocks() if not block.kind and block.language in ("sh", "json")]
    script, expected = ["set -euo pipefail"], {}
    for number, block in enumerate(examples):
        if block.language == "sh":
            script += [block.text, f"printf '\\n--end of block {number}--\\n'"]
        else:
            expected[number - 1] = json.loads(block.text)
    environment = os.environ | {"API": stack.api_url, "CALLBACK_URL": callback_url}

    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )

    outputs = re.split(r"\n--end of block (\d+)--\n", done.stdout)
    printed = dict(zip(map(int, outputs[1::2]), outputs[::2], strict=False))
    assert done.returncode == 0, f"after block {max(printed, default=None)}: {done.stderr}"
    found = [
        f"block {number}: {difference}"
        for number, document in expected.items()
        for difference in differences(document, _with_documented_fields(document, printed[number]))
    ]
    assert not found, "\n".join(found)


def _with_documented_fields(documented: Any, text: str) -> Any:
    """Parse a response without the parameters that the page leaves out, the defaults."""
    actual = json.loads(text)
    if "parameters" in documented:
        examples = documented["parameters"]
        actual["parameters"] = {name: actual["parameters"][name] for name in examples}
    return actual


def test_the_python_blocks_run(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = "\n".join(
        block.text for block in blocks() if block.language == "python" and not block.kind
    )
    monkeypatch.setenv("API", stack.api_url)
    monkeypatch.setenv("ADMIN", stack.token("grace", groups=["admin"]))
    monkeypatch.chdir(tmp_path)

    exec(compile(code, "docs/api.md", "exec"), {"__name__": "docs"})

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lighthouse-0.webp",
        "lighthouse-1.webp",
    ]


SCRIPTS = {"python": ([sys.executable, "-c"], "image-0.webp"), "sh": (["sh", "-c"], "image.webp")}


@pytest.mark.parametrize("language", SCRIPTS)
def test_the_whole_script_saves_an_image(language: str, stack: LocalStack, tmp_path: Path) -> None:
    command, image = SCRIPTS[language]
    set_faults(stack, run_seconds=0.1)

    done = subprocess.run(
        [*command, the_block(language, "script")],
        env=os.environ | {"API": stack.api_url, "NO_PROXY": "127.0.0.1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("completed")
    with Image.open(tmp_path / image) as saved:
        assert (saved.format, saved.size) == ("WEBP", (1024, 1024))


def signed_callback(secret: str) -> tuple[dict[str, str], str]:
    body = the_block("json", "event")
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("1", now, body),
    }
    return headers, body


def test_the_python_receiver_accepts_a_signed_callback_and_refuses_a_changed_one() -> None:
    namespace: dict[str, Any] = {}
    exec(compile(the_block("python", "receiver"), "docs/api.md", "exec"), namespace)
    headers, body = signed_callback(SECRET)

    assert namespace["receive"](SECRET, headers, body) == 204
    assert namespace["receive"](SECRET, headers, body.replace("completed", "failed")) == 401


def test_the_javascript_receiver_accepts_a_signed_callback_and_refuses_a_changed_one(
    tmp_path: Path,
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (Debian: apt-get install npm)")
    try:
        for package in NODE_PACKAGES:
            name = package.name.rpartition("@")[0]
            home = ROOT / ".tools" / "docs" / package.name.replace("/", "-")
            (tmp_path / "node_modules" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "node_modules" / name).symlink_to(fetched(package, home))
    except NotHere as missing:
        pytest.skip(str(missing))
    headers, body = signed_callback(SECRET)
    (tmp_path / "receiver.mjs").write_text(the_block("javascript", "receiver"))
    (tmp_path / "main.mjs").write_text(
        'import { receive } from "./receiver.mjs";\n'
        "const [secret, headers, ...bodies] = JSON.parse(process.argv[2]);\n"
        'console.log(bodies.map((body) => receive(secret, headers, body)).join(" "));\n'
    )
    arguments = json.dumps([SECRET, headers, body, body.replace("completed", "failed")])

    done = subprocess.run(
        [node, "--preserve-symlinks", "--preserve-symlinks-main", "main.mjs", arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=_SECONDS_MAX, check=True,
    )  # fmt: skip

    assert done.stdout.splitlines()[-1] == "204 401"

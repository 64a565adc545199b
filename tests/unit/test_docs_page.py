"""The pages for people: the API reference with its vendored script, and the pages of problems."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from darkroom.api.pages import DOCS, DOCS_POLICY
from tests import npm
from tests.aws import CONTEXT, ROOT, handler_of
from tests.builders import call_api, http_event

VENDORED = json.loads((DOCS / "vendored.json").read_text())
PATHS = {"/docs": "index.html", "/docs/rapidoc-min.js": "rapidoc-min.js"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text inside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline_scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and data.strip():
            self.inline_scripts.append(data)


def integrity_of(path: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_the_page_loads_its_script_and_the_document_of_this_api_only() -> None:
    status, text, headers = call_api("GET", "/docs", user=None)
    page = Page(text)

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert [attributes["src"] for tag, attributes in page.elements if tag == "script"] == [
        "docs/rapidoc-min.js"
    ]
    assert [attributes["spec-url"] for tag, attributes in page.elements if tag == "rapi-doc"] == [
        "openapi.json"
    ]
    assert page.inline_scripts == []
    assert not re.search(r"https?://|//cdn", text)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


@pytest.mark.parametrize("path", PATHS)
def test_only_scripts_of_this_api_may_run(path: str) -> None:
    _, _, headers = call_api("GET", path, user=None)

    assert headers["Content-Security-Policy"] == DOCS_POLICY
    assert "script-src 'self';" in DOCS_POLICY
    assert "unsafe-eval" not in DOCS_POLICY
    assert "http" not in DOCS_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("path", "name"), PATHS.items())
def test_a_client_that_accepts_gzip_receives_the_file_compressed(path: str, name: str) -> None:
    event = http_event("GET", path, user=None, headers={"accept-encoding": "gzip, br"})

    answer = handler_of("api")(event, CONTEXT)

    assert answer["isBase64Encoded"]
    assert answer["headers"]["Content-Encoding"] == "gzip"
    assert answer["headers"]["Vary"] == "Accept-Encoding"
    body = base64.b64decode(answer["body"])
    assert gzip.decompress(body) == (DOCS / name).read_bytes()
    # The limit of a Lambda response is 6 MB.
    assert len(answer["body"]) < 1_000_000


@pytest.mark.parametrize("path", PATHS)
def test_a_current_copy_is_not_sent_again(path: str) -> None:
    etag = call_api("GET", path, user=None)[2]["ETag"]

    status, body, headers = call_api(
        "GET", path, user=None, headers={"if-none-match": etag, "accept-encoding": "gzip"}
    )

    assert (status, body, headers["ETag"]) == (304, None, etag)
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize("name", VENDORED["files"])
def test_a_vendored_file_has_its_hash(name: str) -> None:
    assert integrity_of(DOCS / name) == VENDORED["files"][name]["integrity"]


def test_every_file_of_the_folder_is_ours_or_vendored() -> None:
    own = {"index.html", "README.md", "vendored.json"}

    assert {path.name for path in DOCS.iterdir()} == own | VENDORED["files"].keys()


def test_the_vendored_files_are_those_of_the_npm_package() -> None:
    package = npm.Package(name=VENDORED["package"], integrity=VENDORED["integrity"])
    try:
        folder = npm.fetched(package, ROOT / ".tools" / package.name)
    except npm.NotHere as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not tried: {missing}")

    for name, file in VENDORED["files"].items():
        assert (folder / file["source"]).read_bytes() == (DOCS / name).read_bytes()

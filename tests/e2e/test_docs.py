"""The page of the API reference, through the gateway."""

from __future__ import annotations

import pytest
import requests

from local.stack import LocalStack
from tests.aws import ROOT

FILES = {"/docs": "index.html", "/docs/rapidoc-min.js": "rapidoc-min.js"}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize(("path", "name"), FILES.items())
def test_a_browser_receives_the_files(
    path: str, name: str, encoding: str, stack: LocalStack
) -> None:
    headers = {"Accept-Encoding": encoding}

    answer = requests.get(stack.api_url + path, headers=headers, timeout=30)

    assert answer.status_code == 200
    assert answer.headers.get("Content-Encoding", "identity") == encoding
    assert answer.content == (ROOT / "shared/darkroom/api/docs" / name).read_bytes()
    known = {"If-None-Match": answer.headers["ETag"]}
    assert requests.get(stack.api_url + path, headers=known, timeout=30).status_code == 304

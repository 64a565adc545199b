"""The page for people: everything that the description says, and nothing of it as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from darkroom.api.docs_page import docs_page
from darkroom.api.problems import PROBLEMS
from tests.builders import call_api
from tests.contract import description

EVIL = '<img src=x onerror="alert(1)">'
DOCUMENT = {
    "info": {"title": EVIL, "version": EVIL, "description": EVIL},
    "tags": [{"name": EVIL, "description": EVIL}],
    "paths": {
        EVIL: {
            EVIL: {
                "operationId": EVIL,
                "summary": EVIL,
                "description": EVIL,
                "tags": [EVIL],
                "parameters": [{"name": EVIL, "in": "query", "description": EVIL, "schema": {"type": EVIL, "pattern": EVIL}}],
                "responses": {"200": {"description": EVIL, "headers": {EVIL: {}}, "content": {EVIL: {"schema": {"enum": [EVIL]}}}}},
            }
        }
    },
    "webhooks": {},
    "components": {"schemas": {EVIL: {"description": EVIL, "properties": {EVIL: {"$ref": f"#/components/schemas/{EVIL}"}}}}},
}  # fmt: skip


class Page(HTMLParser):
    """Which elements there are, and which ids and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.links += [str(value) for name, value in attrs if name == "href"]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_operation_and_every_schema_is_on_it() -> None:
    status, text, _ = call_api("GET", "/docs", user=None)
    page = Page(text)

    assert status == 200
    assert set(page.ids) >= {
        operation["operationId"]
        for methods in description()["paths"].values()
        for operation in methods.values()
    }
    assert set(page.ids) >= {f"schema-{name}" for name in description()["components"]["schemas"]}
    assert "job_ended" in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert page.open == []


def test_every_link_leads_somewhere() -> None:
    page = Page(call_api("GET", "/docs", user=None)[1])

    inside = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert {link for link in page.links if not link.startswith("#")} == {
        "openapi.json",
        *(f"problems/{problem.slug}" for problem in PROBLEMS.values()),
    }


def test_what_is_described_cannot_become_markup() -> None:
    text = str(docs_page(DOCUMENT, []).body)

    assert "<img" not in text
    assert "img" not in Page(text).tags
    assert not re.search(r'="[^"]*<', text)

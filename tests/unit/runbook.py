"""The sections and code blocks of docs/operations.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tests.aws import ROOT

_BLOCK = re.compile(r"```sh (\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A section: its heading, and its text up to the next heading."""

    title: str
    text: str

    @property
    def anchor(self) -> str:
        return anchor_of(self.title)

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """The kind (`local` or `aws`) and the text of each block."""
        return [(kind, text) for kind, text in _BLOCK.findall(self.text)]

    @property
    def local_blocks(self) -> list[str]:
        return [text for kind, text in self.blocks if kind == "local"]


def anchor_of(heading: str) -> str:
    return heading.lower().replace(" ", "-")


@cache
def sections() -> tuple[Section, ...]:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    return tuple(
        Section(title, text) for title, _, text in (part.partition("\n") for part in parts)
    )


def section(title: str) -> Section:
    (found,) = [each for each in sections() if each.title == title]
    return found

"""Reads the files of the gallery: imports, sizes, texts, and what a file must not contain.

Each function takes the root of the tree, so that the tests can use a small one.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any
from urllib.parse import quote

PAGE = "index.html"
SETTINGS = ("biome.json", "tsconfig.json")
LANGUAGES = ("en", "zh")
# `core/text.js` loads the texts of the page first, and the others after the first paint.
TEXT_GROUPS = ("", "more-")
_CODE = (".js", ".css")

_COMMENT = re.compile(r"(?<!\w)/\*.*?\*/|(?m:^[ \t]*//[^\n]*)", re.DOTALL)
_STATIC = re.compile(
    r"""(?:^|[;}\n])\s*(?:import\s*|(?:import|export)\b[^'"`;()]*?\bfrom\s*)['"]([^'"]+)['"]"""
)
_DYNAMIC = re.compile(r"\bimport\(\s*(['\"`])(.+?)\1\s*\)")
_STRING = re.compile(r"(['\"`])((?:(?!\1)[^\n])*?\.(?:webp|png|svg|css|mp4|json))\1")
_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)")
_PLACE = re.compile(r"\$\{[^}]*\}")
_KEY = re.compile(r"(?<![\w.$])t\.(\w+)")
_TAKES_TEXTS = re.compile(r"import\s*\{[^}]*\bt\b[^}]*\}\s*from\s*['\"][^'\"]*text\.js['\"]")
_HOST = re.compile(r"https?://(?!(?:[\w-]+\.)*example\.(?:com|org)\b)[\w\[$]", re.IGNORECASE)
_UNSAFE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
    r"|\beval\s*\(|new Function|[\"'`]javascript:",
    re.IGNORECASE,
)
_INLINE = re.compile(r"<[^>]*\s(?:style|on\w+)\s*=|<style|<script(?![^>]*\ssrc=)", re.IGNORECASE)

_DESCRIBE_TEXTS = """
const kind = (value) => value && typeof value === 'object'
  ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, kind(one)]))
  : typeof value === 'function' ? `function of ${value.length}` : typeof value;
const found = {};
for (const file of process.argv.slice(1)) found[file] = kind((await import(file)).default);
process.stdout.write(JSON.stringify(found));
"""


class NodeNotHere(RuntimeError):
    """The machine has no Node.js."""


@dataclass
class Page(HTMLParser):
    """What the page refers to: at once, and in a <template> for later."""

    first: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    _templates_count: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._templates_count += tag == "template"
        values = dict(attrs)
        if (reference := values.get("src") or values.get("href")) and ":" not in reference:
            (self.later if self._templates_count else self.first).append(reference)

    def handle_endtag(self, tag: str) -> None:
        self._templates_count -= tag == "template"


def files(root: Path) -> list[str]:
    """Return the paths of all files below the root."""
    return sorted(
        str(path.relative_to(root).as_posix())
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-3:])
    )


def served(root: Path) -> list[str]:
    """Return the paths of the files that browsers can load."""
    return [name for name in files(root) if not name.endswith(".d.ts") and name not in SETTINGS]


def own(root: Path) -> list[str]:
    """Return the paths of the served files that are not copied from a package."""
    return [name for name in served(root) if not name.startswith("vendor/")]


def without_comments(text: str) -> str:
    """Remove the comments of JavaScript or CSS that begin a line or follow a space."""
    return _COMMENT.sub(" ", text)


@cache
def code(root: Path, name: str) -> str:
    """Return the text of a file without comments."""
    text = (root / name).read_text(encoding="utf-8")
    return text if name.endswith(".html") else without_comments(text)


def page(root: Path) -> Page:
    """Return what index.html refers to."""
    parsed = Page()
    parsed.feed((root / PAGE).read_text(encoding="utf-8"))
    return parsed


def static_imports(root: Path, name: str) -> set[str]:
    """Return the modules that a module imports before it runs."""
    if not name.endswith(".js") or name.startswith("vendor/"):
        return set()
    return {_beside(name, match) for match in _STATIC.findall(code(root, name))}


def closure(root: Path, names: list[str]) -> set[str]:
    """Return the files and everything that they import before they run."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and (root / name).is_file():
            found.add(name)
            waiting += static_imports(root, name)
    return found


def references(root: Path, name: str) -> set[str]:
    """Return the existing files that a file refers to, in any way."""
    if name == PAGE:
        found = page(root)
        return {reference for reference in found.first + found.later if (root / reference).exists()}
    if name.endswith(".css"):
        return {_beside(name, match) for match in _URL.findall(code(root, name))}
    if not name.endswith(".js") or name.startswith("vendor/"):
        return set()
    text = code(root, name)
    patterns = {_beside(name, match) for _, match in _DYNAMIC.findall(text)}
    for _, match in _STRING.findall(text):
        patterns |= {_beside(name, match), normpath(_pattern(match))}
    return static_imports(root, name) | {
        file for pattern in patterns for file in _matching(root, pattern)
    }


def missing_imports(root: Path) -> list[str]:
    """Return each import of a file that does not exist."""
    return [
        f"{name}: {target}"
        for name in own(root)
        if name.endswith(".js")
        for target in sorted(
            static_imports(root, name)
            | {_beside(name, match) for _, match in _DYNAMIC.findall(code(root, name))}
        )
        if not list(_matching(root, target))
    ]


def reachable(root: Path) -> set[str]:
    """Return the page, and every file that it can load."""
    found, waiting = set(), [PAGE]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for one in references(root, name) if (root / one).is_file()]
    return found


def first_files(root: Path) -> dict[str, int]:
    """Return the gzipped bytes of the JS and CSS before the first paint, by path.

    Of the texts it counts the larger language.
    """
    names = closure(root, page(root).first)
    names.add(_larger(root, TEXT_GROUPS[0]))
    return {name: gzipped_bytes(root, name) for name in sorted(names) if name.endswith(_CODE)}


def all_files(root: Path) -> dict[str, int]:
    """Return the gzipped bytes of all JS and CSS, by path. Of the texts, the larger language."""
    texts = {f"texts/{group}{one}.js" for group in TEXT_GROUPS for one in LANGUAGES}
    kept = {_larger(root, group) for group in TEXT_GROUPS}
    return {
        name: gzipped_bytes(root, name)
        for name in served(root)
        if name.endswith(_CODE) and (name not in texts or name in kept)
    }


def gzipped_bytes(root: Path, name: str) -> int:
    """Return the bytes of a file as `gzip -9` writes it."""
    return len(gzip.compress((root / name).read_bytes(), 9, mtime=0))


def used_texts(root: Path, name: str) -> set[str]:
    """Return the keys of texts that a module uses as `t.key`."""
    text = code(root, name)
    return set(_KEY.findall(text)) if _TAKES_TEXTS.search(text) else set()


def texts(root: Path) -> dict[str, dict[str, Any]]:
    """Return the kinds of the texts by key, by path. A kind is a type or nested kinds.

    Raises NodeNotHere.
    """
    node = shutil.which("node")
    if node is None:
        raise NodeNotHere("node is not installed (Debian: apt-get install npm)")
    names = [name for name in served(root) if name.startswith("texts/")]
    # As a module in any version of Node.js, whatever folder the tree is in.
    links = [f"data:text/javascript,{quote((root / name).read_text())}" for name in names]
    ended = subprocess.run(
        [node, "--input-type=module", "--eval", _DESCRIBE_TEXTS, "--", *links],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    kinds = json.loads(ended.stdout)
    return {name: kinds[link] for name, link in zip(names, links, strict=True)}


def findings(root: Path) -> Iterator[str]:
    """Yield each use of an external host, of markup from text, or of inline script and style."""
    for name in own(root):
        if not name.endswith((".js", ".css", ".html")):
            continue
        text = code(root, name)
        patterns = [("external host", _HOST), ("unsafe", _UNSAFE)]
        if name.endswith(".html"):
            patterns.append(("inline", _INLINE))
        for what, pattern in patterns:
            for match in pattern.finditer(text):
                yield f"{name}: {what}: {text[max(0, match.start() - 20) : match.end() + 20]!r}"


def _beside(name: str, reference: str) -> str:
    """Return the path of a reference in a file, with `*` for its variable parts."""
    return normpath((PurePosixPath(name).parent / _pattern(reference)).as_posix())


def _pattern(reference: str) -> str:
    return _PLACE.sub("*", reference)


def _matching(root: Path, pattern: str) -> Iterator[str]:
    if pattern.startswith((".", "/", "*")):
        return
    # `more-*` is the pattern of another group of texts than `*`.
    more = pattern.startswith("texts/*")
    for path in root.glob(pattern):
        if path.is_file() and not (more and path.name.startswith("more-")):
            yield path.relative_to(root).as_posix()


def _larger(root: Path, group: str) -> str:
    names = [f"texts/{group}{language}.js" for language in LANGUAGES]
    present = [name for name in names if (root / name).is_file()]
    return max(present, key=lambda name: gzipped_bytes(root, name), default="")

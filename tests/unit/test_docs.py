"""The pages agree with the code: links, paths, tables, diagrams and the tests that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from samcli.yamlhelper import yaml_parse

from darkroom.settings import Settings
from tests.aws import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
README_WORDS_MAX = 900
COLUMNS_MAX = 100

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# A path in backticks: a folder of the repository, then names, perhaps a test after `::`.
_PATH = re.compile(
    r"`((?:shared|functions|local|tests|tools|docs|events|layers)/[\w./*-]+)(?:::(\w+))?`"
)
# Files that a page tells the reader to create, or that the build creates.
_CREATED = (
    "shared/darkroom/catalog/sketch.toml",
    "shared/darkroom/catalog/atelier-sketch.toml",
    "functions/record_seed",
)
_DECISION_HEADINGS = ["What", "Why", "Cost", "Alternatives"]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rows_of(page: str, header: str) -> list[list[str]]:
    """Return the cells of the table whose first row starts with `header`."""
    _, found, rest = text_of(ROOT / "docs" / page).partition(f"| {header} |")
    assert found, f"{page} has no table {header}"
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def code(cell: str) -> str:
    return cell.strip().strip("`")


def test_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").split()) <= README_WORDS_MAX


def test_prose_lines_have_at_most_100_columns() -> None:
    long = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in PAGES
        if page.name != "problems.md"
        for number, line in enumerate(_CODE.sub(_blank_lines, text_of(page)).splitlines(), 1)
        if len(line) > COLUMNS_MAX and not line.startswith(("|", "!["))
    ]

    assert not long, "\n".join(long)


def _blank_lines(block: re.Match[str]) -> str:
    return "\n" * block.group().count("\n")


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    broken = []
    for page in PAGES:
        for link in _LINK.findall(_CODE.sub("", text_of(page))):
            target, _, anchor = link.partition("#")
            if target.startswith("http"):
                continue
            file = (page.parent / target).resolve() if target else page
            if not file.exists():
                broken.append(f"{page.name}: {link}")
            elif anchor and anchor not in map(anchor_of, _HEADING.findall(text_of(file))):
                broken.append(f"{page.name}: {link} has no such heading")

    assert not broken, "\n".join(broken)


def test_every_page_is_linked_from_another_page() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in _LINK.findall(text_of(page))
    }
    pages = {page.resolve() for page in PAGES if page.parent.name != "decisions"}

    assert pages - linked - {ROOT / "README.md"} == set()


def test_every_path_and_test_on_a_page_exists() -> None:
    missing = []
    for page in PAGES:
        for path, name in _PATH.findall(text_of(page)):
            if path in _CREATED or "<" in path:
                continue
            files = list(ROOT.glob(path.rstrip("/")))
            if not files:
                missing.append(f"{page.name}: {path}")
            elif name and not any(re.search(rf"\b{name}\b", text_of(file)) for file in files):
                missing.append(f"{page.name}: {path}::{name}")

    assert not missing, "\n".join(missing)


def test_each_guarantee_names_its_bounds_and_its_tests() -> None:
    sections = re.split(r"^## ", text_of(ROOT / "docs/guarantees.md"), flags=re.MULTILINE)[1:]
    numbered = [section for section in sections if section[0].isdigit()]

    assert [section.partition(".")[0] for section in numbered] == [
        str(number) for number in range(1, len(numbered) + 1)
    ]
    incomplete = [
        section.splitlines()[0]
        for section in numbered
        if "*Bounds:*" not in section or "`tests/" not in section.partition("*Tests:*")[2]
    ]
    assert not incomplete


def test_each_decision_has_a_number_a_date_and_four_headings() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))

    for number, decision in enumerate(decisions, 1):
        text = text_of(decision)
        assert decision.name.startswith(f"{number:04}-")
        assert re.match(rf"# {number}\. .+\n\n\d{{4}}-\d\d-\d\d\n", text), decision.name
        assert _HEADING.findall(text)[1:] == _DECISION_HEADINGS, decision.name


def test_the_drawn_state_machine_is_the_deployed_one() -> None:
    page = text_of(ROOT / "docs/architecture.md")
    drawing = page.partition("```mermaid\n")[2].partition("```")[0]
    drawn = set(re.findall(r"^ +(\S+) --> ([^\s:]+)", drawing, re.MULTILINE))

    assert drawn == set(transitions(yaml.safe_load(text_of(ROOT / "workflow.asl.yaml"))))


def transitions(machine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "[*]", machine["StartAt"]
    for name, state in machine["States"].items():
        targets = [each["Next"] for each in (*state.get("Catch", ()), *state.get("Choices", ()))]
        targets += [state[key] for key in ("Next", "Default") if key in state]
        if state.get("End") or state["Type"] in ("Succeed", "Fail"):
            targets.append("[*]")
        yield from ((name, target) for target in targets)


def test_the_layout_names_every_layer_and_folder() -> None:
    layout = text_of(ROOT / "docs/architecture.md").partition("```text\n")[2].partition("```")[0]
    listed = set(re.findall(r"^ *(\S+?)/? ", layout, re.MULTILINE))
    layers = {each.name for each in (ROOT / "shared/darkroom").iterdir() if _is_package(each)}
    top = {"functions", "layers", "local", "events", "tests", "tools"}

    assert layers | top <= listed


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def test_configuration_lists_every_parameter_with_its_default() -> None:
    parameters = yaml_parse(text_of(ROOT / "template.yaml"))["Parameters"]
    expected = {name: str(each["Default"]) or "empty" for name, each in parameters.items()}

    listed = {code(row[0]): code(row[1]) for row in rows_of("configuration.md", "parameter")}

    assert listed == expected


def test_configuration_lists_every_limit_with_its_default() -> None:
    template = text_of(ROOT / "template.yaml")
    limits = {
        each.name: f"{each.default:,}"
        for each in fields(Settings)
        if isinstance(each.default, int) and f"{each.name.upper()}:" not in template
    }

    listed = {code(row[0]): code(row[1]) for row in rows_of("configuration.md", "setting")}

    assert listed == limits

"""Every code block of the pages is run by a test, or is marked with its needs and checked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from tests.aws import ROOT
from tests.unit.test_docs import PAGES, text_of

# Each block that is not a console block, and the test that runs or compares it.
RUN_BY = {
    ("README.md", "sh"): "tests/e2e/test_docs_api.py",
    ("api.md", "sh"): "tests/e2e/test_docs_api.py",
    ("api.md", "sh script"): "tests/e2e/test_docs_api.py",
    ("api.md", "python script"): "tests/e2e/test_docs_api.py",
    ("api.md", "json"): "tests/e2e/test_docs_api.py",
    ("api.md", "json event"): "tests/e2e/test_docs_api.py",
    ("api.md", "python"): "tests/e2e/test_docs_api.py",
    ("api.md", "python receiver"): "tests/e2e/test_docs_api.py",
    ("api.md", "javascript receiver"): "tests/e2e/test_docs_api.py",
    ("adding-a-template.md", "toml"): "tests/unit/test_docs_template.py",
    ("adding-a-template.md", "toml image"): "tests/unit/test_docs_template.py",
    ("adding-a-template.md", "toml images"): "tests/unit/test_docs_template.py",
    ("adding-a-template.md", "toml rule"): "tests/unit/test_docs_template.py",
    ("adding-a-template.md", "toml tolerance"): "tests/unit/test_docs_template.py",
    ("adding-a-template.md", "toml strictness"): "tests/unit/test_docs_template.py",
    ("adding-a-template.md", "toml fixed"): "tests/unit/test_docs_template.py",
    ("gallery.md", "sh"): "tests/integration/simulated_replicate/test_faults_of_next.py",
    ("prices.md", "toml sum"): "tests/unit/test_docs_prices.py",
    ("adding-a-provider.md", "python"): "tests/integration/test_adding_a_provider.py",
    ("adding-a-provider.md", "python settings"): "tests/integration/test_adding_a_provider.py",
    ("adding-a-provider.md", "toml"): "tests/integration/test_adding_a_provider.py",
    ("adding-a-route-column-alarm.md", "python route"): "tests/integration/test_adding_a_route.py",
    ("adding-a-route-column-alarm.md", "python test"): "tests/integration/test_adding_a_route.py",
    ("adding-a-route-column-alarm.md", "yaml event"): "tests/integration/test_adding_a_route.py",
    ("operations.md", "sh local"): "tests/e2e/test_docs_operations.py",
    ("operations.md", "sh aws"): "tests/unit/test_docs_operations.py",
    ("deploying.md", "json trust"): "tests/unit/test_github.py",
    ("architecture.md", "mermaid"): "tests/unit/test_docs.py",
    ("architecture.md", "text"): "tests/unit/test_docs.py",
} | {
    ("adding-a-provider.md", f"yaml {part}"): "tests/integration/test_adding_a_provider.py"
    for part in ("Parameters", "Conditions", "Variables", "Resources", "ProviderAccess", "Outputs")
}
# Console commands without a marker, and where they run.
COMMANDS_RUN_BY = {
    "make demo": "tests/e2e/test_demo.py",
    "make run": "tests/e2e/test_demo_data.py",
    "make test": ".ci/run",
    "make catalog": "tests/unit/test_docs_commands.py",
    "make invoke FUNCTION=api EVENT=submit_job": "tests/e2e/test_invoke.py",
}
MARKERS = {
    "needs AWS",
    "needs AWS and a Replicate token",
    "needs a Replicate token",
    "needs Docker",
    "takes long",
    "runs the tests",
}
# Commands of the AWS CLI that are not operations of the API. `rb` has the option --force.
HIGH_LEVEL = {("s3", "rb")}

_BLOCK = re.compile(r"(?:<!-- ([^\n]+) -->\n)?```([^\n]*)\n(.*?)```", re.DOTALL)
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
_VARIABLE = re.compile(r"\b([A-Z_]+) ?\??=")
_REFERENCE = re.compile(r"\$\(([A-Z_]+)\)")
_SHELL_ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    page: str
    marker: str
    info: str
    text: str

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks() -> list[Block]:
    return [Block(page.name, *found) for page in PAGES for found in _BLOCK.findall(text_of(page))]


CONSOLE = [block for block in blocks() if block.info == "console"]


def test_every_block_is_run_by_a_test_or_is_a_console_block() -> None:
    unknown = [
        f"{block.page}: ```{block.info}"
        for block in blocks()
        if block.info != "console" and (block.page, block.info) not in RUN_BY
    ]
    unused = RUN_BY.keys() - {(block.page, block.info) for block in blocks()}
    missing = [file for file in RUN_BY.values() if not (ROOT / file).is_file()]

    assert not unknown
    assert not unused
    assert not missing


def test_every_command_is_run_by_a_test_or_is_marked() -> None:
    wrong_markers = {block.marker for block in CONSOLE} - MARKERS - {""}
    unmarked = [command for block in CONSOLE if not block.marker for command in block.commands]

    assert not wrong_markers
    assert set(unmarked) <= COMMANDS_RUN_BY.keys()
    assert all((ROOT / file).is_file() for file in COMMANDS_RUN_BY.values())


def test_every_make_command_names_a_target_and_variables_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(_TARGET.findall(makefile))
    variables = {*_VARIABLE.findall(makefile), *_REFERENCE.findall(makefile)}
    wrong = []
    for command in (command for block in CONSOLE for command in block.commands):
        words = shlex.split(command)
        while words and _SHELL_ASSIGNMENT.match(words[0]):
            words.pop(0)
        if words[:1] == ["make"]:
            for word in words[1:]:
                name, is_variable, _ = word.partition("=")
                if name not in (variables if is_variable else targets):
                    wrong.append(f"{command}: {name}")

    assert not wrong


def test_every_aws_command_and_its_options_exist() -> None:
    commands = [each for block in CONSOLE for each in block.commands if each.startswith("aws ")]
    wrong = [f"{command}: {found}" for command in commands for found in unknown_parts(command)]

    assert commands
    assert not wrong


def unknown_parts(command: str) -> list[str]:
    """Return the parts of a command that the AWS CLI does not know, by botocore's model."""
    _, service, operation, *words = shlex.split(command)
    if (service, operation) in HIGH_LEVEL:
        return [word for word in words if word.startswith("--") and word != "--force"]
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        return [operation]
    shape = model.operation_model(operations[operation]).input_shape
    members = {xform_name(name, "-") for name in (shape.members if shape else ())}
    options = {word.removeprefix("--") for word in words if word.startswith("--")}
    # The AWS CLI has a second option `--no-…` for each boolean.
    return sorted(
        option
        for option in options - {"query", "output", "region"}
        if option not in members and option.removeprefix("no-") not in members
    )


@cache
def pytest_options() -> list[str]:
    return [
        word.removeprefix("PYTEST_OPTIONS=")
        for block in CONSOLE
        for command in block.commands
        for word in shlex.split(command)
        if word.startswith("PYTEST_OPTIONS=")
    ]


@pytest.mark.parametrize("options", dict.fromkeys(pytest_options()))
def test_the_options_for_pytest_select_tests(options: str) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *shlex.split(options)]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_make_catalog_prints_every_template() -> None:
    command = [sys.executable, "-m", "tools.catalog"]
    environment = os.environ | {"PYTHONPATH": "shared"}

    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    codes = [path.stem for path in Path(ROOT / "shared/darkroom/catalog").glob("*.toml")]
    assert [code for code in codes if code not in done.stdout] == []

"""The walls of the house: who may know whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws import ROOT

FUNCTIONS = sorted(path for path in (ROOT / "functions").iterdir() if path.is_dir())
DOMAIN = sorted((ROOT / "shared/darkroom/domain").glob("*.py"))
MODULES = sorted(path for folder in ("shared", "functions", "local") for path in (ROOT / folder).rglob("*.py"))
EDGES = {"boto3", "botocore", "pynamodb", "replicate", "requests", "httpx", "standardwebhooks", "PIL"}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def packages_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(path)}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", DOMAIN, ids=name_of)
def test_the_rules_know_no_aws_no_network_no_environment_and_no_clock(module: Path) -> None:
    assert not packages_of(module) & (EDGES | {"aws_lambda_powertools", "os", "time", "socket", "logging"})
    assert not {name for name in imports_of(module) if name.startswith("darkroom") and not name.startswith("darkroom.domain")}


def test_the_rules_are_imported_without_an_environment() -> None:
    modules = [f"darkroom.domain.{module.stem}" for module in DOMAIN if module.stem != "__init__"]
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'shared')!r}); import {', '.join(modules)}; assert not {EDGES!r} & sys.modules.keys()"

    ended = subprocess.run([sys.executable, "-c", program], env={}, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("module", sorted((ROOT / "shared").rglob("*.py")), ids=name_of)
def test_the_package_knows_nothing_outside_itself(module: Path) -> None:
    assert not packages_of(module) & {"functions", "local", "tests"}


@pytest.mark.parametrize("folder", FUNCTIONS, ids=name_of)
def test_a_function_is_one_file_that_knows_the_package_and_no_edge(folder: Path) -> None:
    files = [path.name for path in folder.iterdir() if path.name != "__pycache__"]

    assert files == ["handler.py"]
    assert not packages_of(folder / "handler.py") & (EDGES | {"functions", "os"})


@pytest.mark.parametrize("folder", FUNCTIONS, ids=name_of)
def test_a_handler_is_short_and_says_what_invokes_it(folder: Path) -> None:
    tree = ast.parse((folder / "handler.py").read_text())
    (handler,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "handler"]

    assert ast.get_docstring(tree)
    assert handler.end_lineno
    assert handler.end_lineno - handler.lineno < 40


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_is_a_small_room(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 300

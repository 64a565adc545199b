"""The architecture: which module may import which, and how long a module may be."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.aws import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FUNCTIONS = sorted(path for path in (ROOT / "functions").iterdir() if path.is_dir())
# Only `settings` reads the environment, so no function needs `os`.
FUNCTION_IMPORTS = sys.stdlib_module_names - {"os"} | {"aws_lambda_powertools", "darkroom"}


def packages_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "").partition(".")[0]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an environment that holds nothing but the path to the package."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": "shared"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_import_contract_of_pyproject_is_kept() -> None:
    program = str(Path(sys.executable).with_name("lint-imports"))

    linted = run(program, "--no-cache", "--no-logo")

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_domain_is_imported_without_an_environment() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (domain,) = [contract for contract in contracts if contract["id"] == "domain"]
    libraries = set(domain["forbidden_modules"]) - sys.stdlib_module_names
    names = {path.stem for path in (ROOT / "shared/darkroom/domain").glob("*.py")} - {"__init__"}
    imports = "; ".join(f"import darkroom.domain.{name}" for name in sorted(names))
    program = f"import sys; {imports}; print(*{libraries} & {{*sys.modules}})"

    ended = run(sys.executable, "-c", program)

    assert (ended.returncode, ended.stdout.split()) == (0, []), ended.stderr


def test_a_function_is_one_file_that_imports_only_powertools_and_the_package() -> None:
    broken = []
    for folder in FUNCTIONS:
        files = sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")
        if files != ["handler.py"]:
            broken.append(f"functions/{folder.name} holds {files}, not handler.py alone")
        foreign = sorted(set(packages_of(folder / "handler.py")) - FUNCTION_IMPORTS)
        broken += [f"functions/{folder.name}/handler.py imports {name}" for name in foreign]

    assert FUNCTIONS
    assert not broken, "\n".join(broken)


def test_a_handler_says_what_invokes_it() -> None:
    handlers = [folder / "handler.py" for folder in FUNCTIONS]

    silent = [path for path in handlers if not ast.get_docstring(ast.parse(path.read_text()))]

    assert not silent, f"no docstring at the top of {', '.join(map(str, silent))}"


def longer_than(lines_max: int, paths: Iterable[Path]) -> list[str]:
    lengths = {path: len(path.read_text().splitlines()) for path in paths}
    return [f"{path} has {lines} lines" for path, lines in lengths.items() if lines > lines_max]


def test_a_handlers_file_is_at_most_40_lines_long() -> None:
    long = longer_than(40, [folder / "handler.py" for folder in FUNCTIONS])

    assert not long, "\n".join(long)


def test_a_module_is_at_most_300_lines_long() -> None:
    folders = ("functions", "local", "shared", "tools")
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]

    long = longer_than(300, modules)

    assert modules
    assert not long, "\n".join(long)

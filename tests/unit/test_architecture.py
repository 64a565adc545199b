"""The architecture: allowed imports, and the lengths of files and of test names."""

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
# Only `darkroom.settings` reads environment variables, so no function needs `os`.
FUNCTION_IMPORTS = sys.stdlib_module_names - {"os"} | {"aws_lambda_powertools", "darkroom"}


def packages_of(path: Path) -> Iterator[str]:
    """Yield the packages that a file imports. A relative import yields its dots and its package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "").partition(".")[0]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with no environment variable but the path to the package."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": "shared"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_imports_keep_every_contract_of_pyproject() -> None:
    program = str(Path(sys.executable).with_name("lint-imports"))

    completed = run(program, "--no-cache", "--no-logo")

    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_the_domain_imports_without_environment_or_forbidden_libraries() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (domain,) = [contract for contract in contracts if contract["id"] == "domain"]
    libraries = set(domain["forbidden_modules"]) - sys.stdlib_module_names
    module_names = {path.stem for path in (ROOT / "shared/darkroom/domain").glob("*.py")} - {
        "__init__"
    }
    imports = "; ".join(f"import darkroom.domain.{name}" for name in sorted(module_names))
    program = f"import sys; {imports}; print(*{libraries} & {{*sys.modules}})"

    completed = run(sys.executable, "-c", program)

    assert (completed.returncode, completed.stdout.split()) == (0, []), completed.stderr


def test_a_function_is_one_file_and_imports_only_powertools_and_the_package() -> None:
    errors = []
    for folder in FUNCTIONS:
        files = sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")
        if files != ["handler.py"]:
            errors.append(f"functions/{folder.name} contains {files}, not only handler.py")
        disallowed = sorted(set(packages_of(folder / "handler.py")) - FUNCTION_IMPORTS)
        errors += [f"functions/{folder.name}/handler.py imports {name}" for name in disallowed]

    assert FUNCTIONS
    assert not errors, "\n".join(errors)


def test_a_handler_has_a_docstring() -> None:
    handlers = [folder / "handler.py" for folder in FUNCTIONS]

    undocumented = [path for path in handlers if not ast.get_docstring(ast.parse(path.read_text()))]

    assert not undocumented, f"no module docstring in {', '.join(map(str, undocumented))}"


def longer_than(lines_max: int, paths: Iterable[Path]) -> list[str]:
    """Return a message for each file with more lines."""
    lengths = {path: len(path.read_text().splitlines()) for path in paths}
    return [f"{path} has {lines} lines" for path, lines in lengths.items() if lines > lines_max]


def test_a_handlers_file_is_at_most_40_lines_long() -> None:
    too_long = longer_than(40, [folder / "handler.py" for folder in FUNCTIONS])

    assert not too_long, "\n".join(too_long)


def test_a_module_is_at_most_300_lines_long() -> None:
    folders = ("functions", "local", "shared", "tools")
    modules = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]

    too_long = longer_than(300, modules)

    assert modules
    assert not too_long, "\n".join(too_long)


def test_a_test_file_is_at_most_400_lines_long() -> None:
    files = list((ROOT / "tests").rglob("*.py"))

    too_long = longer_than(400, files)

    assert files
    assert not too_long, "\n".join(too_long)


def test_a_test_name_is_at_most_80_characters_long() -> None:
    names = [
        (path, node.name)
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]

    too_long = [f"{path}: {name} has {len(name)}" for path, name in names if len(name) > 80]

    assert names
    assert not too_long, "\n".join(too_long)

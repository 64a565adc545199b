"""The tests of the gallery's modules in tests/web pass in Node.js."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.aws import ROOT

FOLDER = ROOT / "tests/web"
FILES = sorted(path.name for path in FOLDER.glob("*.test.js"))
LINES_MAX = 400
SECONDS_MAX = 120
_FAILED = re.compile(r"^\s*not ok \d+ - (?P<name>.*)$", re.MULTILINE)
_PASSED_COUNT = re.compile(r"^# pass (\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy web/ and tests/web/. Without Node.js, skip the test; fail in CI.

    The package.json lets every version of Node.js read the files as modules.
    """
    if shutil.which("node") is None:
        missing = "node is not installed (Debian: apt-get install npm)"
        if os.environ.get("CI"):
            pytest.fail(f"the modules must be tested in CI: {missing}")
        warnings.warn(f"nothing tests the gallery's modules: {missing}", stacklevel=1)
        pytest.skip(f"not tried: {missing}")
    folder = tmp_path_factory.mktemp("gallery")
    shutil.copytree(ROOT / "web", folder / "web")
    shutil.copytree(FOLDER, folder / "tests/web")
    for name in ("docs", "shared"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run(tree: Path, name: str) -> tuple[int, list[str], str]:
    """Run one file. Returns the number of passed tests, the names of failed ones and the report."""
    ended = subprocess.run(
        ["node", "--test", "--test-reporter=tap", f"tests/web/{name}"],
        cwd=tree,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        # The time zone and the language of the machine do not matter. Tests compare with Python.
        env={
            **os.environ,
            "TZ": "Asia/Kolkata",
            "LANG": "en_US.UTF-8",
            "PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT / "shared"),
        },
    )
    count = _PASSED_COUNT.search(ended.stdout)
    failed = _FAILED.findall(ended.stdout)
    if ended.returncode and not failed:
        failed = [name]
    return int(count[1]) if count else 0, failed, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", FILES)
def test_the_modules_do_what_their_tests_require(tree: Path, name: str) -> None:
    passed_count, failed, report = run(tree, name)

    assert failed == [], report
    assert passed_count > 0, report


def test_a_failed_test_and_a_broken_file_are_reported(tree: Path) -> None:
    head = "import assert from 'node:assert';import { test } from 'node:test';"
    (tree / "tests/web/a.test.js").write_text(f"{head}test('one', () => assert.equal(1, 2));")
    (tree / "tests/web/b.test.js").write_text("import '../../web/none.js';")

    assert "one" in run(tree, "a.test.js")[1]
    assert run(tree, "b.test.js")[1]


def test_no_test_file_has_more_than_400_lines() -> None:
    counts = {path.name: len(path.read_text().splitlines()) for path in FOLDER.glob("*.js")}

    assert {name: count for name, count in counts.items() if count > LINES_MAX} == {}

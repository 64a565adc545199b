"""The check of a build before its deployment, on small builds."""

from __future__ import annotations

import compileall
import py_compile
from pathlib import Path

import pytest

from tools.check_build import faults

ARM64, X86_64 = 183, 62


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Make a correct build for arm64 with one module and one extension."""
    (tmp_path / "handler.py").write_text("value = 42\n")
    compileall.compile_dir(
        tmp_path, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    write_extension(tmp_path, ARM64)
    return tmp_path


def write_extension(build: Path, machine: int) -> None:
    (build / "fast.cpython-313.so").write_bytes(
        b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(44)
    )


def test_finds_no_fault_in_a_correct_build(build: Path) -> None:
    assert list(faults(build, "arm64")) == []


def test_finds_an_extension_for_another_processor(build: Path) -> None:
    write_extension(build, X86_64)

    (fault,) = faults(build, "arm64")

    assert fault.endswith("fast.cpython-313.so: is not compiled for arm64")


@pytest.mark.parametrize(
    "mode", [py_compile.PycInvalidationMode.TIMESTAMP, py_compile.PycInvalidationMode.CHECKED_HASH]
)
def test_finds_compiled_code_that_depends_on_its_source(
    build: Path, mode: py_compile.PycInvalidationMode
) -> None:
    compileall.compile_dir(build, quiet=1, force=True, invalidation_mode=mode)

    (fault,) = faults(build, "arm64")

    assert fault.endswith("handler.py: has no bytecode with an unchecked hash")


def test_finds_a_module_that_was_not_compiled(build: Path) -> None:
    (build / "late.py").write_text("")

    (fault,) = faults(build, "arm64")

    assert fault.endswith("late.py: has no bytecode with an unchecked hash")


def test_reports_an_empty_directory(tmp_path: Path) -> None:
    assert list(faults(tmp_path, "arm64")) == [f"{tmp_path}: nothing was built here"]

"""Measures the effect of .pyc files on cold starts, as ratios of pairs. `make bench` runs this."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ENVIRONMENT

BUILD_DIRECTORY = Path(".aws-sam/local")
LAYERS = ("DarkroomLayer", "DependenciesLayer", "MediaInputsLayer", "MediaOutputsLayer")
PAIRS_COUNT = 9


def cold_start_seconds(build: Path, function: str) -> float:
    """Return the seconds that a new interpreter needs to import a built handler.

    The interpreter has only the function and its layers on its path, and writes no .pyc files.
    """
    path = os.pathsep.join(
        [str(build / function), *(str(build / layer / "python") for layer in LAYERS)]
    )
    environment = ENVIRONMENT | {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_SAM_LOCAL": "true",
    }
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-S", "-c", "import handler"], env=environment, check=True, cwd=build
    )
    return time.perf_counter() - start


def compare_compiled(function: str) -> None:
    """Print the ratio of the cold start times without and with .pyc files."""
    with tempfile.TemporaryDirectory() as directory:
        bare = Path(directory) / "bare"
        shutil.copytree(BUILD_DIRECTORY, bare, ignore=shutil.ignore_patterns("__pycache__"))
        for build in (BUILD_DIRECTORY, bare):
            cold_start_seconds(build.resolve(), function)
        pairs = [
            (
                cold_start_seconds(bare, function),
                cold_start_seconds(BUILD_DIRECTORY.resolve(), function),
            )
            for _ in range(PAIRS_COUNT)
        ]
    ratios = sorted(without / compiled for without, compiled in pairs)
    seconds = statistics.median(compiled for _, compiled in pairs)
    sys.stdout.write(
        f"{function}: without .pyc / with .pyc {statistics.median(ratios):.2f} "
        f"[{ratios[0]:.2f}-{ratios[-1]:.2f}], "
        f"with .pyc {seconds * 1000:.0f} ms (median of {PAIRS_COUNT} pairs)\n"
    )


if __name__ == "__main__":
    for name in ("ApiFunction", "ReceivePredictionFunction", "StoreOutputFunction"):
        compare_compiled(name)

"""Makes the files of a benchmark, and measures how much each needs to be decoded.

Each file is made in a process of its own, and decoded in another one, with all variants. The memory
is the peak of that process, with Python and its libraries. The seconds are those of the processor.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from darkroom.domain.outputs import DecodeBudgetExceeded
from darkroom.media.outputs import inspect
from darkroom.media.outputs.variants import make_variants

# Of StoreOutputFunction in template.yaml. The peak must leave room for the download.
FUNCTION_MEGABYTES = 2_048
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def run(module: str, cases: Iterable[str], make: Callable[[str, Path], None]) -> int:
    """Run the command of a benchmark. Returns 1 if a case needs more memory than the function has.

    `module` is the module of the command, for its own processes. `make` writes the file of a case.
    """
    match sys.argv[1:]:
        case ["--make", name, path]:
            make(name, Path(path))
            return 0
        case ["--measure", path]:
            print(json.dumps(_measure(Path(path))))  # noqa: T201
            return 0
    good = True
    print("case                                file MB  seconds  peak MB  result")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or cases:
            path = f"{folder}/{name}"
            _in_child(module, "--make", name, path)
            found = json.loads(_in_child(module, "--measure", path))
            Path(path).unlink()
            good &= found["megabytes"] < FUNCTION_MEGABYTES
            print(  # noqa: T201
                f"{name:34} {found['bytes'] / 1_000_000:8.1f} {found['seconds']:8.1f} "
                f"{found['megabytes']:8.0f}  {found['result']}",
                flush=True,
            )
    return 0 if good else 1


def _measure(path: Path) -> dict[str, float | str]:
    started = time.process_time()
    with path.open("rb") as file:
        try:
            _, image = inspect.decode(file, inspect.identify(file))
            make_variants(image, xmp=XMP)
            result = "decoded"
        except DecodeBudgetExceeded as error:
            result = f"no variants: {error}"
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": time.process_time() - started,
        "megabytes": kilobytes * 1_024 / 1_000_000,
        "bytes": path.stat().st_size,
        "result": result,
    }


def _in_child(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    # The encoder of AV1 writes its settings to stderr, unless it shall write errors only.
    environment = os.environ | {"SVT_LOG": "1"}
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout

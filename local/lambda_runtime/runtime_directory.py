"""The runtime directory of an execution environment: only the packages of AWS's base image."""

import importlib.metadata
import re
import shutil
import tempfile
from pathlib import Path

_CLIENT = "awslambdaric"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def install_runtime(parent: Path) -> Path:
    """Copy AWS's runtime interface client and its requirements into a folder of `parent`.

    The folder's name has the client's version. An existing folder is returned unchanged. Two
    processes may call this function at the same time.
    """
    directory = parent / f"{_CLIENT}-{importlib.metadata.version(_CLIENT)}"
    if directory.exists():
        return directory
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=parent))
    for name in _with_requirements(_CLIENT):
        _copy(importlib.metadata.distribution(name), unfinished)
    try:
        unfinished.rename(directory)
    except OSError:
        # Another process has made the directory.
        shutil.rmtree(unfinished)
    return directory


def _with_requirements(name: str) -> list[str]:
    requirements = importlib.metadata.requires(name) or []
    # The requirement of an extra has the marker `extra ==`. The client uses no extras.
    direct = [
        found[0] for line in requirements if "extra ==" not in line and (found := _NAME.match(line))
    ]
    return [name, *(indirect for each in direct for indirect in _with_requirements(each))]


def _copy(distribution: importlib.metadata.Distribution, directory: Path) -> None:
    for file in distribution.files or []:
        # A script in bin/ is recorded as ../../../bin/….
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        target = directory / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), target)

"""What npm fetches: exactly what is pinned, once for all workers of a test run."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

_FETCHING_SECONDS_MAX = 300


class NotHere(RuntimeError):
    """This machine cannot fetch or run it; the message says what is missing."""


class NotGenuine(RuntimeError):
    """What was fetched is not what was pinned."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """`folder` is what is wanted of the package; empty is all of it."""

    name: str
    integrity: str
    folder: str = ""


def fetched(package: Package, home: Path) -> Path:
    """Give the folder of a package, fetched with npm unless it is there. Raises NotHere and NotGenuine."""
    home.parent.mkdir(exist_ok=True)
    # Each worker of a test run asks: one fetches it, the others wait and find it.
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=home.parent) as made_here:
                _unpacked(package, _packed(package, Path(made_here)), Path(made_here)).rename(home)
    return home


def _packed(package: Package, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NotHere(
            f"npm, which fetches {package.name}, is not installed (Debian: apt-get install npm)"
        )
    command = [npm, "pack", package.name, "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_FETCHING_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise NotHere(
            f"npm did not fetch {package.name} within {_FETCHING_SECONDS_MAX} seconds"
        ) from error
    except subprocess.CalledProcessError as error:
        raise NotHere(f"npm cannot fetch {package.name}: {error.stderr.strip()}") from error
    (archive,) = folder.glob("*.tgz")
    return archive


def _unpacked(package: Package, archive: Path, folder: Path) -> Path:
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.integrity:
        raise NotGenuine(
            f"{package.name} has the integrity {found}, and {package.integrity} is pinned"
        )
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    return folder / "package" / package.folder

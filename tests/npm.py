"""Fetches pinned npm packages, once for all workers of a test run."""

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
    """This machine cannot fetch or run the package. The message names the missing program."""


class NotGenuine(RuntimeError):
    """The fetched archive does not have the pinned integrity."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A pinned package. `folder` is the required folder of the package. Empty: all folders."""

    name: str
    integrity: str
    folder: str = ""


def fetched(package: Package, home: Path) -> Path:
    """Return the folder of a package. Fetch it with npm if the folder does not exist.

    Raises NotHere and NotGenuine.
    """
    home.parent.mkdir(exist_ok=True)
    # One worker of the test run fetches the package. The others wait for the lock.
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=home.parent) as name:
                temporary = Path(name)
                archive = _packed(package, temporary)
                _unpacked(package, archive, temporary).rename(home)
    return home


def _packed(package: Package, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NotHere(
            f"npm is not installed, so {package.name} is missing (Debian: apt-get install npm)"
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
            f"{package.name} has the integrity {found}, but {package.integrity} is pinned"
        )
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    return folder / "package" / package.folder

"""Fetch the packages of the gallery from npm: python -m tools.web.vendor.

`web/vendor/vendor.json` pins each package by the integrity of its archive, and each file by its
SHA-256. The command writes the files as they are in the archive. Without npm it writes nothing: it
reports this, and the exit code is 1 if the variable CI is set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "web/vendor"
MANIFEST = "vendor.json"
_PACK_SECONDS_MAX = 300


class NpmMissing(RuntimeError):
    """npm is not installed, or it cannot fetch a package."""


class NotGenuine(RuntimeError):
    """An archive or a file does not have the pinned checksum."""


def main(folder: Path = FOLDER) -> int:
    """Write the files of all packages."""
    try:
        written = vendor(folder)
    except NpmMissing as missing:
        sys.stderr.write(f"vendor: NOT TRIED: {missing}\n")
        return 1 if os.environ.get("CI") else 0
    except NotGenuine as error:
        sys.stderr.write(f"vendor: {error}\n")
        return 1
    sys.stdout.write(f"vendor: {', '.join(written)}\n")
    return 0


def packages(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return the packages of the manifest."""
    found: list[dict[str, Any]] = json.loads((folder / MANIFEST).read_text())
    return found


def vendor(folder: Path) -> list[str]:
    """Fetch each package of the manifest in `folder`, and write its files there.

    Returns the names of the written files. Raises NpmMissing and NotGenuine.
    """
    written: dict[str, bytes] = {}
    for package in packages(folder):
        written |= _files(package)
    for name, body in written.items():
        (folder / name).write_bytes(body)
    return sorted(written)


def _files(package: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a package by their names in the folder."""
    name = f"{package['name']}@{package['version']}"
    with tempfile.TemporaryDirectory() as place:
        archive = _packed(name, Path(place))
        integrity = (
            "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        )
        if integrity != package["integrity"]:
            raise NotGenuine(f"{name} has the integrity {integrity}, another one is pinned")
        with tarfile.open(archive) as members:
            files = {}
            for file in package["files"]:
                member = members.extractfile(f"package/{file['path']}")
                if member is None:
                    raise NotGenuine(f"{name} has no file {file['path']}")
                body = files[file["file"]] = member.read()
                found = hashlib.sha256(body).hexdigest()
                if found != file["sha256"]:
                    raise NotGenuine(f"{name}: {file['path']} has the SHA-256 {found}")
    return files


def _packed(name: str, place: Path) -> Path:
    """Return the archive of a package."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissing("npm is not installed (Debian: apt-get install npm)")
    try:
        subprocess.run(  # noqa: S603 (npm is the one of this machine)
            [npm, "pack", name, "--ignore-scripts", "--pack-destination", str(place)],
            cwd=place,
            check=True,
            capture_output=True,
            text=True,
            timeout=_PACK_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise NpmMissing(f"npm took more than {_PACK_SECONDS_MAX} seconds") from error
    except subprocess.CalledProcessError as error:
        raise NpmMissing(f"npm cannot fetch {name}: {error.stderr.strip()}") from error
    (archive,) = place.glob("*.tgz")
    return archive


if __name__ == "__main__":
    sys.exit(main())

"""Installs the npm packages that a package-lock.json pins, and runs those of tools/node."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PINNED = ROOT / "tools/node"
# Redocly sends no usage data and does not look for updates.
_ENVIRONMENT = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
_INSTALL_SECONDS_MAX = 600
_RUN_SECONDS_MAX = 300


class NodeMissing(RuntimeError):
    """Node.js or npm is not installed, or it cannot install the programs."""


def installed(pinned: Path = _PINNED) -> Path:
    """Return the folder of the installed packages. Install them first if they are not there.

    npm checks each package against the lock file in the folder `pinned`. Raises NodeMissing.
    """
    lock_file = (pinned / "package-lock.json").read_bytes()
    home = ROOT / ".tools" / f"node-{hashlib.sha256(lock_file).hexdigest()[:12]}"
    home.parent.mkdir(exist_ok=True)
    # Several processes may need the programs at once. One installs them, and the others wait.
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=home.parent) as folder:
                _install(pinned, Path(folder))
                Path(folder).rename(home)
                # The context manager removes this folder.
                Path(folder).mkdir()
    return home


def run(program: str, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run an installed program in `folder`. Raises NodeMissing."""
    if shutil.which("node") is None:
        raise NodeMissing("Node.js is not installed (Debian: apt-get install npm)")
    return subprocess.run(  # noqa: S603 (the program is pinned)
        [str(installed() / "node_modules/.bin" / program), *arguments],
        cwd=folder,
        env=os.environ | _ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS_MAX,
    )


def _install(pinned: Path, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NodeMissing("npm is not installed (Debian: apt-get install npm)")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(pinned / name, folder)
    try:
        subprocess.run(  # noqa: S603 (npm is the one of this machine)
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise NodeMissing(f"npm ci took more than {_INSTALL_SECONDS_MAX} seconds") from error
    except subprocess.CalledProcessError as error:
        raise NodeMissing(f"npm ci failed: {error.stderr.strip()}") from error

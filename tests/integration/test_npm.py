"""The tests download npm packages once, and accept only packages with the pinned checksum."""

from __future__ import annotations

import base64
import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import npm


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], npm.Package]:
    """Install a fake npm that packs one file with a text, and return the pinned package."""

    def install_npm(text: str) -> npm.Package:
        (tmp_path / "package" / "inner").mkdir(parents=True)
        (tmp_path / "package" / "inner" / "file").write_text(text)
        archive = tmp_path / "packed.tgz"
        with tarfile.open(archive, "w:gz") as members:
            members.add(tmp_path / "package", "package")
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir()
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$@" >> {tmp_path}/calls\n'
            "while [ $# -gt 1 ]; do shift; done\n"
            f'/bin/cp {archive} "$1"/\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        return npm.Package(name="anything@1.0.0", integrity=f"sha512-{digest}", folder="inner")

    return install_npm


def test_downloads_a_package_once(tmp_path: Path, pack: Callable[[str], npm.Package]) -> None:
    package, home = pack("genuine"), tmp_path / "tools" / "anything@1.0.0"

    assert npm.fetched(package, home) == npm.fetched(package, home) == home
    assert (home / "file").read_text() == "genuine"
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.startswith("pack anything@1.0.0 --ignore-scripts")


def test_refuses_a_package_with_a_wrong_checksum(
    tmp_path: Path, pack: Callable[[str], npm.Package]
) -> None:
    pack("something else")
    other_digest = base64.b64encode(b"x" * 64).decode()
    pinned = npm.Package(name="anything@1.0.0", integrity=f"sha512-{other_digest}")

    with pytest.raises(npm.NotGenuine, match="is pinned"):
        npm.fetched(pinned, tmp_path / "tools" / "anything")

    assert [path.name for path in (tmp_path / "tools").iterdir()] == ["anything.lock"]


@pytest.mark.parametrize(
    ("program", "message"),
    [(None, "not installed"), ("#!/bin/sh\necho no network >&2; exit 1\n", "no network")],
)
def test_reports_why_a_download_is_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, message: str
) -> None:
    if program:
        (tmp_path / "npm").write_text(program)
        (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    package = npm.Package(name="anything@1.0.0", integrity="")
    with pytest.raises(npm.NotHere, match=message):
        npm.fetched(package, tmp_path / "tools" / "anything")

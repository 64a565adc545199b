"""docs/licenses.md and the SBOM have every package of the layers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.aws import ROOT
from tools.licenses import LAYERS, libraries_of, license_of, licenses_text, pinned

COPYLEFT = ("GPL", "AGPL", "SSPL", "EUPL", "CC-BY-SA")
# docs/licenses.md says what follows from the license of libvips.
EXPLAINED = {"pyvips-binary"}


def test_the_page_is_the_one_that_the_command_writes() -> None:
    assert (ROOT / "docs/licenses.md").read_text() == licenses_text(), "run `make licenses`"


def test_no_package_names_a_copyleft_license_that_the_page_does_not_explain() -> None:
    named = {name: license_of(name) for layer in LAYERS for name, _ in pinned(layer)}
    copyleft = {
        name: text for name, text in named.items() if any(word in text for word in COPYLEFT)
    }

    assert len(named) > 30
    assert copyleft.keys() == EXPLAINED


def test_the_page_names_the_libraries_under_the_gpl() -> None:
    assert {"libx264", "libx265", "libavcodec"} <= set(libraries_of("av"))
    assert {"libx265", "libheif", "libde265"} <= set(libraries_of("pillow-heif"))
    assert list(libraries_of("pyvips-binary")) == ["libvips"]


def test_a_package_without_a_license_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "unnamed-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: unnamed\nVersion: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(LookupError, match="unnamed"):
        license_of("unnamed")


def test_the_sbom_has_every_package_of_the_layers() -> None:
    make = ["make", "--no-print-directory", "sbom"]
    subprocess.run(make, cwd=ROOT, check=True, capture_output=True, timeout=60)
    sbom = json.loads((ROOT / ".aws-sam/sbom.json").read_text())

    found = {(component["name"], component["version"]) for component in sbom["components"]}
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.5")
    assert {package for layer in LAYERS for package in pinned(layer)} == found
    assert all(component["externalReferences"] for component in sbom["components"])

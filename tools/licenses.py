"""Write docs/licenses.md from the packages of the layers and of web/: python -m tools.licenses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from textwrap import fill

from tools.web.vendor import packages

ROOT = Path(__file__).parents[1]
LAYERS = ("dependencies", "media_inputs", "media_outputs")
WITH_LIBRARIES = ("av", "pillow-heif", "pyvips-binary")
_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)
_LIBRARY = re.compile(r"(?P<name>lib[A-Za-z0-9-]+?)-[0-9a-f]{8}\.so[.\d]*")

_INTRODUCTION = """\
# Licenses

The layers and the gallery contain these third-party packages. `make licenses` writes this page from
the metadata of the packages that `uv.lock` pins, and from `web/vendor/vendor.json`. A test compares
them. `make sbom` writes the packages of the layers with their hashes as a CycloneDX document.

Darkroom itself is under the MIT license. Nothing here is legal advice.

## Libraries inside of the packages

Some packages contain compiled libraries with licenses of their own:

- **`av`** (PyAV) contains FFmpeg and the libraries that FFmpeg uses. FFmpeg reports "LGPL version 3
  or later" for itself. The wheel also contains **x264** and **x265**. Their license is the GPL,
  version 2 or later.
- **`pillow-heif`** contains libheif and libde265 under the LGPL, version 3 or later, and **x265**
  under the GPL, version 2 or later.
- **`pyvips-binary`** contains libvips under the LGPL, version 2.1 or later. The libraries that
  libvips uses are linked into the same file. The package names its license as LGPL, version 3 or
  later. It has no decoder of HEVC, so libvips decodes no HEIC.

What follows from the GPL and the LGPL:

- If you deploy Darkroom into your own AWS account, nothing follows: you distribute no copy.
- If you hand a built layer on (as a public layer, an image or an archive), you distribute binaries
  under the GPL and the LGPL. Add their license texts, and their source or an offer of it.
- If you must not hand on GPL code, build PyAV from its source with an FFmpeg without x264 and x265,
  and pillow-heif with a libheif without x265. Darkroom only decodes, so it needs no encoder of
  theirs.

"""


def licenses_text() -> str:
    """Return the text of the page."""
    lines = (
        f"The libraries in the wheel of `{name}`: {', '.join(libraries_of(name))}."
        for name in WITH_LIBRARIES
    )
    filled = (fill(line, 100, break_on_hyphens=False) + "\n" for line in lines)
    parts = [_INTRODUCTION + "\n".join(filled)]
    for layer in LAYERS:
        rows = (f"| {name} | {version} | {license_of(name)} |" for name, version in pinned(layer))
        parts.append(
            f"## The layer {layer}\n\n| package | version | license |\n|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
    parts.append(
        "## The gallery\n\n`web/vendor` has the text of each license.\n\n"
        "| package | version | license | text |\n|---|---|---|---|\n"
        + "".join(
            f"| {package['name']} | {package['version']} | {package['license']} "
            f"| `{package['license_file']}` |\n"
            for package in packages()
        )
    )
    return "\n".join(parts)


def pinned(layer: str) -> list[tuple[str, str]]:
    """Return the names and versions of the packages of a layer."""
    return _PINNED.findall((ROOT / "layers" / layer / "requirements.txt").read_text())


def license_of(name: str) -> str:
    """Return the license that the metadata of an installed package names.

    Raises LookupError if the metadata names none.
    """
    found = metadata.metadata(name)
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in found.get_all("Classifier") or []
        if text.startswith("License :: ")
    ]
    text = found.get("License-Expression") or " or ".join(classifiers) or found.get("License")
    if not text:
        raise LookupError(f"{name} names no license")
    return text


def libraries_of(name: str) -> Iterator[str]:
    """Yield the names of the shared libraries that the wheel of a package contains, sorted."""
    files = metadata.files(name) or []
    found = {match["name"] for file in files if (match := _LIBRARY.fullmatch(file.name))}
    yield from sorted(found, key=str.lower)


if __name__ == "__main__":
    sys.stdout.write(licenses_text())

"""A catalog with a retired template: it has past versions only, and a successor."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkroom import catalog
from tests.aws import ROOT

RETIRED = "old-schnell"
SUCCESSOR = "flux-schnell"


def retire(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, successor: str | None = SUCCESSOR
) -> None:
    """Replace the catalog by flux-schnell and a retired template with two past versions."""
    text = (ROOT / f"shared/darkroom/catalog/{SUCCESSOR}.toml").read_text()
    (folder / "past").mkdir()
    (folder / f"{SUCCESSOR}.toml").write_text(text)
    old = text.replace(f'code = "{SUCCESSOR}"', f'code = "{RETIRED}"')
    named = f'successor = "{successor}"\n' if successor else ""
    for version, head in ((1, ""), (2, named)):
        versioned = old.replace("version = 2", f"version = {version}")
        (folder / f"past/{RETIRED}.{version}.toml").write_text(head + versioned)
    monkeypatch.setattr(catalog, "files", lambda _: folder)
    clear()


def clear() -> None:
    """Forget the files that were read."""
    for cached in (catalog.codes, catalog._names, catalog._read):
        cached.cache_clear()

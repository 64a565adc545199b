"""The files that `make web` writes: the page, its configuration, and the name of their folder."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r'\b(href|src)="([^"]*)"')
_CHARSET = '<meta charset="utf-8">'
_FOLDER = re.compile(r'"/(h/[0-9a-f]+)/')
_HASH_CHARACTERS = 16
# Browsers ignore it in a page, and say so in the console. CloudFront sends it as a header.
_ONLY_IN_A_HEADER = "frame-ancestors "


class PageUnusable(Exception):
    """The page cannot be published. The message has the reason."""


@dataclass(frozen=True)
class Gallery:
    """The gallery of a deployed stack. `sign_in_url` is None if the issuer is not its user pool.

    `admin_claim` is empty if the issuer has no administrators.
    """

    url: str
    bucket: str
    distribution: str
    api_url: str
    issuer: str
    client_id: str
    sign_in_url: str | None
    admin_claim: str
    admin_value: str
    buy_credits_url: str
    media_origin: str


def folder_of(contents: Mapping[str, bytes]) -> str:
    """Return the folder of files, whose name is a hash of their paths and contents."""
    digest = hashlib.sha256()
    for path, content in sorted(contents.items()):
        digest.update(f"{path}\n{len(content)}\n".encode() + content)
    return f"h/{digest.hexdigest()[:_HASH_CHARACTERS]}"


def page_of(page: str, folder: str, paths: Iterable[str], policy: str) -> str:
    """Return the page with references into the folder, and with a Content-Security-Policy.

    `paths` are the files in the folder. Raises PageUnusable if the page refers to another file.
    """
    served = set(paths)

    def lead_into_folder(found: re.Match[str]) -> str:
        attribute, path = found.groups()
        if path not in served:
            raise PageUnusable(f"index.html refers to {path!r}, which is not a served file.")
        return f'{attribute}="/{folder}/{path}"'

    if page.count(_CHARSET) != 1:
        raise PageUnusable(f"index.html must contain {_CHARSET} once.")
    directives = [each for each in policy.split("; ") if not each.startswith(_ONLY_IN_A_HEADER)]
    meta = '<meta http-equiv="Content-Security-Policy" content="{}">'.format(
        html.escape("; ".join(directives), quote=False)
    )
    rewritten = _REFERENCE.sub(lead_into_folder, page)
    return rewritten.replace(_CHARSET, f"{_CHARSET}\n    {meta}")


def folder_in(page: str) -> str | None:
    """Return the folder to which a published page refers, or None."""
    found = _FOLDER.search(page)
    return found[1] if found else None


def outdated(stored: Mapping[str, datetime], *, current: str, before: str | None) -> list[str]:
    """Return the keys outside of two folders: the current one, and the one before it.

    `before` is the folder of the replaced page. If the page stayed, the newest other one counts.
    `stored` has the time of each key.
    """
    times: dict[str, datetime] = {}
    for key, time in stored.items():
        times[_folder(key)] = max(times.get(_folder(key), time), time)
    others = sorted(times.keys() - {current}, key=times.__getitem__)
    kept = {current, before if before in others else next(reversed(others), None)}
    return sorted(key for key in stored if _folder(key) not in kept)


def _folder(key: str) -> str:
    return "/".join(key.split("/")[:2])


def configuration_of(gallery: Gallery, paths: Iterable[str]) -> str:
    """Return config.json. `paths` are the served files."""
    admin = {"claim": gallery.admin_claim, "value": gallery.admin_value.strip("[]")}
    configuration: dict[str, Any] = {
        "api": gallery.api_url,
        "sign_in": {
            "kind": "oidc",
            "authority": gallery.issuer,
            "client_id": gallery.client_id,
            "domain": gallery.sign_in_url,
            "admin": admin if gallery.admin_claim else None,
        },
        "buy_credits_url": gallery.buy_credits_url or None,
        "examples": sorted(
            Path(path).stem for path in paths if re.fullmatch(r"examples/[^/]+\.webp", path)
        ),
    }
    return json.dumps(configuration, indent=2) + "\n"

"""Writes the JSON of responses. The module imports no library, because unknown_path uses it."""

from __future__ import annotations

import json


def json_text(document: object) -> str:
    """Write JSON without spaces. Raises ValueError for NaN and the infinities."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

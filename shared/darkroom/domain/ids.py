"""Ids that we give out: UUIDs of version 7, as text."""

import re

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Tell whether a text could be an id of ours at all, so that nothing else becomes a part of a key."""
    return _ID.fullmatch(text) is not None

"""Announces an upload: records it, and signs the form that sends its file to the bucket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from darkroom.domain.accounts import AccountId
from darkroom.domain.limits import Act
from darkroom.domain.uploads import Upload
from darkroom.media.inputs import uploaded_files
from darkroom.storage import rate_limits, uploads

# Programs for Android and old browsers send this type, which is not registered.
_ALIASES = {"image/jpg": "image/jpeg"}


def announce(
    account: AccountId, content_type: str, *, bytes_max: int, now: datetime
) -> tuple[Upload, dict[str, Any]]:
    """Record a new upload. Return the upload and its signed form (`url` and `fields`).

    The announced bytes count against the limit of bytes, because a file that never becomes
    complete uses the bucket too. The form of `image/jpg` has the registered type `image/jpeg`.
    Raises TooManyUploads.
    """
    rate_limits.count_together(account, {Act.UPLOADS: 1, Act.UPLOAD_BYTES: bytes_max}, now=now)
    upload = uploads.create(account, bytes_max=bytes_max, now=now)
    return upload, uploaded_files.sign_form(upload, _ALIASES.get(content_type, content_type))

"""The row of an upload, and the conversion between an upload and its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from darkroom.domain.uploads import FittedImage, Upload
from darkroom.storage.job_rows import account_of
from darkroom.storage.table import Row

UPLOAD_PREFIX = "UPLOAD#"


class LargeImageMap(MapAttribute[str, Any]):
    """The larger image of an upload, in its row."""

    content_type = UnicodeAttribute()
    width = NumberAttribute()
    height = NumberAttribute()
    bytes = NumberAttribute()


class UploadRow(Row):
    """An upload. Its images are set when it is completed, `rejection` if it is rejected.

    `content_type`, `width`, `height` and `bytes` describe the smaller image. Rows of release 0.1.0
    have neither `bytes` nor `large`.
    """

    bytes_max = NumberAttribute()
    content_type = UnicodeAttribute(null=True)
    width = NumberAttribute(null=True)
    height = NumberAttribute(null=True)
    bytes = NumberAttribute(null=True)
    large = LargeImageMap(null=True)  # type: ignore[no-untyped-call]
    rejection = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()


def to_upload(row: UploadRow) -> Upload:
    """Return the upload in a row."""
    expires_at = datetime.fromtimestamp(int(row.expires_at), UTC)
    return Upload(
        account_of(row.pk),
        row.sk.removeprefix(UPLOAD_PREFIX),
        int(row.bytes_max),
        expires_at,
        tuple(_images_of(row)),
        row.rejection,
    )


def set_images(small: FittedImage, large: FittedImage | None = None) -> list[Action]:
    """Return the actions that write the images of an upload to its row."""
    actions: list[Action] = [
        UploadRow.content_type.set(small.content_type),
        UploadRow.width.set(small.width),
        UploadRow.height.set(small.height),
    ]
    if small.bytes is not None:
        actions.append(UploadRow.bytes.set(small.bytes))
    if large:
        actions.append(UploadRow.large.set(LargeImageMap(**asdict(large))))  # type: ignore[no-untyped-call]
    return actions


def _images_of(row: UploadRow) -> Iterator[FittedImage]:
    for image in (row, row.large):
        if image is not None and image.content_type:
            bytes_count = int(image.bytes) if image.bytes is not None else None
            yield FittedImage(image.content_type, int(image.width), int(image.height), bytes_count)

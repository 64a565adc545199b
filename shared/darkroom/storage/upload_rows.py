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


class ImageMap(MapAttribute[str, Any]):
    """A larger image of an upload, in its row."""

    content_type = UnicodeAttribute()
    width = NumberAttribute()
    height = NumberAttribute()
    bytes = NumberAttribute()


class SizeMap(MapAttribute[str, Any]):
    """The size of the original of an upload, in its row."""

    width = NumberAttribute()
    height = NumberAttribute()


class UploadRow(Row):
    """An upload. Its images are set when it is completed, `rejection` if it is rejected.

    `content_type`, `width`, `height` and `bytes` describe the smallest image. `large` is the
    largest, and `medium` the one between. Rows of release 0.1.0 have none of `bytes`, `medium`,
    `large` and `original`.
    """

    bytes_max = NumberAttribute()
    content_type = UnicodeAttribute(null=True)
    width = NumberAttribute(null=True)
    height = NumberAttribute(null=True)
    bytes = NumberAttribute(null=True)
    medium = ImageMap(null=True)  # type: ignore[no-untyped-call]
    large = ImageMap(null=True)  # type: ignore[no-untyped-call]
    original = SizeMap(null=True)  # type: ignore[no-untyped-call]
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
        (int(row.original.width), int(row.original.height)) if row.original else None,
        row.rejection,
    )


def set_images(upload: Upload) -> list[Action]:
    """Return the actions that write the images of a completed upload to its row."""
    small, *larger = upload.images
    actions: list[Action] = [
        UploadRow.content_type.set(small.content_type),
        UploadRow.width.set(small.width),
        UploadRow.height.set(small.height),
    ]
    if small.bytes is not None:
        actions.append(UploadRow.bytes.set(small.bytes))
    if larger:
        actions.append(UploadRow.large.set(_image_map(larger[-1])))
    if larger[:-1]:
        actions.append(UploadRow.medium.set(_image_map(larger[0])))
    if upload.original_size:
        width, height = upload.original_size
        size = SizeMap(width=width, height=height)  # type: ignore[no-untyped-call]
        actions.append(UploadRow.original.set(size))
    return actions


def _image_map(image: FittedImage) -> ImageMap:
    return ImageMap(**asdict(image))  # type: ignore[no-untyped-call]


def _images_of(row: UploadRow) -> Iterator[FittedImage]:
    for image in (row, row.medium, row.large):
        if image is not None and image.content_type:
            bytes_count = int(image.bytes) if image.bytes is not None else None
            yield FittedImage(image.content_type, int(image.width), int(image.height), bytes_count)

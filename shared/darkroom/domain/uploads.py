"""Uploads: images that users send as inputs.

A user announces an upload, sends the file directly to the bucket, and completes the upload.
Darkroom then writes a copy that every model accepts as an input.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.accounts import AccountId

CONTENT_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
UPLOADS_PREFIX = "uploads/"
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


class UnusableImage(Exception):
    """The file of an upload cannot be an input image. The message is for the user."""


@dataclass(frozen=True, slots=True)
class FittedImage:
    """The type and size, in pixels, of an image that models accept.

    The type is a key of EXTENSIONS.
    """

    content_type: str
    width: int
    height: int

    @property
    def extension(self) -> str:
        """The extension of the object's name. Some models derive the image's type from it."""
        return EXTENSIONS[self.content_type]


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload.

    `bytes_max` is the size that the user announced. `image` is None until completion. `rejection`
    is the message for the user if the file was not usable. An upload never has both.
    """

    account: AccountId
    upload_id: str
    bytes_max: int
    expires_at: datetime
    image: FittedImage | None = None
    rejection: str | None = None

    @property
    def original_key(self) -> str:
        """The key of the file that the user sends.

        The input has a different key: a file that is sent again does not change the checked input.
        """
        return f"{UPLOADS_PREFIX}{self.account}/{self.upload_id}.original"

    def key(self, image: FittedImage) -> str:
        """Return the key of the object that becomes a job's input."""
        return f"{UPLOADS_PREFIX}{self.account}/{self.upload_id}.{image.extension}"

"""Images that users bring along: announced, sent straight to the bucket, then made fit to be an input."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from darkroom.domain.accounts import AccountId

CONTENT_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif")
UPLOADS_PREFIX = "uploads/"
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True, slots=True)
class FittedImage:
    """An image that is fit to be an input: its type is one of EXTENSIONS, its size in pixels."""

    content_type: str
    width: int
    height: int

    @property
    def extension(self) -> str:
        """How the object's name ends. Some models tell an image's type by it."""
        return EXTENSIONS[self.content_type]


@dataclass(frozen=True, slots=True)
class Upload:
    """One image of a user's. `bytes_max` is what was announced; `image` is there once it is fit to be an input."""

    account: AccountId
    upload_id: str
    bytes_max: int
    expires_at: datetime
    image: FittedImage | None = None

    @property
    def original_key(self) -> str:
        """Where the user's own file goes. It is another one than the input, so that sending again changes nothing that was checked."""
        return f"{UPLOADS_PREFIX}{self.account}/{self.upload_id}.original"

    def key(self, image: FittedImage) -> str:
        """Name the object that is a job's input."""
        return f"{UPLOADS_PREFIX}{self.account}/{self.upload_id}.{image.extension}"

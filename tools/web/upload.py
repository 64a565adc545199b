"""Upload the gallery to a deployed stack.

    python -m tools.web.upload STACK

Every file except the page is in a folder whose name is a hash of all files, so browsers keep the
files for a year. The page and its configuration are written last. The folder of the page before
stays, because open pages still load files from it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from darkroom.aws.clients import client
from tools.deployed_stack import StackUnusable, read_outputs
from tools.stacks import parameter_of
from tools.web.files import UnknownContentType, content_security_policy, served_files
from tools.web.page import (
    Gallery,
    PageUnusable,
    configuration_of,
    folder_in,
    folder_of,
    outdated,
    page_of,
)

ROOT = Path(__file__).parents[2] / "web"
_FOREVER = "public, max-age=31536000, immutable"
_NEVER = "no-cache"
_PAGE, _CONFIGURATION = "index.html", "config.json"
_CHANGED_PATHS = ["/", f"/{_PAGE}", f"/{_CONFIGURATION}"]
_DELETED_AT_ONCE = 1000
_COGNITO_CLAIM = "cognito:groups"


def read_gallery(stack: str) -> Gallery:
    """Read the gallery of a stack. Raises StackUnusable if the stack has none."""
    outputs = read_outputs(stack)
    if "GalleryUrl" not in outputs:
        raise StackUnusable(
            f'The stack {stack} has no gallery. Type: make deploy PARAMETERS="Gallery=true", with'
            " the CONFIG of the stack."
        )
    sign_in_url = outputs.get("GallerySignInUrl")
    return Gallery(
        url=outputs["GalleryUrl"],
        bucket=outputs["GalleryBucketName"],
        distribution=outputs["GalleryDistributionId"],
        api_url=outputs["GalleryApiUrl"],
        issuer=outputs["GalleryIssuer"],
        client_id=outputs["GalleryClientId"],
        sign_in_url=sign_in_url,
        admin_claim=_COGNITO_CLAIM if sign_in_url else parameter_of(stack, "JwtAdminClaim") or "",
        admin_value=parameter_of(stack, "JwtAdminValue") or "",
        buy_credits_url=parameter_of(stack, "BuyCreditsUrl") or "",
        media_origin=_origin_of_links(outputs["MediaBucketName"]),
    )


def policy_of(gallery: Gallery) -> str:
    """Return the Content-Security-Policy of a gallery, with the names of all hosts."""
    sign_in = [_origin(url) for url in (gallery.issuer, gallery.sign_in_url) if url]
    return content_security_policy(
        api=_origin(gallery.api_url), bucket=gallery.media_origin, sign_in=" ".join(sign_in)
    )


class Uploader:
    """The bucket and the distribution of a gallery."""

    def __init__(self, gallery: Gallery, s3: Any, cloudfront: Any) -> None:  # noqa: ANN401
        """Name the gallery. `s3` and `cloudfront` are boto3 clients."""
        self._gallery = gallery
        self._s3 = s3
        self._cloudfront = cloudfront

    def upload(self, root: Path) -> Iterator[str]:
        """Upload the files below `root`, and yield what was done.

        Raises PageUnusable if a file is missing or not servable.
        """
        types = _types_of(root)
        page = (root / _PAGE).read_text(encoding="utf-8")
        contents = {path: (root / path).read_bytes() for path in types if path != _PAGE}
        folder = folder_of(contents)
        keys = {f"{folder}/{path}": path for path in contents}
        written = page_of(page, folder, contents, policy_of(self._gallery))
        configuration = configuration_of(self._gallery, contents)

        before = self._read(_PAGE)
        stored = self._stored()
        missing = {key: path for key, path in keys.items() if key not in stored}
        for key, path in missing.items():
            self._put(key, contents[path], types[path], _FOREVER)
        yield f"{len(missing)} of {len(keys)} files uploaded to {folder}"
        changed = [
            name
            for name, text, content_type in (
                (_CONFIGURATION, configuration, "application/json"),
                (_PAGE, written, types[_PAGE]),
            )
            if self._replace(name, text, content_type)
        ]
        yield f"{' and '.join(changed)} written" if changed else "the page is up to date"
        old = outdated(stored, current=folder, before=folder_in(before or ""))
        self._delete(old)
        if old:
            yield f"{len(old)} files of older pages deleted"
        if changed:
            self._invalidate()
            yield "CloudFront reads the page again"

    def _stored(self) -> dict[str, datetime]:
        """Return the time of each stored file in a folder, by key."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._gallery.bucket, Prefix="h/"
        )
        return {
            stored["Key"]: stored["LastModified"]
            for page in pages
            for stored in page.get("Contents", ())
        }

    def _read(self, key: str) -> str | None:
        try:
            stored = self._s3.get_object(Bucket=self._gallery.bucket, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None
        text: str = stored["Body"].read().decode()
        return text

    def _replace(self, key: str, text: str, content_type: str) -> bool:
        """Write a file unless it has this text. Returns whether it was written."""
        if self._read(key) == text:
            return False
        self._put(key, text.encode(), content_type, _NEVER)
        return True

    def _put(self, key: str, content: bytes, content_type: str, caching: str) -> None:
        self._s3.put_object(
            Bucket=self._gallery.bucket,
            Key=key,
            Body=content,
            ContentType=content_type,
            CacheControl=caching,
        )

    def _delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            objects = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            deleted = self._s3.delete_objects(
                Bucket=self._gallery.bucket, Delete={"Objects": objects, "Quiet": True}
            )
            for error in deleted.get("Errors", ()):
                raise StackUnusable(f"{error['Key']} was not deleted: {error['Message']}")

    def _invalidate(self) -> None:
        self._cloudfront.create_invalidation(
            DistributionId=self._gallery.distribution,
            InvalidationBatch={
                "Paths": {"Quantity": len(_CHANGED_PATHS), "Items": _CHANGED_PATHS},
                "CallerReference": str(uuid4()),
            },
        )


def upload(stack: str, root: Path, say: Callable[[str], None]) -> str:
    """Upload the gallery to a stack, and return its URL. Raises StackUnusable."""
    try:
        gallery = read_gallery(stack)
        uploader = Uploader(gallery, boto3.client("s3"), boto3.client("cloudfront"))
        for done in uploader.upload(root):
            say(done)
    except (BotoCoreError, ClientError, PageUnusable) as error:
        raise StackUnusable(f"The gallery of {stack} was not uploaded: {error}") from None
    return gallery.url


def _types_of(root: Path) -> dict[str, str]:
    try:
        types = served_files(root)
    except UnknownContentType as error:
        raise PageUnusable(str(error)) from None
    if _PAGE not in types:
        raise PageUnusable(f"{root} has no {_PAGE}.")
    return types


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _origin_of_links(bucket: str) -> str:
    """Return the origin of the API's signed links to a bucket."""
    params = {"Bucket": bucket, "Key": "x"}
    return _origin(client("s3").generate_presigned_url("get_object", Params=params))


def _print(line: str) -> None:
    sys.stdout.write(f"  {line}\n")


def main() -> int:
    """Run the command. Returns the exit status."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.stderr.write("usage: make web CONFIG=dev\n")
        return 2
    try:
        url = upload(sys.argv[1], ROOT, _print)
    except StackUnusable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{url}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The input files of a model. The run fetches them, or reads them from data URLs."""

from base64 import b64decode
from collections.abc import Iterable
from io import BytesIO
from urllib.parse import urlsplit

import requests
from PIL import Image

SOURCE_BYTES_MAX = 100_000_000
_TIMEOUT_SECONDS = 5.0


class SourceUnusable(Exception):
    """The file cannot be fetched or is not an image. The message is the prediction's error."""


def fetch_source(url: str) -> bytes:
    """Fetch an image, or read it from a data URL. Raises SourceUnusable if there is no image."""
    return check_image(_from_data_url(url) if url.startswith("data:") else _fetch(url))


def check_image(body: bytes) -> bytes:
    """Return the body. Raises SourceUnusable if it is not an image."""
    try:
        with Image.open(BytesIO(body)) as image:
            image.load()
    except Exception as error:
        raise SourceUnusable("cannot identify image file") from error
    return body


def check_pixels(body: bytes, pixels_max: int | None) -> None:
    """Raise SourceUnusable, with the words of Real-ESRGAN, if an image has too many pixels."""
    with Image.open(BytesIO(body)) as image:
        height, width, channels = image.height, image.width, len(image.getbands())
    if pixels_max is not None and width * height > pixels_max:
        raise SourceUnusable(
            f"Input image of dimensions ({height}, {width}, {channels}) has a total number of "
            f"pixels {width * height} greater than the max size that fits in GPU memory on this "
            f"hardware, {pixels_max}. Resize input image and try again."
        )


def check_plain_links(urls: Iterable[str]) -> None:
    """Raise SourceUnusable for a link with a query, or without a file extension.

    Users of Seedance report this limit. The text of the real error is not known.
    """
    for url in urls:
        link = urlsplit(url)
        if link.scheme != "data" and (link.query or "." not in link.path.rpartition("/")[2]):
            raise SourceUnusable("The image URL is not supported. Use a direct link to a file.")


def _from_data_url(url: str) -> bytes:
    head, _, data = url.partition(",")
    try:
        return b64decode(data, validate=True) if head.endswith(";base64") else data.encode()
    except ValueError as error:
        raise SourceUnusable("malformed data URL") from error


def _fetch(url: str) -> bytes:
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(url, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise SourceUnusable(f"could not fetch {url.partition('?')[0]}") from error
    if not response.ok or len(response.content) > SOURCE_BYTES_MAX:
        raise SourceUnusable(f"could not fetch {url.partition('?')[0]}: {response.status_code}")
    return response.content

"""The input images of a video. A create request fetches them, with Runway's conditions.

- The server must respond to HEAD too. A presigned URL of S3 does not.
- Runway follows no redirects.
- The content type must be an image's.

Sources: docs.dev.runwayml.com, "API Input Parameters" and "API Troubleshooting Guide". The words
about the content type are those of github.com/runwayml/sdk-python/issues/81.
"""

from base64 import b64decode
from http import HTTPStatus
from io import BytesIO

import requests
from PIL import Image

IMAGE_BYTES_MAX = 16 * 1024 * 1024
SIDE_PIXELS_MAX = 8000
RATIO_MIN, RATIO_MAX = 0.5, 2.0

_TIMEOUT_SECONDS = 10.0
_FORMATS = {"image/jpeg": "JPEG", "image/jpg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}


class AssetInvalid(Exception):
    """The image cannot be used. The message is the reason that the response gives."""


def fetch_image(uri: str) -> bytes:
    """Fetch an image, or read it from a data URI.

    Raises AssetInvalid if there is no image, or if its size or aspect ratio is not allowed.
    """
    content_type, body = _from_data_uri(uri) if uri.startswith("data:") else _fetch(uri)
    try:
        with Image.open(BytesIO(body), formats=[_FORMATS[content_type]]) as image:
            image.load()
            width, height = image.size
    except Exception as error:
        raise AssetInvalid(
            "Failed to read asset. The file may be damaged, or not be of its content type."
        ) from error
    if max(width, height) > SIDE_PIXELS_MAX:
        raise AssetInvalid(
            f"Invalid asset dimensions. Height and width must not exceed {SIDE_PIXELS_MAX}."
        )
    ratio = width / height
    if ratio < RATIO_MIN:
        raise AssetInvalid(
            f"Invalid asset aspect ratio. width / height ratio must be at least {RATIO_MIN}."
            f" Got {ratio:.3f}."
        )
    if ratio > RATIO_MAX:
        raise AssetInvalid(
            f"Invalid asset aspect ratio. width / height ratio must be at most {RATIO_MAX:g}."
            f" Got {ratio:.3f}."
        )
    return body


def _from_data_uri(uri: str) -> tuple[str, bytes]:
    head, _, data = uri.partition(",")
    return head.removeprefix("data:").removesuffix(";base64").lower(), b64decode(data)


def _fetch(url: str) -> tuple[str, bytes]:
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["User-Agent"] = "RunwayML API/simulated"
            for method in ("HEAD", "GET"):
                response = session.request(
                    method, url, timeout=_TIMEOUT_SECONDS, allow_redirects=False
                )
                _refuse(response)
    except requests.Timeout as error:
        raise AssetInvalid("Timeout while fetching asset.") from error
    except requests.RequestException as error:
        raise AssetInvalid(
            "Failed to fetch asset."
            " The URL may be incorrect or the server hosting the asset may be down."
        ) from error
    return _content_type(response), response.content


def _refuse(response: requests.Response) -> None:
    if response.status_code != HTTPStatus.OK:
        raise AssetInvalid(
            f'Failed to fetch asset. Received HTTP response code "{response.status_code}".'
        )
    if _content_type(response) not in _FORMATS:
        raise AssetInvalid(
            f'Unsupported Content-Type response header: "{_content_type(response)}".'
        )
    length = response.headers.get("Content-Length", "")
    if not length.isdigit():
        raise AssetInvalid("Missing or invalid Content-Length.")
    if int(length) > IMAGE_BYTES_MAX:
        raise AssetInvalid("Asset size exceeds 16.0MB.")


def _content_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()

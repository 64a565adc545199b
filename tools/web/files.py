"""The served files of the gallery, and the headers of its responses.

The local stack serves these files, and `make web` uploads them. It imports only the standard
library, so that both can import it.
"""

from collections.abc import Mapping
from pathlib import Path

_CONTENT_TYPES = {
    "": "text/plain; charset=utf-8",  # the licenses of the vendored packages
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
}
_COMPRESSED = ("image/png", "image/webp", "video/")
# Settings of the tools that check the files.
_NOT_SERVED = ("tsconfig.json", "biome.json")
_NOT_SERVED_ENDING = ".d.ts"

# `form-action` and `frame-ancestors` do not follow `default-src`, so they are named.
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob: {bucket}",
    "media-src 'self' blob: {bucket}",
    "connect-src 'self' {api} {bucket} {sign_in}",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "manifest-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
# The gallery opens the camera only through a file input, which needs no permission.
_FORBIDDEN_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-get",
    "serial",
    "usb",
    "xr-spatial-tracking",
)


class UnknownContentType(Exception):
    """A file below the root has an ending without a content type. The message names the file."""


def served_files(root: Path) -> dict[str, str]:
    """Return the content type of each served file, by its path below `root` with slashes.

    Hidden files, symbolic links and the settings of the type checker and formatter are not served.
    Raises UnknownContentType for any other file whose type is not known.
    """
    paths = sorted(
        path.relative_to(root)
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return {path.as_posix(): _content_type(path) for path in paths if _is_served(path)}


def served_type(root: Path, name: str) -> str | None:
    """Return the content type of one served file, by its path below `root`, or None.

    Raises UnknownContentType as `served_files` does.
    """
    path = Path(name)
    file = root / path
    is_below = path.as_posix() == name and ".." not in path.parts and not path.is_absolute()
    if not (is_below and _is_served(path) and file.is_file()):
        return None
    has_link = file.resolve() != root.resolve() / path
    return None if has_link else _content_type(path)


def is_compressible(content_type: str) -> bool:
    """Return whether gzip makes a file of this type smaller."""
    return not content_type.startswith(_COMPRESSED)


def content_security_policy(*, api: str = "", bucket: str = "", sign_in: str = "") -> str:
    """Return the Content-Security-Policy of the gallery.

    Each argument is the origin of a service, or several with spaces between them. It is empty if
    the page's own origin serves it. Raises ValueError for text that would change another directive.
    """
    for origins in (api, bucket, sign_in):
        if any(character in origins for character in ";,'\"*") or not origins.isprintable():
            raise ValueError(f"{origins!r} is not an origin.")
    directives = (each.format(api=api, bucket=bucket, sign_in=sign_in) for each in _POLICY)
    return "; ".join(" ".join(directive.split()) for directive in directives)


def security_headers(policy: str) -> Mapping[str, str]:
    """Return the security headers of every file, with `policy` as the Content-Security-Policy."""
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FORBIDDEN_FEATURES),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _is_served(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return not (is_hidden or path.name in _NOT_SERVED or path.name.endswith(_NOT_SERVED_ENDING))


def _content_type(path: Path) -> str:
    try:
        return _CONTENT_TYPES[path.suffix]
    except KeyError:
        raise UnknownContentType(f"{path} has an ending without a content type.") from None

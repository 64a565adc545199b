"""Answers of a delivery host that has the file, but does not send it as it is.

The fault `break_download` chooses one of them.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from werkzeug.wrappers import Response

_PAGE = "<!DOCTYPE html><html><title>One moment</title><p>Your file is almost ready.</html>"


def _status(status: HTTPStatus, **headers: str) -> Callable[[bytes], Response]:
    return lambda _body: Response(status=status, headers=headers)


DOWNLOAD_ANSWERS: Mapping[str, Callable[[bytes], Response]] = {
    "not_found": _status(HTTPStatus.NOT_FOUND),
    "forbidden": _status(HTTPStatus.FORBIDDEN),
    "gone": _status(HTTPStatus.GONE),
    "unavailable": _status(HTTPStatus.SERVICE_UNAVAILABLE),
    "empty": lambda _body: Response(b"", content_type="image/png"),
    "page": lambda _body: Response(_PAGE, content_type="text/html"),
    "redirect": _status(HTTPStatus.FOUND, Location="/delivery/elsewhere"),
    "moved": _status(HTTPStatus.FOUND, Location="https://files.moved.example/a.png"),
    "no_content": _status(HTTPStatus.NO_CONTENT),
    "part": lambda body: Response(body[: len(body) // 2], HTTPStatus.PARTIAL_CONTENT),
    "half": lambda body: Response(body[: len(body) // 2]),
    # Only a request without a token gets this answer.
    "needs_token": _status(HTTPStatus.UNAUTHORIZED),
    "hidden_without_token": _status(HTTPStatus.FORBIDDEN),
}
"""The answers by their names. Each is a function of the whole file."""

WITH_TOKEN_ONLY = frozenset({"needs_token", "hidden_without_token"})
"""The answers that a request with the header `Authorization` does not get."""

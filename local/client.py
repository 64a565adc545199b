"""A small client of the HTTP API, as a user of the API would write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

_TIMEOUT_SECONDS = 30


class Client:
    """A client with the token of a signed-in user."""

    def __init__(self, api_url: str, token: str) -> None:
        """Prepare a session that sends the token. The session ignores the machine's proxies."""
        self._api_url = api_url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:  # noqa: ANN401 (a JSON document)
        """Get a document. Raises HTTPError with the problem document in its message."""
        return self.call("GET", path)

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 (a JSON document)
        """Post a document. Raises HTTPError with the problem document in its message."""
        return self.call("POST", path, json=body)

    def pages(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, page by page. `name` is the list's field in a page."""
        cursor = None
        while True:
            page = self.call("GET", path, params={"limit": 100, "cursor": cursor})
            yield from page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def call(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 (JSON)
        """Send a request. Returns the response's JSON document, or None if it has no body.

        Raises HTTPError with the problem document in its message.
        """
        response = self._session.request(
            method, f"{self._api_url}{path}", timeout=_TIMEOUT_SECONDS, **options
        )
        if not response.ok:
            raise requests.HTTPError(
                f"{method} {path}: {response.status_code} {response.text}", response=response
            )
        return response.json() if response.content else None

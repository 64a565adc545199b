"""Collects what a page must not do: write to the console, fail, or ask another host."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError

HOST = "127.0.0.1"
QUIET_MILLISECONDS = 300
SETTLING_MILLISECONDS_MAX = 60_000
_STEP_MILLISECONDS = 50
_INSIDE = ("data", "blob", "about")


class Watch:
    """The messages, errors and requests of all pages of a profile.

    Chromium reports each violation of the Content-Security-Policy and of Trusted Types as a message
    of the console. It also reports each response of 400 and above there: a test that expects one
    allows it.
    """

    def __init__(self, context: BrowserContext) -> None:
        self._seen: list[str] = []
        self._allowed: list[re.Pattern[str]] = []
        self._open: set[Request] = set()
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("response", lambda response: self._answered(response.request))
        context.on("requestfinished", self._ended)
        context.on("requestfailed", self._ended)

    def settle(self, page: Page) -> None:
        """Wait until the page has had no open request for a moment. Videos may load longer."""
        quiet = 0
        for _ in range(SETTLING_MILLISECONDS_MAX // _STEP_MILLISECONDS):
            page.wait_for_timeout(_STEP_MILLISECONDS)
            is_open = any(request.resource_type != "media" for request in self._open)
            quiet = 0 if is_open else quiet + _STEP_MILLISECONDS
            if quiet >= QUIET_MILLISECONDS:
                return
        raise AssertionError(f"still open: {[request.url for request in self._open]}")

    def allow(self, pattern: str) -> None:
        """Accept the messages in which the pattern is found."""
        self._allowed.append(re.compile(pattern))

    def allow_status(self, *statuses: int) -> None:
        """Accept Chromium's messages about responses with these statuses."""
        for status in statuses:
            self.allow(rf"server responded with a status of {status}\b")

    def allow_no_network(self) -> None:
        """Accept Chromium's messages about requests without a response."""
        self.allow(r"net::ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|FAILED|EMPTY_RESPONSE)")

    @property
    def findings(self) -> list[str]:
        """Return what was seen and not allowed."""
        return [
            text
            for text in self._seen
            if not any(pattern.search(text) for pattern in self._allowed)
        ]

    def must_be_silent(self) -> None:
        """Fail if anything was seen that is not allowed."""
        if self.findings:
            raise AssertionError("\n".join(self.findings))

    def _console(self, message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        self._seen.append(f"console {message.type}: {message.text} ({where})")

    def _error(self, error: WebError) -> None:
        self._seen.append(f"error: {error.error}")

    def _request(self, request: Request) -> None:
        self._open.add(request)
        address = urlsplit(request.url)
        if address.scheme not in _INSIDE and address.hostname != HOST:
            self._seen.append(f"request to another host: {request.url}")

    def _answered(self, request: Request) -> None:
        # A page that does not read the body of a refusal leaves the request open.
        if request.resource_type == "fetch":
            self._open.discard(request)

    def _ended(self, request: Request) -> None:
        self._open.discard(request)

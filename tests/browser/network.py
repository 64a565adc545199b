"""The network log of a page, by the Chrome DevTools Protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

# The profile "Fast 3G" of Chromium's developer tools.
FAST_3G = {
    "offline": False,
    "latency": 562.5,
    "downloadThroughput": 1_440_000 / 8,
    "uploadThroughput": 675_000 / 8,
}
SLOWER_CPU = 4
_CODE = ("Script", "Stylesheet")


@dataclass
class Response:
    """A response that the page received. `body_bytes` are those on the network, compressed."""

    url: str
    kind: str
    status: int
    header_bytes: float = 0
    body_bytes: float = 0

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def is_code(self) -> bool:
        """Whether it is JS or CSS."""
        return self.kind in _CODE


class NetworkLog:
    """The responses of a page, in the order of the requests."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.session = context.new_cdp_session(page)
        self._responses: dict[str, Response] = {}
        self.session.on("Network.responseReceived", self._received)
        self.session.on("Network.loadingFinished", self._finished)
        self.session.send("Network.enable")

    def throttle(self, *, cpu: bool = False) -> None:
        """Make the network, and if wanted the CPU, as slow as those of a cheap phone."""
        self.session.send("Network.emulateNetworkConditions", FAST_3G)
        if cpu:
            self.session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER_CPU})

    def unthrottle(self) -> None:
        """Use the real network and CPU again."""
        unlimited = {**FAST_3G, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.session.send("Network.emulateNetworkConditions", unlimited)
        self.session.send("Emulation.setCPUThrottlingRate", {"rate": 1})

    def clear(self) -> None:
        """Forget the responses until now."""
        self._responses.clear()

    @property
    def responses(self) -> list[Response]:
        """Return all responses."""
        return list(self._responses.values())

    def code(self) -> dict[str, int]:
        """Return the compressed bytes of the JS and CSS by path."""
        return {one.path: round(one.body_bytes) for one in self.responses if one.is_code}

    def bytes_of(self, *kinds: str) -> int:
        """Return the compressed bytes of all responses of these kinds, such as `Image`."""
        return round(sum(one.body_bytes for one in self.responses if one.kind in kinds))

    def _received(self, event: dict[str, Any]) -> None:
        response = event["response"]
        self._responses[event["requestId"]] = Response(
            response["url"],
            event["type"],
            response["status"],
            header_bytes=response.get("encodedDataLength", 0),
        )

    def _finished(self, event: dict[str, Any]) -> None:
        response = self._responses.get(event["requestId"])
        if response is not None:
            response.body_bytes = max(0, event["encodedDataLength"] - response.header_bytes)

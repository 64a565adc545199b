"""Responses of the simulated HTTP API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.invocations import Invocation


@dataclass(frozen=True)
class Response:
    """A response of the HTTP API. Status 500 without a document: the invocation died or raised."""

    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def is_unknown(self) -> bool:
        """Return whether the outcome of the request is unknown. A client must then repeat it."""
        return self.status == 500 or (
            self.status == 503 and self.document["type"] == "/problems/unavailable"
        )


def response_of(invocation: Invocation) -> Response:
    """Return the response of an invocation that has ended."""
    if invocation.error is not None:
        return Response(500, None, {})
    body = invocation.result.get("body")
    return Response(
        invocation.result["statusCode"],
        json.loads(body) if body else None,
        invocation.result["headers"],
    )

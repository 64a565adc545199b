"""The real Replicate instead of the simulated one, for a stack on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import replicate

BASE_URL = "https://api.replicate.com/v1"
DELIVERY_HOSTS = "replicate.delivery,*.replicate.delivery"
# Replicate takes files of up to about a megabyte inside a request
# (replicate.com/docs/topics/predictions/input-files).
INLINE_INPUT_BYTES_MAX = 1_000_000


class InvalidVariable(ValueError):
    """An environment variable for the real Replicate is invalid; the message names it."""


@dataclass(frozen=True, kw_only=True)
class RealReplicate:
    """An account at Replicate.

    `public_url` is the URL at which Replicate reaches the API of this machine. Without a public URL
    Darkroom polls Replicate.
    """

    token: str
    public_url: str | None = None
    base_url: str = BASE_URL
    delivery_hosts: str = DELIVERY_HOSTS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Read REPLICATE_API_TOKEN and PUBLIC_URL.

        Returns None without a token. Raises InvalidVariable.
        """
        token, public_url = (
            environment.get("REPLICATE_API_TOKEN"),
            environment.get("PUBLIC_URL", "").rstrip("/"),
        )
        if not token:
            return None
        if not token.startswith("r8_"):
            raise InvalidVariable(
                "REPLICATE_API_TOKEN must be a token of Replicate's, which begins with r8_."
            )
        if public_url and not _is_origin(public_url):
            raise InvalidVariable(
                "PUBLIC_URL must be an https URL without a path, which leads to the API of this machine."
            )
        return cls(token=token, public_url=public_url or None)

    @property
    def parameters(self) -> dict[str, str]:
        """Values for the template's parameters."""
        return {
            "ReplicateBaseUrl": self.base_url,
            "DeliveryHosts": self.delivery_hosts,
            "PrivateHosts": "127.0.0.1,localhost",
            "PublicUrl": self.public_url or "none",
            # Simulated providers beside the real one would only confuse.
            "RunwayBaseUrl": "",
            "StableDiffusionUrl": "",
        }

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for the functions.

        Replicate cannot reach the bucket of this machine. So uploaded images go into the request.
        """
        return {"INLINE_INPUT_BYTES_MAX": str(INLINE_INPUT_BYTES_MAX)}

    def webhook_secret(self) -> str | None:
        """Fetch the key that signs the account's webhooks. Returns None if no webhook can arrive.

        Source: replicate.com/docs/topics/webhooks/verify-webhook.
        """
        if self.public_url is None:
            return None
        return (
            replicate.Client(bearer_token=self.token, base_url=self.base_url)
            .webhooks.default.secret.get()
            .key
        )


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and url == f"https://{parts.netloc}"
            and parts.username is None
        )
    except ValueError:
        return False

"""The real Replicate in place of the simulated one, for the local stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import replicate

BASE_URL = "https://api.replicate.com/v1"
DELIVERY_HOSTS = "replicate.delivery,*.replicate.delivery"
# Replicate accepts files of up to about 1 MB inside a request
# (https://replicate.com/docs/topics/predictions/input-files).
INLINE_INPUT_BYTES_MAX = 1_000_000


class InvalidVariable(ValueError):
    """An environment variable for the real Replicate is invalid. The message names it."""


@dataclass(frozen=True, kw_only=True)
class RealReplicate:
    """An account at Replicate.

    `public_url` is the URL at which Replicate reaches the webhook port of this machine. Without a
    public URL, no webhook arrives and Darkroom polls Replicate.
    """

    token: str
    public_url: str | None = None
    base_url: str = BASE_URL
    delivery_hosts: str = DELIVERY_HOSTS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Read REPLICATE_API_TOKEN and PUBLIC_URL. Returns None if there is no token.

        Raises InvalidVariable if either value is invalid.
        """
        token = environment.get("REPLICATE_API_TOKEN")
        public_url = environment.get("PUBLIC_URL", "").rstrip("/")
        if not token:
            return None
        if not token.startswith("r8_"):
            raise InvalidVariable(
                "REPLICATE_API_TOKEN is not a Replicate token. Replicate tokens begin with r8_."
            )
        if public_url and not _is_origin(public_url):
            raise InvalidVariable(
                "PUBLIC_URL must be an https URL without a path."
                " It must lead to WEBHOOK_PORT of this machine."
            )
        return cls(token=token, public_url=public_url or None)

    @property
    def parameters(self) -> dict[str, str]:
        """The values of the template's parameters."""
        return {
            "ReplicateBaseUrl": self.base_url,
            "DeliveryHosts": self.delivery_hosts,
            "PrivateHosts": "127.0.0.1,localhost",
            "PublicUrl": self.public_url or "none",
            # With the real Replicate, the stack uses no simulated provider.
            "RunwayBaseUrl": "",
            "StableDiffusionUrl": "",
        }

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the functions.

        Replicate cannot read the bucket on this machine, so requests contain the uploaded images.
        """
        return {"INLINE_INPUT_BYTES_MAX": str(INLINE_INPUT_BYTES_MAX)}

    def webhook_secret(self) -> str | None:
        """Fetch the secret that signs the account's webhooks. Returns None without a public URL.

        Source: https://replicate.com/docs/topics/webhooks/verify-webhook.
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

"""The gallery with a sign-in by OpenID Connect, and an API that checks the ID tokens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.aws import ROOT
from tests.integration.servers import Received, Reply, server
from tools.node_tools import installed
from tools.web.files import content_security_policy, security_headers, served_files

HERE = Path(__file__).parent / "oidc_provider"
WEB = ROOT / "web"
CLIENT = "gallery"
_BALANCE = {"available": 90, "held": 10, "spent": 0, "granted": 100, "in_flight": 1}
_EMPTY = {"jobs": [], "total": 0, "entries": [], "accounts": [], "next_cursor": None}


@dataclass
class Gallery:
    """The pages, and an API that refuses wrong ID tokens. `domain` is that of a user pool."""

    url: str = ""
    issuer: str = ""
    domain: str | None = None
    # The API has refused them.
    ended_tokens: set[str] = field(default_factory=set)
    # The claims of the accepted ID tokens, in the order of the requests.
    claims: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def respond(self, request: Received) -> Reply:
        path = request.path.partition("?")[0].removeprefix("/") or "index.html"
        if path == "config.json":
            return _json(200, self._config())
        if path == "logout":
            return Reply(200, b"signed out", {"Content-Type": "text/plain"})
        files = served_files(WEB)
        if path not in files:
            return self._respond_as_api(request)
        policy = content_security_policy(sign_in=self.issuer)
        headers = {"Content-Type": files[path], **security_headers(policy)}
        return Reply(200, (WEB / path).read_bytes(), headers)

    def _respond_as_api(self, request: Received) -> Reply:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, self._keys).claims
        except (JoseError, ValueError):
            return _json(401, {"message": "Unauthorized"})
        if claims["aud"] != CLIENT or claims["iss"] != self.issuer or token in self.ended_tokens:
            return _json(401, {"message": "Unauthorized"})
        self.claims.append(claims)
        self.tokens.append(token)
        return _json(200, _BALANCE if request.path == "/credits" else _EMPTY)

    @cached_property
    def _keys(self) -> KeySet:
        return KeySet.import_key_set(requests.get(f"{self.issuer}/jwks", timeout=10).json())

    def _config(self) -> dict[str, Any]:
        return {
            "api": "",
            "sign_in": {
                "kind": "oidc",
                "authority": self.issuer,
                "client_id": CLIENT,
                "domain": self.domain,
                "admin": {"claim": "cognito:groups", "value": "admin"},
            },
            "buy_credits_url": None,
            "examples": [],
        }


@contextmanager
def oidc_gallery() -> Iterator[Gallery]:
    """Serve the gallery and start a provider for it. Raises NodeMissing."""
    packages = installed(HERE) / "node_modules"
    gallery = Gallery()
    with server(gallery.respond) as gallery.url:
        process = subprocess.Popen(
            [shutil.which("node") or "node", str(HERE / "provider.mjs")],
            env={**os.environ, "PACKAGES": str(packages), "GALLERY": gallery.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("issuer "):
                    gallery.issuer = line.split()[1]
                    break
            assert gallery.issuer, "the provider did not start"
            yield gallery
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _json(status: int, document: object) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

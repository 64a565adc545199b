"""Signed links stay the same for a window, outlive it, and are what botocore would sign."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as some

from darkroom.aws import clients
from darkroom.media import links
from darkroom.media.links import LinkWindow, current_window
from darkroom.settings import settings
from tests.aws import forget_settings
from tests.builders import NOON

KEY = "media/web/ann/1/0.webp"
MOMENT = timedelta(microseconds=1)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Read the settings again in each test, and after the last one."""
    forget_settings()
    yield
    forget_settings()


@pytest.fixture
def own_session() -> Iterator[None]:
    """Read the credentials and the endpoint again in the test, and after it."""
    forget_session()
    yield
    forget_session()


def forget_session() -> None:
    for cached in (clients._session, clients.client, links._window, unsigning_client):
        cached.cache_clear()


def seconds_of(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])


def signed_at(url: str) -> datetime:
    text = parse_qs(urlsplit(url).query)["X-Amz-Date"][0]
    return datetime.strptime(text, "%Y%m%dT%H%M%S%z")


def by_botocore(window: LinkWindow, key: str, filename: str | None) -> str:
    """Return the link that botocore signs at the start of the window."""
    started = signed_at(window.link(KEY))
    parameters = {"Bucket": settings().media_bucket, "Key": key}
    if filename:
        parameters["ResponseContentDisposition"] = f'attachment; filename="{filename}"'
    request = AWSRequest(
        "GET", unsigning_client().generate_presigned_url("get_object", Params=parameters)
    )
    signer = S3SigV4QueryAuth(
        clients._session().get_credentials(),
        "s3",
        "us-east-1",
        expires=int((window.expires_at - started).total_seconds()),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: started)
        signer.add_auth(request)
    return str(request.url)


@cache
def unsigning_client() -> Any:
    """Return a client whose links are not signed."""
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "virtual"})
    return clients._session().client("s3", config=config)


def parts_of(url: str) -> tuple[str, dict[str, list[str]]]:
    """Split a URL. S3 sorts the parameters of the query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parse_qs(
        parts.query, strict_parsing=True
    )


class TestSignature:
    @given(
        key=some.text(some.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1),
        filename=some.none() | some.from_regex(r"[a-z0-9.-]{1,60}", fullmatch=True),
    )
    def test_a_link_is_what_botocore_signs(self, key: str, filename: str | None) -> None:
        window = current_window(NOON)

        link = window.link(key, filename=filename)

        assert parts_of(link) == parts_of(by_botocore(window, key, filename))

    @pytest.mark.usefixtures("own_session")
    def test_a_link_has_the_token_of_a_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a+token/of=a session")
        window = current_window(NOON)

        link = window.link(KEY)

        assert parts_of(link)[1]["X-Amz-Security-Token"] == ["a+token/of=a session"]
        assert parts_of(link) == parts_of(by_botocore(window, KEY, None))

    @pytest.mark.usefixtures("own_session")
    def test_a_link_has_the_path_of_the_bucket_at_an_address(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://172.17.0.1:4566")
        window = current_window(NOON)

        link = window.link(KEY)

        assert link.startswith(f"http://172.17.0.1:4566/darkroom-test-media/{KEY}?")
        assert parts_of(link) == parts_of(by_botocore(window, KEY, None))

    @pytest.mark.usefixtures("own_session")
    def test_secrets_are_not_in_the_text_of_a_window(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-secret-token")

        texts = repr(clients.credentials()) + repr(current_window(NOON))

        assert "a-secret" not in texts
        assert "signing_key" not in texts


class TestWindow:
    def test_a_link_stays_the_same_for_half_of_its_life(self) -> None:
        first = current_window(NOON).link(KEY)

        assert current_window(NOON + HALF_HOUR - MOMENT).link(KEY) == first
        assert current_window(NOON + HALF_HOUR).link(KEY) != first
        assert current_window(NOON - MOMENT).link(KEY) != first

    def test_objects_and_names_have_links_of_their_own(self) -> None:
        window = current_window(NOON)
        signed = [
            window.link(KEY),
            window.link(KEY, filename="a.webp"),
            window.link(KEY, filename="b.webp"),
            window.link(f"{KEY}.thumbnail.jpg"),
        ]

        assert len(set(signed)) == len(signed)

    @pytest.mark.parametrize("life", [1, 2, 3, 599, 3_600, 403_200, 500_000])
    def test_a_link_works_for_its_life_from_every_response(
        self, monkeypatch: pytest.MonkeyPatch, life: int
    ) -> None:
        monkeypatch.setenv("LINK_SECONDS", str(life))
        for now in (NOON, NOON + timedelta(seconds=life / 2) - MOMENT):
            window = current_window(now)
            link = window.link(KEY)

            assert signed_at(link) <= now
            assert window.expires_at == signed_at(link) + timedelta(seconds=seconds_of(link))
            assert window.expires_at - now >= timedelta(seconds=min(life, 403_200))
            # The maximum of S3 is seven days.
            assert seconds_of(link) <= min(1.5 * life + 1, 604_800)


@pytest.mark.usefixtures("own_session")
class TestCredentials:
    def expiring(self, monkeypatch: pytest.MonkeyPatch, seconds: int) -> datetime:
        """Let the credentials expire this many seconds after the present time."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", expires_at.isoformat())
        return expires_at

    def test_a_link_expires_with_its_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        expires_at = self.expiring(monkeypatch, 1_200)

        window = current_window(datetime.now(UTC))

        assert window.expires_at == expires_at
        assert signed_at(window.link(KEY)) + timedelta(seconds=seconds_of(window.link(KEY))) == (
            expires_at
        )

    def test_credentials_that_last_longer_change_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.expiring(monkeypatch, 7_200)
        now = datetime.now(UTC)

        window = current_window(now)

        assert timedelta(hours=1) <= window.expires_at - now <= timedelta(hours=1.5)

    def test_new_credentials_sign_new_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = current_window(NOON).link(KEY)
        monkeypatch.setattr(
            clients._session(), "get_credentials", lambda: Credentials("other", "key", "token")
        )

        assert current_window(NOON).link(KEY) != first

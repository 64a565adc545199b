"""Rejected uploads: a file that is not usable is deleted at the first refusal, once and for all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from darkroom.domain.errors import NotFound
from darkroom.domain.uploads import UnusableImage
from darkroom.media.inputs import conversion
from darkroom.storage import uploads
from tests.builders import ANN
from tests.integration.upload_requests import (
    complete,
    crash_after,
    create_upload,
    image,
    keys,
    put_file,
)

pytestmark = pytest.mark.usefixtures("aws")


def test_a_rejected_upload_answers_at_once_and_stays_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = create_upload()[1]
    put_file(upload, image()[:-30])
    first = complete(upload["upload_id"])
    put_file(upload, image())
    monkeypatch.delattr(conversion, "fit")

    assert complete(upload["upload_id"]) == first
    assert keys() == []
    with pytest.raises(NotFound):
        uploads.input_key(ANN, upload["upload_id"], now=datetime.now(UTC))


@pytest.mark.parametrize(
    ("after", "number"), [("UpdateItem", 1), ("UpdateItem", 2), ("DeleteObject", 1)]
)
def test_a_crash_during_a_rejection_leaves_no_file_after_the_repetition(
    after: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = create_upload()[1]
    put_file(upload, b"a text file")
    with monkeypatch.context() as patch:
        crash_after(after, number, patch)
        with pytest.raises(KeyboardInterrupt):
            complete(upload["upload_id"])

    assert complete(upload["upload_id"])[0] == 422
    assert keys() == []


def test_a_completed_upload_is_not_rejected_by_a_concurrent_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = create_upload()[1]
    put_file(upload, image())
    fit, responses = conversion.fit, []

    def complete_concurrently(_: bytes) -> Any:
        monkeypatch.setattr(conversion, "fit", fit)
        responses.append(complete(upload["upload_id"]))
        raise UnusableImage("The file is not an image.")

    monkeypatch.setattr(conversion, "fit", complete_concurrently)
    responses.append(complete(upload["upload_id"]))

    assert responses[0] == responses[1]
    assert responses[0][0] == 200

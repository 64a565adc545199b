"""Every error response to a create request: what it means for the job, the user and the operator.

Runway's documentation lists 400, 401, 404, 405, 429, 502, 503 and 504
(docs.dev.runwayml.com/errors/errors).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest

from darkroom.domain.errors import DarkroomError, GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.observability import metrics
from darkroom.providers import counting_outages, runway
from tests.integration.runway_provider.scripted import REQUEST, Runway
from tests.integration.servers import Reply


@dataclass(frozen=True)
class Meaning:
    """What an error response means.

    `code` is the failure of the job, and None if the job goes on. `metric` is the metric that
    counts the response.
    """

    error: type[DarkroomError]
    code: FailureCode | None = None
    retryable: bool = False
    is_fault: bool = False
    metric: str | None = None


INVALID = Meaning(GenerationFailed, FailureCode.INVALID_INPUT)
REFUSED = Meaning(GenerationFailed, FailureCode.REFUSED)
NO_MODEL = Meaning(GenerationFailed, FailureCode.MODEL_UNAVAILABLE, is_fault=True)
FAULT = Meaning(GenerationFailed, FailureCode.PROVIDER_UNAVAILABLE, retryable=True, is_fault=True)
ACCOUNT = Meaning(ProviderAccountRefused, metric="ProviderAccountRefused")
BUSY = Meaning(ProviderBusy)
UNREACHABLE = Meaning(ProviderUnreachable, metric="ProviderUnavailable")
UNKNOWN = Meaning(ProviderUnavailable, metric="ProviderUnavailable")

STATUSES = {
    **dict.fromkeys(range(300, 400), NO_MODEL),
    **dict.fromkeys(range(400, 500), FAULT),
    **dict.fromkeys(range(500, 600), UNKNOWN),
    400: INVALID,
    401: ACCOUNT,
    402: ACCOUNT,
    403: ACCOUNT,
    404: NO_MODEL,
    405: NO_MODEL,
    408: UNKNOWN,
    409: UNKNOWN,
    410: NO_MODEL,
    413: INVALID,
    422: INVALID,
    425: UNKNOWN,
    429: BUSY,
    502: UNREACHABLE,
    503: UNREACHABLE,
    504: UNREACHABLE,
}


def issue(path: list[str | int], message: str) -> dict[str, Any]:
    return {"code": "custom", "path": path, "message": message}


def invalid(*issues: dict[str, Any]) -> dict[str, Any]:
    return {"error": "Validation of body failed", "issues": list(issues)}


def sentence(text: str) -> dict[str, Any]:
    return {"error": text, "docUrl": "https://docs.dev.runwayml.com/api"}


# Status, body, meaning, and what the user reads of it.
type Wording = tuple[int, object, Meaning, tuple[str, ...]]
# The first ones are from public reports: issues 23, 81 and 139 of runwayml/sdk-python, and issues
# 28, 93 and 99 of runwayml/sdk-node.
WORDINGS: list[Wording] = [
    (429, sentence("Your daily task limit has been reached."), ACCOUNT, ()),
    (429, sentence("Too many requests."), BUSY, ()),
    (400, sentence("You do not have enough credits to run this task."), ACCOUNT, ()),
    (403, sentence("Model variant gen3_alphaturbo is not available"), NO_MODEL, ()),
    (
        400,
        sentence('promptImage: Unsupported Content-Type response header: "image/x-png".'),
        INVALID,
        ("`image`", 'Unsupported Content-Type response header: "image/x-png"'),
    ),
    (
        400,
        sentence("promptImage: String must contain at most 2048 character(s)"),
        INVALID,
        ("`image`", "at most 2048 character(s)"),
    ),
    (400, sentence("Invalid parameter 'promptText'"), INVALID, ("Invalid parameter 'prompt'",)),
    # docs.dev.runwayml.com/errors/troubleshooting.
    (
        400,
        sentence('promptImage: Failed to fetch asset. Received HTTP response code "302".'),
        INVALID,
        ("`image`", 'Received HTTP response code "302"'),
    ),
    (
        400,
        sentence("promptImage[0].uri: Timeout while fetching asset."),
        INVALID,
        ("`image`", "Timeout while fetching asset"),
    ),
    (
        400,
        sentence("Invalid asset aspect ratio. width / height ratio must be at most 2. Got 2.400."),
        INVALID,
        ("must be at most 2. Got 2.400",),
    ),
    (
        400,
        sentence("The API version that was provided in the X-Runway-Version header is not valid."),
        NO_MODEL,
        (),
    ),
    (
        400,
        invalid(issue(["ratio"], 'Invalid option: expected one of "1280:720"|"720:1280"')),
        INVALID,
        ("`ratio`", '"1280:720"|"720:1280"'),
    ),
    (
        400,
        invalid(issue(["promptText"], "Too big: expected string to have <=1000 characters")),
        INVALID,
        ("`prompt`", "<=1000 characters"),
    ),
    (
        400,
        invalid(issue(["duration"], "Too big"), issue(["promptImage", 0, "uri"], "Invalid URL")),
        INVALID,
        ("duration: Too big; image: Invalid URL",),
    ),
    (400, invalid(issue([], 'Unrecognized key: "x"')), INVALID, ('Unrecognized key: "x"',)),
    (400, invalid(issue(["model"], "Invalid input")), NO_MODEL, ()),
    (400, invalid(issue(["duration"], "Too big"), issue(["model"], "Invalid")), NO_MODEL, ()),
    # Words of the account or the model that are not at the beginning may be the user's.
    (400, sentence("promptText: You do not have enough credits"), INVALID, ("`prompt`",)),
    (400, sentence("No: Model variant x is not available"), INVALID, ("Model variant x",)),
    (403, sentence("No: Model variant x is not available"), ACCOUNT, ()),
    # A wording of the common table, which test_provider_texts.py tests.
    (400, sentence("The input was refused (E005)"), REFUSED, ("(E005)",)),
    # Bodies of another shape.
    (400, [], INVALID, ("did not accept these parameters",)),
    (400, {"error": None, "issues": "none"}, INVALID, ("did not accept these parameters",)),
    (400, {"issues": [1, {"path": 2}]}, INVALID, ("did not accept these parameters",)),
    (413, {}, INVALID, ("The request is too large",)),
]


def must_mean(meaning: Meaning, status: int, caplog: pytest.LogCaptureFixture) -> str:
    """Create a task, check what the response means, and return what the user reads."""
    metrics.clear_metrics()
    caplog.clear()

    with pytest.raises(meaning.error) as raised, counting_outages():
        runway.create(REQUEST)

    assert type(raised.value) is meaning.error
    assert set(metrics.metric_set) == ({meaning.metric} if meaning.metric else set())
    lines = [vars(each) for each in caplog.records if each.message == "provider refused"]
    # After a 403 that may concern the account, Runway is asked about the organization.
    lines_count = 2 if meaning is ACCOUNT and status == HTTPStatus.FORBIDDEN else 1
    assert [line["status"] for line in lines] == [status] * lines_count
    assert "a lighthouse" not in repr([line["provider_answer"] for line in lines])
    if not isinstance(raised.value, GenerationFailed):
        assert meaning.code is None
        return ""
    failure = raised.value.failure
    assert (failure.code, failure.retryable, failure.is_fault) == (
        meaning.code,
        meaning.retryable,
        meaning.is_fault,
    )
    assert "Nothing was charged." in failure.message
    return failure.message


def test_every_status_has_one_meaning(
    api: Runway, subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    """Runway has no idempotency key: a second request would be a second task."""
    for status in [status.value for status in HTTPStatus if status.value >= 300]:
        with subtests.test(status=status):
            api.received.clear()
            api.responds(status, {})

            must_mean(STATUSES[status], status, caplog)

            # A request with status 401 had no effect, and the key may have been rotated. After a
            # 403, the organization is read.
            methods = {401: ["POST", "POST"], 403: ["POST", "GET"]}.get(status, ["POST"])
            assert [request.method for request in api.received] == methods


@pytest.mark.parametrize("wording", WORDINGS)
def test_every_wording_has_one_meaning(
    api: Runway, caplog: pytest.LogCaptureFixture, wording: Wording
) -> None:
    status, body, meaning, expected_words = wording
    api.responds(status, body)

    message = must_mean(meaning, status, caplog)

    assert [words for words in expected_words if words not in message] == []
    assert "prompt" not in message or "promptText" not in message


@pytest.mark.parametrize("status", sorted(STATUSES.keys() & {400, 403, 404, 429, 502, 503}))
def test_response_in_html_means_the_same(
    api: Runway, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    api.reply = Reply(status, b"<html><body>Sorry</body></html>", {"Content-Type": "text/html"})

    assert "<html>" not in must_mean(STATUSES[status], status, caplog)


def test_user_and_log_get_no_key_and_no_link(api: Runway, caplog: pytest.LogCaptureFixture) -> None:
    key = "key_" + "0123456789abcdef" * 8
    api.responds(400, sentence(f"promptImage: https://ann.example/a?sig=x is no image ({key})"))

    message = must_mean(INVALID, 400, caplog)

    (logged,) = [vars(each) for each in caplog.records if each.message == "provider refused"]
    for text in (message, logged["provider_answer"]):
        assert "is no image" in text
        assert "ann.example" not in text
        assert key not in text


def test_log_has_500_characters_of_the_answer(
    api: Runway, caplog: pytest.LogCaptureFixture
) -> None:
    api.responds(400, sentence("no " * 1000))

    must_mean(INVALID, 400, caplog)

    (logged,) = [vars(each) for each in caplog.records if each.message == "provider refused"]
    assert len(logged["provider_answer"]) == 500

"""The texts of providers: what they tell the user, what they tell the operator, what they mean.

A provider's text is never passed on as it is. It may contain links, keys and ids of accounts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from darkroom.domain.failures import Failure, FailureCode, failure
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.observability import Metric, count, logger

_TEXT_CHARACTERS_MAX = 5_000
_LOGGED_CHARACTERS_MAX = 500


class Flagged(StrEnum):
    """What the moderation of a provider refused."""

    PROMPT = "prompt"
    IMAGE = "image"
    OUTPUT = "output"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Wording:
    """A provider's words for a refusal of the user's input or of the model's output.

    `flagged` is None if the words do not name the input or the output. `source` is where the words
    are quoted.
    """

    pattern: re.Pattern[str]
    code: FailureCode
    flagged: Flagged | None
    source: str


def quoted(text: str, characters_max: int = 300) -> str:
    """Return a provider's own words in one line, fit for a user.

    Links, keys, tokens, e-mail addresses, ids, IP addresses and paths of files are replaced. The
    result has at most `characters_max` characters.
    """
    words = text[:_TEXT_CHARACTERS_MAX]
    if len(text) > _TEXT_CHARACTERS_MAX:
        # The last word may be the beginning of a key.
        words = words.rpartition(" ")[0]
    for pattern, replacement in _REPLACED:
        words = pattern.sub(replacement, words)
    words = " ".join("".join(_printable(words)).split())
    return words if len(words) <= characters_max else words[: characters_max - 1].rstrip() + "…"


def refusal_of(text: str) -> Failure | None:
    """Return the failure if a text is a known refusal of the user's input or of the output."""
    wording = wording_of(text)
    return _failure_of(wording, text) if wording else None


def wording_of(text: str) -> Wording | None:
    """Return the first wording of the table that a text contains."""
    return next((wording for wording in WORDINGS if wording.pattern.search(text)), None)


def invalid_input(words: str, field: str | None = None) -> Failure:
    """Return the failure for parameters that the provider did not accept.

    `words` are the provider's own, `field` is the parameter that they are about, if known.
    """
    refused = f"`{quoted(field, 60)}`" if field else "these parameters"
    return failure(
        FailureCode.INVALID_INPUT,
        f"The model did not accept {refused}{_quotation(words)}. Nothing was charged. "
        "Change the parameters and submit the job again.",
    )


def log_refusal(
    status: int | str,
    answer: str,
    **details: Any,  # noqa: ANN401 (fields of the log line)
) -> None:
    """Log a refusal of a provider: the status, and 500 characters of the answer.

    The status is that of the response, or that of a failed prediction. The job's input is not
    logged.
    """
    answer = quoted(answer, _LOGGED_CHARACTERS_MAX)
    logger.warning("provider refused", status=status, provider_answer=answer, **details)


def account_refused(
    reason: str, *, status: int | None = None, retry_after_seconds: float
) -> ProviderAccountRefused:
    """Log and count that a provider refuses Darkroom's account. Return the error to raise."""
    logger.error("the provider rejects Darkroom's account", status=status, reason=reason)
    count(Metric.PROVIDER_ACCOUNT_REFUSED)
    return ProviderAccountRefused(reason, retry_after_seconds=retry_after_seconds)


def is_account_accepted(check: Callable[[], None]) -> bool:
    """Return whether a provider's `check` succeeds. Then a status 403 concerns one request only.

    A firewall in front of a provider refuses single requests, for example because of their prompt.
    """
    try:
        check()
    except (ProviderBusy, ProviderUnavailable):
        return False
    return True


def _failure_of(wording: Wording, text: str) -> Failure:
    if wording.code is not FailureCode.REFUSED:
        return invalid_input(text)
    refused, advice = _REFUSED[wording.flagged]
    return failure(
        FailureCode.REFUSED, f"{refused}{_quotation(text)}. Nothing was charged. {advice}"
    )


def _quotation(text: str) -> str:
    words = quoted(text).rstrip(".")
    return f": {words}" if words else ""


def _printable(text: str) -> list[str]:
    return [character if character.isprintable() else " " for character in text]


_CHANGE_PROMPT = "Change the prompt and submit the job again."
_CHANGE_IMAGE = "Use another input image and submit the job again."
_REFUSED = {
    Flagged.PROMPT: ("The model refused the prompt", _CHANGE_PROMPT),
    Flagged.IMAGE: ("The model refused the input image", _CHANGE_IMAGE),
    Flagged.OUTPUT: ("The provider withheld the output", _CHANGE_PROMPT),
    Flagged.AUDIO: ("The provider withheld the audio of the output", _CHANGE_PROMPT),
    None: (
        "The model refused the prompt, the input image or the output",
        "Change the prompt or the input image, and submit the job again.",
    ),
}

_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"data:[a-z0-9.+/-]*[;,]\S*", re.IGNORECASE), "[file]"),
    # Links, also with escaped slashes or none, with percent codes, and without a scheme.
    (re.compile(r"[a-z][a-z0-9+.-]{1,9}:(\\?/){1,3}\S+|\bwww\.\S+", re.IGNORECASE), "[link]"),
    (re.compile(r"\b[a-z]{2,10}%3A%2F%2F\S+", re.IGNORECASE), "[link]"),
    (re.compile(r"\b[\w.+-]{1,64}:[^\s@:]{1,64}@\S+"), "[link]"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})+"), "[e-mail address]"),
    (re.compile(r"(?<![:/\w])//[\w.-]{1,255}/\S*"), "[link]"),
    (
        re.compile(r"\b([a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(:\d{1,5})?/\S*", re.IGNORECASE),
        "[link]",
    ),
    (
        re.compile(
            r"\b(X-Amz-[\w-]{1,40}|(\w{1,20}[_-])?(token|secret|password|signature)|sig"
            r"|(api|access|auth|private|secret)[ _-]?key)([\"']?\s?[=:]\s?)(?!\[)[\"']?[^\s\"'&,]+",
            re.IGNORECASE,
        ),
        r"\1\5[key]",
    ),
    (re.compile(r"\b(Bearer|Token|Basic)\s+\S{8,}", re.IGNORECASE), r"\1 [key]"),
    (re.compile(r"\b(key|secret|password)(\s+|=)[\w*.-]{16,}", re.IGNORECASE), r"\1\2[key]"),
    (re.compile(r"\b((r8|hf|key|acct)_\w{8,}|(sk|pk|rk|org|proj)-[\w*-]{8,})"), "[id]"),
    (re.compile(r"\b(user|team|org|proj)_(?=\w{0,64}\d)\w{8,}"), "[id]"),
    (re.compile(r"\beyJ[\w.-]{8,}"), "[key]"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "[id]"),
    # At least 16 characters with letters and digits are a key or an id. Hyphens may join them if
    # both cases of letters occur, because names of models have one case.
    (
        re.compile(
            r"(?<![\w-])(?=[\w-]{0,64}\d)(?=[\w-]{0,64}[A-Z])(?=[\w-]{0,64}[a-z])[\w-]{16,}"
        ),
        "[id]",
    ),
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?=[A-Za-z]{0,64}\d)(?=\d{0,64}[A-Za-z])[A-Za-z0-9+/]{16,}={0,2}"
        ),
        "[id]",
    ),
    (re.compile(r"\b\d{9,}\b"), "[id]"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b"), "[address]"),
    (re.compile(r"\[[0-9a-f:]{3,45}\](:\d+)?|\b([0-9a-f]{1,4}:){4,7}:?[0-9a-f]{0,4}"), "[address]"),
    (
        re.compile(
            r"\b(localhost|([a-z0-9-]{1,63}\.){1,8}(internal|local|lan|corp))(:\d{1,5})?(/\S*)?"
            r"|\b([a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}:\d{2,5}\b",
            re.IGNORECASE,
        ),
        "[address]",
    ),
    (re.compile(r"(?<![\w/])(?:[A-Za-z]:\\|\\\\|/|~/)[\w.@-]+(?:[/\\][\w.@-]+)+"), "[path]"),
)


def _refused(words: str, flagged: Flagged | None, source: str) -> Wording:
    return Wording(re.compile(words, re.IGNORECASE), FailureCode.REFUSED, flagged, source)


_MAY_CONTAIN = r".{0,60}\bmay (contain|be related)"
# The first wording that matches decides, so those that name an input or the output come first.
WORDINGS: tuple[Wording, ...] = (
    _refused(
        rf"InputTextSensitiveContent|\binput text\b{_MAY_CONTAIN}",
        Flagged.PROMPT,
        "github.com/vm0-ai/vm0/issues/30959",
    ),
    _refused(
        rf"InputImageSensitiveContent|\binput image\b{_MAY_CONTAIN}",
        Flagged.IMAGE,
        "github.com/vm0-ai/vm0/issues/30959",
    ),
    _refused(
        rf"OutputAudioSensitiveContent|\boutput audio\b{_MAY_CONTAIN}",
        Flagged.AUDIO,
        "github.com/Comfy-Org/ComfyUI/issues/13883",
    ),
    _refused(
        rf"Output(Image|Video|Text)SensitiveContent|\boutput (image|video|text)\b{_MAY_CONTAIN}",
        Flagged.OUTPUT,
        "github.com/BlockRunAI/blockrun-mcp/issues/24",
    ),
    _refused(
        r"\bNSFW (content|concept)|\bNSFW\b.{0,40}\bdetected",
        Flagged.OUTPUT,
        "github.com/replicate/cog-stable-diffusion/issues/24",
    ),
    _refused(
        r"moderation_stage\W{1,6}output",
        Flagged.OUTPUT,
        "github.com/ucx0204/CarrotMangaTranslator/issues/122",
    ),
    _refused(
        r"\(E005\)|flagged as sensitive",
        None,
        "github.com/pollinations/pollinations/issues/10801",
    ),
    _refused(r"content[ _-]polic(y|ies)", None, "github.com/HeyPuter/puter/issues/3719"),
    _refused(
        r"may contain sensitive information", None, "github.com/BlockRunAI/blockrun-mcp/issues/24"
    ),
    _refused(
        r"safety violation|blocked due to safety",
        None,
        "github.com/openstory-so/openstory/issues/1505",
    ),
    _refused(
        r"flagged by (a|the|our) content checker",
        None,
        "github.com/openstory-so/openstory/issues/1373",
    ),
    _refused(
        r"rejected (by|as a result of) (the|our) safety system|moderation_blocked",
        None,
        "github.com/danny-avila/LibreChat/issues/7291",
    ),
    _refused(r"pass the risk control system", None, "the field task_status_msg of Kling's API"),
    _refused(r"\boutput new_sensitive", Flagged.OUTPUT, "github.com/MiniMax-AI/cli/pull/256"),
    _refused(r"\binput new_sensitive", None, "the field status_msg of MiniMax's API, code 1026"),
    _refused(
        r"prompt could not be submitted.{0,80}safety filter",
        Flagged.PROMPT,
        "github.com/google-marketing-solutions/adios/issues/62",
    ),
    _refused(
        r"safety settings .{0,60}filtered out images",
        Flagged.OUTPUT,
        "github.com/obot-platform/obot/issues/2264",
    ),
    _refused(
        r"\b(IMAGE_SAFETY|PROHIBITED_CONTENT)\b",
        None,
        "github.com/pollinations/pollinations/issues/4241",
    ),
    _refused(
        r"blocked by (the )?safety filter",
        Flagged.OUTPUT,
        "github.com/Comfy-Org/docs/pull/1173",
    ),
    _refused(
        r"\b(content|request) moderated\b",
        None,
        "github.com/black-forest-labs/flux/issues/489",
    ),
)

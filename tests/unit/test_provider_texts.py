"""The words of providers: what a user may read of them, and what they blame."""

from __future__ import annotations

import time

import pytest

from darkroom.domain.failures import FailureCode
from darkroom.providers.provider_texts import (
    WORDINGS,
    Flagged,
    Wording,
    invalid_input,
    quoted,
    refusal_of,
    wording_of,
)

# The words of each wording as its source has them, in the order of the table.
SOURCES: list[tuple[str, Flagged | None]] = [
    (
        "The request failed because the input text may contain sensitive information.",
        Flagged.PROMPT,
    ),
    (
        "The request failed because the input image 'content[1]' may contain real person.",
        Flagged.IMAGE,
    ),
    (
        "The request failed because the output audio may be related to copyright restrictions.",
        Flagged.AUDIO,
    ),
    ("The output video may contain sensitive information.", Flagged.OUTPUT),
    (
        "NSFW content detected. Try running it again, or try a different prompt.",
        Flagged.OUTPUT,
    ),
    ('{"code":"moderation_blocked","moderation_stage":"output"}', Flagged.OUTPUT),
    (
        "The input or output was flagged as sensitive. Please try with different inputs. (E005)",
        None,
    ),
    ("This request violates our content policy.", None),
    ("It may contain sensitive information", None),
    (
        "Request blocked due to safety violations (harmful content). Please modify your input.",
        None,
    ),
    (
        "The content contained material flagged by a content checker.",
        None,
    ),
    ("Your request was rejected as a result of our safety system.", None),
    ("Failure to pass the risk control system", None),
    ("output new_sensitive", Flagged.OUTPUT),
    ("input new_sensitive", None),
    (
        "The prompt could not be submitted. Your current safety filter threshold prohibited it.",
        Flagged.PROMPT,
    ),
    (
        "Your current safety settings for people/face generation filtered out images.",
        Flagged.OUTPUT,
    ),
    ("image generation failed: finishReason IMAGE_SAFETY", None),
    ("Image blocked by safety filter", Flagged.OUTPUT),
    ("Image Content Moderated", None),
]
NOT_REFUSED = (
    "CUDA out of memory (E1001)",
    "Prediction interrupted; please retry (code: PA)",
    "Input validation error: failed to download image",
    "The content type is not supported",
    "The output file is too large",
    "Unsafe deserialization",
    "",
)


@pytest.mark.parametrize(
    ("wording", "text", "flagged"),
    [(wording, *source) for wording, source in zip(WORDINGS, SOURCES, strict=True)],
    ids=[wording.pattern.pattern[:40] for wording in WORDINGS],
)
def test_each_wording_matches_its_source_and_no_earlier_one_does(
    wording: Wording, text: str, flagged: Flagged | None
) -> None:
    refused = refusal_of(text.upper())

    assert wording_of(text) is wording
    assert wording.flagged is flagged
    assert refused
    assert (refused.code, refused.is_fault, refused.retryable) == (
        FailureCode.REFUSED,
        False,
        False,
    )


@pytest.mark.parametrize("text", NOT_REFUSED)
def test_other_words_are_no_refusal(text: str) -> None:
    assert refusal_of(text) is None


@pytest.mark.parametrize(
    ("flagged", "begins"),
    [
        (Flagged.PROMPT, "The model refused the prompt: "),
        (Flagged.IMAGE, "The model refused the input image: "),
        (Flagged.OUTPUT, "The provider withheld the output: "),
        (Flagged.AUDIO, "The provider withheld the audio of the output: "),
        (None, "The model refused the prompt, the input image or the output: "),
    ],
)
def test_a_message_says_what_was_refused_by_whom_and_what_to_change(
    flagged: Flagged | None, begins: str
) -> None:
    text = next(text for text, each in SOURCES if each is flagged)

    refused = refusal_of(text)

    assert refused
    assert refused.message.startswith(begins)
    assert ". Nothing was charged. " in refused.message
    assert refused.message.endswith("submit the job again.")


def test_invalid_input_names_the_field_and_quotes_the_words() -> None:
    cost = "Nothing was charged. Change the parameters and submit the job again."

    assert invalid_input("Must be odd.", "seed").message == (
        f"The model did not accept `seed`: Must be odd. {cost}"
    )
    assert invalid_input("").message == f"The model did not accept these parameters. {cost}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at https://x.example/a?X-Amz-Signature=abc now", "at [link] now"),
        (
            "at HTTP://x.example and s3://bucket/key and www.x.example/a",
            "at [link] and [link] and [link]",
        ),
        ("data:image/png;base64,iVBORw0KGgo= is wrong", "[file] is wrong"),
        ("ask jane.doe+x@mail.example.com", "ask [e-mail address]"),
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer [key]"),
        ("token r8_abcdefghijklmnop", "token [key]"),
        ("the key r8_abcdefghijklmnop", "the key [key]"),
        ("the secret AbCdEfGhIjKlMnOpQr", "the secret [key]"),
        ('{"api_key": "abc", "token":"x"}', '{"api_key": [key]", "token":[key]"}'),
        (
            "?X-Amz-Signature=3f&sig=a password: b",
            "?X-Amz-Signature=[key]&sig=[key] password: [key]",
        ),
        ("by sk_live_4eC39HqLyjWDarjtT1zdp7dc", "by [id]"),
        # secretlint-disable-next-line -- no real token
        ("by ghp_16c7e42f292c6912e7710c838347ae178b4a", "by ghp_[id]"),
        ("by AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "by [id]"),
        ("provided: sk-proj-********1234", "provided: [id]"),
        ("at http:\\/\\/x.example\\/a?b=c now", "at [link] now"),
        ("at https%3A%2F%2Fx.example%2Fa now", "at [link] now"),
        ("at //x.example/a?b=c now", "at [link] now"),
        ("at pbxt.x.example/a/0.png now", "at [link] now"),
        ("at ann:secret@x.example now", "at [link] now"),
        ("from [2001:db8::1]:443 and 2001:db8:0:0:1::1", "from [address] and [address]"),
        ("from localhost:7860 and ip-10-0-0-1.ec2.internal", "from [address] and [address]"),
        ("from gpu.example.com:7860", "from [address]"),
        ("in \\\\srv\\share", "in [path]"),
        ("user_2abcdefghijkl of team_1234567890ab", "[id] of [id]"),
        ("key_0123456789abcdef and sk-proj-abcdefgh1234", "[id] and [id]"),
        ("org-AbCdEfGhIjKl has no credit", "[id] has no credit"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[key]"),
        ("job 01a22ca7-2cdb-7bf2-8750-3dd66175e8dc", "job [id]"),
        ("hash 9f86d081884c7d659a2feaa0c55ad015", "hash [id]"),
        ("account 123456789012", "account [id]"),
        ("from 10.0.0.7:8080", "from [address]"),
        ("File /home/ann/webui/modules/api.py line 7", "File [path] line 7"),
        ("in C:\\webui\\modules\\api.py", "in [path]"),
        # These are no secrets.
        ("width must be 64 to 2048, not 4096", "width must be 64 to 2048, not 4096"),
        (
            "stable-diffusion-xl-1024-v1-0 and/or gen4_turbo",
            "stable-diffusion-xl-1024-v1-0 and/or gen4_turbo",
        ),
        ("OutputAudioSensitiveContentDetected", "OutputAudioSensitiveContentDetected"),
        ("user-provided key_frames, org-chart", "user-provided key_frames, org-chart"),
        ("ratio 16:9, version 3.5.1", "ratio 16:9, version 3.5.1"),
        ("HTTP/1.1, image.png or .webp, video/mp4", "HTTP/1.1, image.png or .webp, video/mp4"),
        ('Unrecognized key: "x"', 'Unrecognized key: "x"'),
        ("too many tokens: 200 of 77", "too many tokens: 200 of 77"),
        ("DPM++ 2M SDE Karras at 12:34:56", "DPM++ 2M SDE Karras at 12:34:56"),
        # One line of printable characters.
        ("- one\n- two\t\x00three\u202efour\r\n", "- one - two three four"),
    ],
)
def test_a_quotation_has_no_links_keys_and_ids(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_a_quotation_is_cut_at_its_limit() -> None:
    assert quoted("a" * 300) == "a" * 300
    assert quoted("a" * 301) == "a" * 299 + "…"
    assert quoted("word " * 100, 12) == "word word w…"


def test_a_key_at_the_end_of_a_long_text_is_not_cut_in_two() -> None:
    """A cut key would not look like one."""
    text = " " * 4_990 + "r8_abcdefghijklmnop"

    assert quoted(text) == ""


def fastest_seconds(text: str) -> float:
    """Return the least processor time of three quotations and matches of a text."""
    seconds = []
    for _ in range(3):
        began = time.thread_time()
        quoted(text)
        refusal_of(f"input text {text}")
        seconds.append(time.thread_time() - began)
    return min(seconds)


@pytest.mark.parametrize(
    "part", ["a1", "a", "a-", "a.", "a:", "@.", "/a", "\\a", "data:", "key_", "aA1-", "may "]
)
def test_the_time_of_a_quotation_does_not_grow_with_the_square(part: str) -> None:
    shorter, longer = (fastest_seconds(part * count) for count in (5_000, 40_000))

    # The square would be 64 times the time. The shortest times are below the clock's resolution.
    assert longer < 24 * max(shorter, 0.001)

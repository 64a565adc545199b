"""Which messages of libvips mean a file that is not whole, a limit, or nothing."""

from __future__ import annotations

import logging

import pytest

from darkroom.media.outputs.vips_messages import collecting_messages, is_beyond_limits, is_harmless


@pytest.mark.parametrize(
    "message",
    [
        "VipsJpeg: Corrupt JPEG data: 3 extraneous bytes before marker 0xdb",
        "unable to copy to memory\n  VipsJpeg: Warning: unknown JFIF revision number 9.01\n",
        "VipsJpeg: Unknown Adobe color transform code 5",
        "VipsJpeg: Corrupt JPEG data: bad ICC marker",
    ],
)
def test_a_warning_about_other_bytes_than_pixels_is_harmless(message: str) -> None:
    assert is_harmless(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "vipspng: libpng read error",
        "VipsJpeg: premature end of JPEG image",
        "VipsJpeg: Corrupt JPEG data: bad Huffman code",
        "VipsJpeg: 3 extraneous bytes before marker 0xdb\nVipsJpeg: premature end of data segment",
    ],
)
def test_any_other_message_means_a_fault(message: str) -> None:
    assert not is_harmless(message)


def test_a_limit_of_a_decoder_is_no_fault_of_the_file() -> None:
    assert is_beyond_limits("heif: Memory allocation error: Security limit exceeded: Memory usage")
    assert not is_beyond_limits("VipsJpeg: premature end of JPEG image")


def test_warnings_are_counted_and_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("pyvips")

    with collecting_messages() as messages:
        logger.warning("VIPS: read gave 3 warnings")
        logger.warning("VIPS: read gave 1 warnings")
    logger.warning("VIPS: read gave 9 warnings")

    assert messages.warnings_count == 3
    assert not caplog.records

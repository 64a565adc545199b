"""The messages of libvips and of the decoders in it: which ones mean a file that is not whole."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyvips

# Warnings of libjpeg about bytes outside of the pixels (libjpeg-turbo, src/jerror.h).
_HARMLESS = re.compile(
    r"extraneous bytes before marker"
    r"|unknown JFIF revision number"
    r"|Unknown Adobe color transform code"
    r"|bad ICC marker"
    r"|Invalid SOS parameters for sequential JPEG",
    re.IGNORECASE,
)
# libvips and its decoders refuse some whole files because of their own limits.
_BEYOND_LIMITS = re.compile(
    r"security limit|out of memory|memory allocation|too many scans|too large|exceeds? .*limit",
    re.IGNORECASE,
)
_WARNINGS_COUNT = re.compile(r"read gave (\d+) warnings")

_logger = logging.getLogger("pyvips")
# The log of a function has JSON lines only. The raised errors contain what matters.
_logger.propagate = False


def forget_errors() -> None:
    """Empty the text of libvips' errors, which keeps warnings until an error is raised."""
    pyvips.vips_lib.vips_error_clear()


def is_harmless(message: str) -> bool:
    """Return whether the error has only warnings that say nothing about pixels."""
    lines = [line for line in message.splitlines() if "VipsJpeg:" in line]
    return bool(lines) and all(_HARMLESS.search(line) for line in lines)


def is_beyond_limits(message: str) -> bool:
    """Return whether a decoder refused the file because of a limit of its own."""
    return bool(_BEYOND_LIMITS.search(message))


class Messages(logging.Handler):
    """Counts the warnings of a decoder."""

    warnings_count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Read the number of warnings from the message, if it has one."""
        if found := _WARNINGS_COUNT.search(record.getMessage()):
            self.warnings_count = max(self.warnings_count, int(found[1]))


@contextmanager
def collecting_messages() -> Iterator[Messages]:
    """Collect what libvips logs within the block."""
    messages = Messages()
    _logger.addHandler(messages)
    try:
        yield messages
    finally:
        _logger.removeHandler(messages)

"""Measures the processor time of signing the links of a page, beside the client of S3.

The page has 100 jobs with 4 outputs each, and two links for each output. `make bench` runs this.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import tests.conftest  # noqa: F401 (sets the environment before another import reads it)
from darkroom import clock
from darkroom.aws.clients import client
from darkroom.media.links import current_window
from darkroom.settings import settings

KEYS = [f"media/web/ann/{job:08}/{number}.webp" for job in range(100) for number in range(8)]
ROUNDS = 5


def seconds_of(sign: Callable[[str], str]) -> float:
    """Return the seconds of processor time for all keys, in the fastest of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for key in KEYS:
            sign(key)
        rounds.append(time.process_time() - start)
    return min(rounds)


def by_client(key: str) -> str:
    """Sign a link with the client of S3, as of now."""
    url: str = client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": settings().media_bucket, "Key": key}
    )
    return url


def by_window(key: str) -> str:
    """Sign a link of the current window."""
    return current_window(clock.now()).link(key)


def main() -> None:
    """Print the times of both."""
    for name, sign in (("client of S3", by_client), ("window", by_window)):
        seconds = seconds_of(sign)
        sys.stdout.write(
            f"{name}: {len(KEYS)} links in {seconds * 1e3:.1f} ms,"
            f" {seconds / len(KEYS) * 1e6:.1f} µs each\n"
        )


if __name__ == "__main__":
    main()

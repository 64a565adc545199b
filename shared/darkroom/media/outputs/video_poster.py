"""Finds a frame that represents a video: near its start, and not black."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from darkroom.domain.outputs import DecodeBudgetExceeded
from darkroom.media.outputs.video_frames import brightness
from darkroom.media.outputs.video_packets import Packets

SEARCH_SECONDS_MAX = 5
"""The search takes at most this time. Then it returns the brightest frame that it has seen."""

_STEPS = 20
_FIRST_STEP = 2
_BLACK_LEVEL_MAX = 20


def find_poster(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    first: VideoFrame,
    give_up_at: float,
) -> VideoFrame:
    """Return the frame at a tenth of the length, or the next one that is not black.

    Looks at a frame in each twentieth of the length. `first` is a frame of the video, for the case
    that no other can be decoded. If all are dark, returns the brightest. `give_up_at` is a time of
    `time.monotonic()`.
    """
    give_up_at = min(give_up_at, time.monotonic() + SEARCH_SECONDS_MAX)
    brightest, level = first, brightness(first)
    try:
        for frame in _samples(container, stream, packets, give_up_at):
            frame_level = brightness(frame)
            if frame_level > _BLACK_LEVEL_MAX:
                return frame
            if frame_level > level:
                brightest, level = frame, frame_level
    except (FFmpegError, MemoryError, DecodeBudgetExceeded):
        # The file is whole, and a poster is there. A frame in the middle may be damaged, or need
        # more memory than there is.
        return brightest
    return brightest


def _samples(
    container: InputContainer, stream: VideoStream, packets: Packets, give_up_at: float
) -> Iterator[VideoFrame]:
    """Yield one frame for each step, until the time is over.

    Seeks only to a keyframe that is ahead, because a seek backward would decode frames again.
    """
    start, keyframes = packets.start or 0, sorted(packets.keyframe_times)
    position: int | None = None
    frames: Iterator[VideoFrame] = iter(())
    for step in range(_FIRST_STEP, _STEPS):
        target = start + packets.length * step // _STEPS
        keyframe = keyframes[max(0, bisect_right(keyframes, target) - 1)] if keyframes else start
        if position is None or keyframe > position:
            container.seek(keyframe, stream=stream)
            frames = container.decode(stream)
        for frame in frames:
            if time.monotonic() > give_up_at:
                return
            if frame.pts is not None and frame.pts >= target:
                position = frame.pts
                yield frame
                break
        else:
            return

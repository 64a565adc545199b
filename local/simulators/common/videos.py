"""Output videos, H.264 in MP4. The view moves slowly over a landscape or over the input images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from PIL import Image

from local.simulators.common.image_transform import blend
from local.simulators.common.landscape import draw_landscape

VIDEOS_CACHED_MAX = 8
# Smaller than the real videos, to draw a video in about a second. The aspect ratio is as requested.
LONGER_SIDE_PIXELS_MAX = 640

_MARGIN = 1.15


@dataclass(frozen=True, kw_only=True)
class OutputVideo:
    """A video. The same values produce the same bytes. `sources` are its input images, in order."""

    prompt: str
    seed: int
    index: int
    width: int
    height: int
    seconds: float
    frames_per_second: int
    sources: tuple[bytes, ...] = ()

    @property
    def file_name(self) -> str:
        """The last part of the URL."""
        return f"out-{self.index}.mp4"

    @property
    def content_type(self) -> str:
        """The media type."""
        return "video/mp4"

    @property
    def size(self) -> tuple[int, int]:
        """The width and the height of the frames. Both are even, as H.264 requires."""
        scale = min(1, LONGER_SIDE_PIXELS_MAX / max(self.width, self.height))
        return max(2, round(self.width * scale / 2) * 2), max(2, round(self.height * scale / 2) * 2)

    @property
    def frames_count(self) -> int:
        """The number of frames."""
        return max(1, round(self.seconds * self.frames_per_second))

    def render(self) -> bytes:
        """Return the file."""
        return _render(self)


@lru_cache(maxsize=VIDEOS_CACHED_MAX)
def _render(video: OutputVideo) -> bytes:
    # With `faststart`, the muxer opens the file again by its name, so the file must be on disk.
    with TemporaryDirectory() as directory:
        path = Path(directory) / video.file_name
        with av.open(path, "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream(
                "libx264",
                rate=video.frames_per_second,
                options={"preset": "ultrafast", "crf": "28", "threads": "1"},
            )
            stream.width, stream.height = video.size
            stream.pix_fmt = "yuv420p"
            for frame in _frames(video):
                video_frame = av.VideoFrame.from_image(frame)  # type: ignore[no-untyped-call]
                encoded = stream.encode(video_frame)
                container.mux(encoded)
            container.mux(stream.encode(None))
        return path.read_bytes()


def _frames(video: OutputVideo) -> Iterator[Image.Image]:
    width, height = video.size
    scene = draw_landscape(
        video.prompt, video.seed, video.index, (round(width * _MARGIN), round(height * _MARGIN))
    )
    if video.sources:
        scene = blend(scene, video.sources)
    for number in range(video.frames_count):
        share = number / max(1, video.frames_count - 1)
        left, top = (
            round((scene.width - width) * share),
            round((scene.height - height) * (1 - share)),
        )
        yield scene.crop((left, top, left + width, top + height))

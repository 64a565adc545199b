"""Small videos for tests, with and without images."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import av
from PIL import Image


def video(
    size: tuple[int, int] = (64, 48),
    *,
    codec: str = "libx264",
    extension: str = "mp4",
    colours: tuple[str, ...] = ("teal",) * 24,
    rate: int = 12,
    rotation: int = 0,
) -> bytes:
    """Return a video with one frame for each colour, at `rate` frames a second.

    The upper left quarter of each frame is white, except in black frames.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"video.{extension}"
        with av.open(path, "w") as container:
            stream: Any = container.add_stream(codec, rate=rate)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            if rotation:
                stream.set_display_rotation(rotation)
            for colour in colours:
                image = Image.new("RGB", size, colour)
                if colour != "black":
                    image.paste("white", (0, 0, size[0] // 2, size[1] // 2))
                frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def sound_alone() -> bytes:
    """Return an MP4 file with sound and without images."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sound.mp4"
        with av.open(path, "w") as container:
            stream = container.add_stream("aac", rate=44_100, layout="stereo")
            for number in range(8):
                frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
                frame.sample_rate, frame.pts = 44_100, number * 1024
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                container.mux(stream.encode(frame))
        return path.read_bytes()

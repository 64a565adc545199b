"""Videos as outputs: detection from the bytes, size, length, thumbnail, and rejection."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.media import inspect
from darkroom.media.variants import make_variants
from tests.aws import forget_settings
from tests.integration.steps import with_setting
from tests.integration.videos import sound_alone, video

REFUSALS = (GenerationFailed, CorruptOutput, DecodeBudgetExceeded)


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """Read the settings again, and forget them after the test."""
    forget_settings()
    yield
    forget_settings()


def probe(body: bytes) -> OutputFile:
    file = BytesIO(body)
    found: OutputFile = inspect.decode(file, inspect.identify(file))[0]
    return found


def thumbnail(body: bytes) -> Image.Image:
    file = BytesIO(body)
    _, poster = inspect.decode(file, inspect.identify(file))
    image = Image.open(BytesIO(make_variants(poster, xmp=b"").thumbnail))
    image.load()
    return image


class TestProbe:
    @pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4"])
    def test_accepts_mp4_of_every_codec(self, codec: str) -> None:
        assert probe(video(codec=codec)) == OutputFile("video/mp4", "mp4", 64, 48, 2.0)

    def test_accepts_webm(self) -> None:
        found = probe(video(codec="libvpx-vp9", extension="webm"))

        assert (found.content_type, found.extension, found.width, found.height) == (
            "video/webm",
            "webm",
            64,
            48,
        )
        assert found.seconds == pytest.approx(2, abs=0.1)

    @pytest.mark.parametrize(
        ("frames_count", "rate", "seconds"), [(1, 1, 1.0), (81, 16, 5.06), (5, 24, 0.21)]
    )
    def test_rounds_the_length_to_hundredths_of_a_second(
        self, frames_count: int, rate: int, seconds: float
    ) -> None:
        assert probe(video(colours=("teal",) * frames_count, rate=rate)).seconds == seconds

    @pytest.mark.parametrize(
        ("rotation", "size"), [(0, (64, 48)), (90, (48, 64)), (180, (64, 48)), (-90, (48, 64))]
    )
    def test_size_respects_the_rotation(self, rotation: int, size: tuple[int, int]) -> None:
        found = probe(video(rotation=rotation))

        assert (found.width, found.height) == size

    def test_accepts_an_image(self) -> None:
        file = BytesIO()
        Image.new("RGB", (30, 20)).save(file, "PNG")

        assert probe(file.getvalue()) == OutputFile("image/png", "png", 30, 20)


class TestThumbnails:
    def test_thumbnail_is_a_square_of_200_pixels(self) -> None:
        assert thumbnail(video((128, 48))).size == (200, 200)

    def test_thumbnail_shows_a_frame_that_is_not_black(self) -> None:
        image = thumbnail(video(colours=("black",) * 12 + ("teal",) * 12))

        assert image.getpixel((150, 150)) == pytest.approx((0, 128, 128), abs=12)

    def test_black_video_has_a_black_thumbnail(self) -> None:
        assert thumbnail(video(colours=("black",) * 30)).getpixel((100, 100)) == pytest.approx(
            (0, 0, 0), abs=12
        )

    @pytest.mark.parametrize(("rotation", "corner"), [(0, (20, 20)), (180, (180, 180))])
    def test_thumbnail_respects_a_half_turn(self, rotation: int, corner: tuple[int, int]) -> None:
        assert thumbnail(video((64, 64), rotation=rotation)).getpixel(corner) == pytest.approx(
            (255, 255, 255), abs=12
        )

    def test_thumbnail_respects_a_quarter_turn(self) -> None:
        lower_left = (20, 180)
        left_turn = thumbnail(video((64, 64), rotation=90)).getpixel(lower_left)
        right_turn = thumbnail(video((64, 64), rotation=-90)).getpixel(lower_left)

        # A display rotation is counterclockwise (FFmpeg's display.h).
        # A left turn moves the white upper left corner to the lower left.
        assert left_turn == pytest.approx((255, 255, 255), abs=12)
        assert right_turn != pytest.approx((255, 255, 255), abs=12)


class TestRejection:
    @pytest.mark.parametrize(
        "body",
        [
            b"\x00\x00\x00\x18ftypmp42",
            b"\x00\x00\x00\x18ftypmp42" + bytes(1000),
            b"\x1a\x45\xdf\xa3" + bytes(200),
            b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
            b"ffconcat version 1.0\nfile /etc/passwd\n",
            b"RIFF\x00\x00\x00\x00AVI LIST",
            b"1\n00:00:00,000 --> 00:00:01,000\nsubtitles\n",
            b"\x00\x00\x00\x18ftypheic" + bytes(100),
        ],
    )
    def test_rejects_files_that_are_not_videos(self, body: bytes) -> None:
        with pytest.raises(REFUSALS):
            probe(body)

    def test_rejects_a_video_without_an_image_stream(self) -> None:
        with pytest.raises(REFUSALS):
            probe(sound_alone())

    def test_rejects_a_truncated_video(self) -> None:
        whole = video()

        with pytest.raises(REFUSALS):
            probe(whole[: len(whole) // 2])

    def test_rejects_more_pixels_than_the_maximum(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "VIDEO_PIXELS_MAX", 64 * 48 - 1)
        with pytest.raises(REFUSALS):
            probe(video())
        with_setting(monkeypatch, "VIDEO_PIXELS_MAX", 64 * 48)
        assert probe(video()).width == 64

    def test_reads_no_other_file_that_a_video_names(self) -> None:
        whole = video()
        # Clear the flag "self-contained" of the data reference (ISO/IEC 14496-12, 8.7.2).
        with_external_data = whole.replace(b"url \x00\x00\x00\x01", b"url \x00\x00\x00\x00")
        assert with_external_data != whole

        with pytest.raises(REFUSALS):
            probe(whole[:4] + b"ftypmp42" + b"file:///etc/passwd" * 20)
        found = None
        try:
            found = probe(with_external_data)
        except REFUSALS:
            return
        assert found.width == 64

    def test_damaged_video_never_crashes(self) -> None:
        whole = video(colours=("teal",) * 3)
        for seed in range(400):
            generator = random.Random(seed)
            damaged = bytearray(whole)
            for _ in range(generator.randint(1, 6)):
                damaged[generator.randrange(len(damaged))] = generator.choice(
                    [0, 255, generator.randrange(256)]
                )
            with suppress(*REFUSALS):
                thumbnail(bytes(damaged))

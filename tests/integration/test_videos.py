"""Videos as outputs: type, size as shown, length, and the image that represents the video."""

from __future__ import annotations

import time
from fractions import Fraction
from io import BytesIO

import pytest
import pyvips

from darkroom.domain import file_types
from darkroom.domain.file_types import FileType, identify
from darkroom.domain.outputs import OutputFile
from darkroom.media.outputs import video_poster, videos
from tests.integration.videos import (
    AV1,
    Encoding,
    animated_avif,
    encode,
    planes,
    textured,
    video,
)

WHITE, TEAL, BLACK = (255, 255, 255), (0, 128, 128), (0, 0, 0)
# The encoders lose a little of each colour.
LOSS = 6


def decoded(body: bytes) -> tuple[OutputFile, pyvips.Image]:
    """Decode a whole file. The header alone must tell the same."""
    file, file_type = BytesIO(body), identify(body)
    found, image = videos.decode(file, file_type, give_up_at=time.monotonic() + 60)
    assert videos.read_header(file, file_type) == found
    assert (image.interpretation, image.format) == ("srgb", "uchar")
    return found, image


def corners(image: pyvips.Image) -> str:
    """Name the colour in each quarter: upper left, upper right, lower left, lower right."""
    return "".join(
        next(
            name
            for name, colour in (("W", WHITE), ("T", TEAL), ("B", BLACK))
            if image(image.width * x // 4, image.height * y // 4) == pytest.approx(colour, abs=30)
        )
        for y in (1, 3)
        for x in (1, 3)
    )


class TestTypes:
    @pytest.mark.parametrize(
        ("codec", "extension", "file_type"),
        [
            ("libx264", "mp4", file_types.MP4),
            ("libx265", "mp4", file_types.MP4),
            ("mpeg4", "mp4", file_types.MP4),
            ("libvpx-vp9", "mp4", file_types.MP4),
            (AV1, "mp4", file_types.MP4),
            ("libvpx", "webm", file_types.WEBM),
            ("libvpx-vp9", "webm", file_types.WEBM),
            (AV1, "webm", file_types.WEBM),
            ("libx264", "mov", file_types.QUICKTIME),
        ],
    )
    def test_decodes_each_codec(self, codec: str, extension: str, file_type: FileType) -> None:
        body = video(codec=codec, extension=extension)
        found, image = decoded(body)

        assert identify(body) == file_type
        assert (found.content_type, found.extension) == (
            file_type.content_type,
            file_type.extension,
        )
        assert (found.width, found.height, found.frames) == (64, 48, None)
        assert found.seconds == pytest.approx(2, abs=0.1)
        assert corners(image) == "WTTT"

    def test_decodes_10_bits_and_transparency(self) -> None:
        _, opaque = decoded(video(codec="prores_ks", extension="mov", pixel_format="yuv422p10le"))
        _, transparent = decoded(
            video(codec="prores_ks", extension="mov", pixel_format="yuva444p10le")
        )

        assert (opaque.bands, corners(opaque)) == (3, "WTTT")
        assert (transparent.bands, corners(transparent[:3])) == (4, "WTTT")

    def test_decodes_quicktime_without_a_brand(self) -> None:
        # Older cameras begin a file with the box `wide`, and no `ftyp` before it.
        body = video(extension="mov")
        without_brand = (8).to_bytes(4) + b"wide" + body[int.from_bytes(body[:4]) :]
        shift = int.from_bytes(body[:4]) - 8
        offset = without_brand.index(b"stco") + 12
        chunk = int.from_bytes(without_brand[offset : offset + 4]) - shift
        moved = without_brand[:offset] + chunk.to_bytes(4) + without_brand[offset + 4 :]

        assert identify(moved) == file_types.QUICKTIME
        assert corners(decoded(moved)[1]) == "WTTT"

    @pytest.mark.parametrize(
        "options", [{}, {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}]
    )
    def test_decodes_an_index_at_the_end_at_the_start_and_in_fragments(
        self, options: dict[str, str]
    ) -> None:
        found, image = decoded(video(mux_options=options, keyframe_every=6))

        assert (found.seconds, corners(image)) == (2, "WTTT")

    @pytest.mark.parametrize(
        ("frames_count", "rate", "seconds"), [(1, 1, 1.0), (81, 16, 5.06), (5, 24, 0.21)]
    )
    def test_rounds_the_length_to_hundredths_of_a_second(
        self, frames_count: int, rate: int, seconds: float
    ) -> None:
        found, _ = decoded(video(colours=("teal",) * frames_count, rate=rate))

        assert found.seconds == seconds

    def test_counts_the_length_of_a_live_stream(self) -> None:
        body = video(codec="libvpx", extension="webm", mux_options={"live": "1"})
        found, _ = videos.decode(BytesIO(body), file_types.WEBM, give_up_at=time.monotonic() + 60)

        assert videos.read_header(BytesIO(body), file_types.WEBM).seconds is None
        assert found.seconds == pytest.approx(2, abs=0.1)

    def test_a_damaged_title_does_not_matter(self) -> None:
        whole = video()
        damaged = whole.replace(b"Lavf", b"\xff\xfe\xff\xfe")
        assert damaged != whole

        assert corners(decoded(damaged)[1]) == "WTTT"


class TestAnimatedAvif:
    def test_is_an_image_with_frames(self) -> None:
        found, image = decoded(video(codec=AV1, extension="avif"))

        assert found == OutputFile("image/avif", "avif", 64, 48, 2.0, frames=24)
        assert corners(image) == "WTTT"

    def test_keeps_its_transparency(self) -> None:
        found, image = decoded(animated_avif(count=3, alpha=128))

        assert (found.frames, image.bands) == (3, 4)
        assert image(2, 2)[3] == pytest.approx(128, abs=LOSS)

    def test_a_depth_map_is_no_transparency(self) -> None:
        transparent = animated_avif(count=3, alpha=128)
        with_depth = transparent.replace(b"auxiliary:alpha", b"auxiliary:depth")
        assert with_depth != transparent

        assert decoded(with_depth)[1].bands == 3


class TestOrientation:
    @pytest.mark.parametrize(
        ("rotation", "is_mirrored", "size", "expected"),
        [
            (0, False, (64, 48), "WTTT"),
            (90, False, (48, 64), "TTWT"),
            (180, False, (64, 48), "TTTW"),
            (270, False, (48, 64), "TWTT"),
            (0, True, (64, 48), "TWTT"),
            (90, True, (48, 64), "TTTW"),
            (180, True, (64, 48), "TTWT"),
            (270, True, (48, 64), "WTTT"),
        ],
    )
    def test_shows_a_turned_or_mirrored_video_upright(
        self, rotation: int, is_mirrored: bool, size: tuple[int, int], expected: str
    ) -> None:
        found, image = decoded(video(rotation=rotation, is_mirrored=is_mirrored))

        assert (found.width, found.height) == (image.width, image.height) == size
        assert corners(image) == expected

    @pytest.mark.parametrize(
        ("aspect", "rotation", "size"),
        [
            ((2, 1), 0, (128, 48)),
            ((1, 2), 0, (64, 96)),
            ((2, 1), 90, (48, 128)),
            ((10, 1), 0, (640, 48)),
            ((1000, 1), 0, (64, 48)),
        ],
    )
    def test_shows_pixels_that_are_not_square_with_their_shape(
        self, aspect: tuple[int, int], rotation: int, size: tuple[int, int]
    ) -> None:
        found, image = decoded(video(pixel_aspect=aspect, rotation=rotation))

        assert (found.width, found.height) == (image.width, image.height) == size

    def test_shows_the_display_width_of_webm(self) -> None:
        # FFmpeg's writer leaves space in the track: put DisplayWidth (54b0) there.
        track = bytes.fromhex("e086b08140ba813055ee8100ec01000000000000020000")
        wider = bytes.fromhex("e08ab08140ba813054b0818055ee8100ec850000000000")
        body = video(codec="libvpx", extension="webm")
        assert track in body

        found, image = decoded(body.replace(track, wider))

        assert (found.width, found.height) == (image.width, image.height) == (128, 48)

    def test_scales_a_large_frame_down_and_keeps_its_size_in_the_header(self) -> None:
        found, image = decoded(video((1536, 864), colours=("teal",)))

        assert (found.width, found.height) == (1536, 864)
        assert (image.width, image.height) == (1024, 576)


class TestColors:
    @pytest.mark.parametrize(
        ("colorspace", "red", "blue"),
        [
            (1, Fraction("0.2126"), Fraction("0.0722")),  # BT.709
            (6, Fraction("0.299"), Fraction("0.114")),  # BT.601
            (9, Fraction("0.2627"), Fraction("0.0593")),  # BT.2020
        ],
    )
    @pytest.mark.parametrize("is_full_range", [False, True])
    def test_converts_by_matrix_and_range(
        self, colorspace: int, red: Fraction, blue: Fraction, is_full_range: bool
    ) -> None:
        color = (200, 60, 40)
        body = encode(
            [planes(*_yuv(color, red, blue, is_full_range=is_full_range))] * 3,
            Encoding(
                colorspace=colorspace,
                color_range=2 if is_full_range else 1,
                options={"crf": "1"},
            ),
        )

        assert decoded(body)[1](32, 24) == pytest.approx(color, abs=3)

    @pytest.mark.parametrize("colorspace", [8, 10])
    def test_a_matrix_that_nothing_converts_does_not_matter(self, colorspace: int) -> None:
        # YCgCo, and BT.2020 with constant luminance.
        body = encode([planes(126, 128, 128)] * 3, Encoding(colorspace=colorspace))

        assert decoded(body)[1](32, 24) == pytest.approx((128, 128, 128), abs=3)


def _yuv(
    color: tuple[int, int, int], red: Fraction, blue: Fraction, *, is_full_range: bool
) -> tuple[int, int, int]:
    """Convert a color by the formula of ITU-R BT.709, 3 and 4, with the weights of a matrix."""
    r, g, b = color
    luma = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - luma) / (2 - 2 * blue), (r - luma) / (2 - 2 * red)
    if is_full_range:
        return round(luma), round(128 + u), round(128 + v)
    return (
        round(16 + luma * 219 / 255),
        round(128 + u * 224 / 255),
        round(128 + v * 224 / 255),
    )


class TestPoster:
    @pytest.mark.parametrize("black_count", [12, 36, 56])
    @pytest.mark.parametrize(
        ("codec", "extension", "keyframe_every"),
        [("libx264", "mp4", 60), ("libx264", "mp4", 5), ("libvpx", "webm", 60)],
    )
    def test_is_after_a_black_beginning(
        self, black_count: int, codec: str, extension: str, keyframe_every: int
    ) -> None:
        colours = ("black",) * black_count + ("teal",) * (60 - black_count)
        body = video(
            colours=colours, codec=codec, extension=extension, keyframe_every=keyframe_every
        )

        assert corners(decoded(body)[1]) == "WTTT"

    def test_is_black_if_all_is_black(self) -> None:
        assert corners(decoded(video(colours=("black",) * 30))[1]) == "BBBB"

    def test_is_the_brightest_frame_of_a_dark_video(self) -> None:
        frames = [planes(16 + n // 3, 128, 128) for n in range(45)]
        body = encode(frames, Encoding(options={"crf": "1"}))

        assert decoded(body)[1](32, 24)[0] >= 12

    def test_is_at_a_tenth_of_the_length(self) -> None:
        frames = [planes(min(235, 60 + 4 * n), 128, 128) for n in range(40)]
        body = encode(frames, Encoding(options={"crf": "1"}))
        expected = (60 + 4 * 4 - 16) * 255 / 219

        assert decoded(body)[1](32, 24)[0] == pytest.approx(expected, abs=3)

    def test_search_ends_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        body = video(colours=("black",) * 12 + ("teal",) * 12)
        monkeypatch.setattr(video_poster, "SEARCH_SECONDS_MAX", 0)

        assert corners(decoded(body)[1]) == "BBBB"

    def test_a_damaged_middle_leaves_an_earlier_frame(self) -> None:
        whole = encode(textured(), Encoding(keyframe_every=8))
        middle = len(whole) // 2
        damaged = whole[:middle] + bytes([255]) * 400 + whole[middle + 400 :]

        assert decoded(damaged)[1].width == 160

"""Videos that are cut, damaged, hostile or no videos: none is delivered as a whole video."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import count
from types import SimpleNamespace

import av
import pytest

from darkroom.domain import file_types
from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.file_types import MP4, FileType, identify
from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded, OutputFile
from darkroom.media.memory_limit import memory_limited
from darkroom.media.outputs import videos
from tests.aws import forget_settings
from tests.integration.steps import with_setting
from tests.integration.videos import AV1, Encoding, encode, sound_alone, textured, video

MEBIBYTE = 2**20


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """Read the settings again, and forget them after the test."""
    forget_settings()
    yield
    forget_settings()


def decode(body: bytes, file_type: FileType | None = None, *, seconds: float = 60) -> OutputFile:
    found, _ = videos.decode(
        BytesIO(body), file_type or identify(body), give_up_at=time.monotonic() + seconds
    )
    return found


def one_of(kind: str) -> bytes:
    """Return a small video in one layout of the file."""
    match kind:
        case "index at the end":
            return video()
        case "index at the start":
            return video(mux_options={"movflags": "faststart"})
        case "QuickTime":
            return video(extension="mov")
        case "WebM":
            return video(codec="libvpx", extension="webm")
        case "live WebM":
            return video(codec="libvpx", extension="webm", mux_options={"live": "1"})
        case _:
            return video(codec=AV1, extension="avif")


def fragmented() -> bytes:
    return video(mux_options={"movflags": "frag_keyframe+empty_moov"}, keyframe_every=6)


class TestCutFiles:
    @pytest.mark.parametrize(
        "kind",
        ["index at the end", "index at the start", "QuickTime", "WebM", "live WebM", "AVIF"],
    )
    def test_a_file_that_is_cut_anywhere_is_corrupt(self, kind: str) -> None:
        whole = one_of(kind)
        file_type = identify(whole)
        assert decode(whole).width == 64

        # A live stream states no end. A cut exactly between two of its blocks does not show.
        whole_count = 0
        for cut in (*range(1, len(whole) - 1, 11), len(whole) - 1):
            try:
                decode(whole[:cut], file_type)
                whole_count += 1
            except CorruptOutput:
                continue
        assert whole_count == 0 or (kind == "live WebM" and whole_count <= 1)

    @pytest.mark.parametrize("missing", [1, 5, 100])
    def test_a_cut_fragment_is_corrupt(self, missing: int) -> None:
        whole = fragmented()
        end = whole.rindex(b"mfra") - 4
        assert decode(whole).seconds == 2

        with pytest.raises(CorruptOutput, match="mdat"):
            decode(whole[: end - missing])

    def test_the_start_of_a_missing_fragment_is_corrupt(self) -> None:
        whole = fragmented()

        with pytest.raises(CorruptOutput, match="header of a box"):
            decode(whole[: whole.rindex(b"moof")])

    @pytest.mark.parametrize("kind", ["index at the end", "WebM", "AVIF"])
    @pytest.mark.parametrize("tail", [bytes(64), b"PK\x03\x04\x14\0\0\0" + bytes(64), b"garbage"])
    def test_bytes_after_the_end_do_not_matter(self, kind: str, tail: bytes) -> None:
        assert decode(one_of(kind) + tail).width == 64

    def test_a_cut_box_without_a_length_is_corrupt(self) -> None:
        whole = video(mux_options={"movflags": "faststart"})
        length = whole.index(b"mdat") - 4
        to_the_end = whole[:length] + bytes(4) + whole[length + 4 :]
        assert decode(to_the_end).width == 64

        with pytest.raises(CorruptOutput, match="is cut"):
            decode(to_the_end[:-3])

    def test_an_index_that_names_bytes_after_the_end_is_corrupt(self) -> None:
        whole = video()
        at = whole.index(b"stco") + 12
        chunk = int.from_bytes(whole[at : at + 4])

        with pytest.raises(CorruptOutput, match="after the end"):
            decode(whole[:at] + (chunk + len(whole)).to_bytes(4) + whole[at + 4 :])

    def test_header_of_a_cut_file_can_be_read(self) -> None:
        whole = video(mux_options={"movflags": "faststart"})
        cut = BytesIO(whole[:-10])

        with pytest.raises(CorruptOutput):
            videos.read_header(cut, MP4)
        assert videos.read_header(BytesIO(whole), MP4).width == 64


class TestDamagedFiles:
    @pytest.mark.parametrize("number", [0, -1])
    def test_a_damaged_keyframe_is_corrupt(self, number: int) -> None:
        whole = encode(textured(), Encoding(keyframe_every=8))
        position, size = keyframes(whole)[number]
        start = position + size // 3

        with pytest.raises(CorruptOutput, match="keyframe"):
            decode(whole[:start] + bytes([255]) * 300 + whole[start + 300 :])

    @pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
    def test_a_hole_is_corrupt(self, codec: str) -> None:
        whole = encode(textured(), Encoding(codec=codec))
        mdat = whole.index(b"mdat")
        middle = (mdat + len(whole)) // 2

        with pytest.raises(CorruptOutput):
            decode(whole[:middle] + bytes(len(whole) // 5) + whole[middle + len(whole) // 5 :])

    @pytest.mark.parametrize("options", ["intra-refresh=1:keyint=8", "open-gop=1:keyint=8"])
    def test_keyframes_that_need_earlier_frames_are_whole(self, options: str) -> None:
        body = encode(textured(40), Encoding(options={"x264-params": options}))

        assert len(keyframes(body)) > 2
        assert decode(body).width == 160

    def test_a_video_without_frames_is_corrupt(self) -> None:
        whole = video(colours=("teal",))
        count = whole.index(b"stsz") + 12
        without = whole[:count] + bytes(4) + whole[count + 4 :]

        with pytest.raises(CorruptOutput):
            decode(without)
        assert videos.read_header(BytesIO(whole), MP4).width == 64

    @pytest.mark.parametrize(
        "body",
        [
            b"\x00\x00\x00\x18ftypmp42",
            b"\x00\x00\x00\x18ftypmp42" + bytes(1000),
            b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
            b"ffconcat version 1.0\nfile /etc/passwd\n",
            b"RIFF\x00\x00\x00\x00AVI LIST",
            b"1\n00:00:00,000 --> 00:00:01,000\nsubtitles\n",
        ],
    )
    @pytest.mark.parametrize("file_type", [MP4, file_types.WEBM, file_types.AVIF])
    def test_reads_no_other_format(self, body: bytes, file_type: FileType) -> None:
        with pytest.raises(CorruptOutput):
            decode(body, file_type)

    def test_reads_no_other_file_that_a_video_names(self) -> None:
        whole = video()
        # Clear the flag "self-contained" of the data reference (ISO/IEC 14496-12, 8.7.2).
        with_external_data = whole.replace(b"url \x00\x00\x00\x01", b"url \x00\x00\x00\x00")
        assert with_external_data != whole

        assert decode(with_external_data).width == 64

    @pytest.mark.parametrize("kind", ["index at the end", "WebM", "AVIF"])
    def test_a_damaged_file_raises_only_what_it_says(self, kind: str) -> None:
        whole = one_of(kind)
        file_type = identify(whole)
        for seed in range(100):
            generator = random.Random(seed)
            damaged = bytearray(whole)
            for _ in range(generator.randint(1, 6)):
                damaged[generator.randrange(len(damaged))] = generator.choice(
                    [0, 255, generator.randrange(256)]
                )
            try:
                videos.read_header(BytesIO(damaged), file_type)
                decode(bytes(damaged), file_type, seconds=1)
            except (CorruptOutput, DecodeBudgetExceeded, GenerationFailed):
                continue


class TestNoVideos:
    @pytest.mark.parametrize("with_cover", [False, True])
    def test_sound_is_rejected_by_its_name(self, with_cover: bool) -> None:
        body = sound_alone(with_cover=with_cover)
        assert identify(body) == MP4

        for read in (decode, lambda body: videos.read_header(BytesIO(body), MP4)):
            with pytest.raises(GenerationFailed) as raised:
                read(body)
            assert raised.value.failure.code is FailureCode.OUTPUT_REJECTED
            assert "an MP4 file without images" in raised.value.failure.message

    def test_an_unknown_codec_is_rejected_by_its_name(self) -> None:
        with pytest.raises(GenerationFailed) as raised:
            decode(video().replace(b"avc1", b"zzzz"))

        assert "of an unknown codec" in raised.value.failure.message

    def test_other_containers_are_not_mp4_or_webm(self) -> None:
        assert identify(sound_alone(extension="m4a")) == file_types.M4A
        assert identify(video(extension="3gp")) == file_types.THREE_GP
        assert identify(video(extension="mkv")) == file_types.MATROSKA


class TestBudget:
    def test_a_frame_above_the_limit_is_not_decoded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "VIDEO_PIXELS_MAX", 64 * 48)
        assert decode(video()).width == 64

        with_setting(monkeypatch, "VIDEO_PIXELS_MAX", 64 * 48 - 1)
        with pytest.raises(DecodeBudgetExceeded, match="64 × 48 pixels"):
            decode(video())
        assert videos.read_header(BytesIO(video()), MP4).width == 64
        with pytest.raises(CorruptOutput):
            decode(video()[:-100])

    def test_ends_when_the_time_is_over(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(DecodeBudgetExceeded, match="time"):
            decode(video(), seconds=-1)

        assert capfd.readouterr() == ("", "")

    def test_ends_in_each_step_without_a_word_to_the_log(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        body = encode(textured(60, (320, 240)), Encoding(options={"crf": "4"}))
        exceeded = []
        for reads_max in range(1, 100):
            # Each read takes one unit of time.
            monkeypatch.setattr(videos, "time", SimpleNamespace(monotonic=count().__next__))
            try:
                videos.decode(BytesIO(body), MP4, give_up_at=reads_max)
                break
            except DecodeBudgetExceeded:
                exceeded.append(reads_max)
        assert len(exceeded) >= 6
        assert capfd.readouterr() == ("", "")

    def test_memory_is_limited_inside_and_not_after(self) -> None:
        # malloc maps new memory for more than 32 MiB. For less, it can reuse freed memory.
        with memory_limited(20 * MEBIBYTE), pytest.raises(MemoryError):
            bytearray(60 * MEBIBYTE)

        with memory_limited(40 * MEBIBYTE):
            assert bytearray(30 * MEBIBYTE)
        assert bytearray(60 * MEBIBYTE)

    def test_many_reference_frames_need_no_more_than_the_limit(self) -> None:
        body = video(
            (1280, 720),
            colours=(*("black",) * 24, *("teal",) * 6),
            options={"preset": "ultrafast", "x264-params": "ref=16:bframes=0:scenecut=0"},
        )

        # A frame has 1.3 MiB. The search for a frame that is not black ends with the memory.
        assert brightness_in_child(body, memory_bytes=400 * MEBIBYTE) > 50
        assert brightness_in_child(body, memory_bytes=10 * MEBIBYTE) < 5

    def test_an_index_of_very_many_packets_ends_the_decoding(self) -> None:
        with pytest.raises(DecodeBudgetExceeded, match="2000000 packets"):
            decode(with_packets(video(), 2_000_000))
        # This index needs more memory than the limit. FFmpeg reads none then.
        with pytest.raises(CorruptOutput, match="no frame"):
            decode(with_packets(video(), 100_000_000))


def brightness_in_child(body: bytes, *, memory_bytes: int) -> float:
    """Decode an MP4 file with a limit, in a process that has no free memory of earlier videos."""
    ended = subprocess.run(
        [sys.executable, "-c", _CHILD, str(memory_bytes)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        input=body,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return float(ended.stdout)


_CHILD = """
import io, sys, time
from darkroom.domain.file_types import MP4
from darkroom.media.outputs import videos
videos._MEMORY_BYTES_MAX = int(sys.argv[1])
file = io.BytesIO(sys.stdin.buffer.read())
print(videos.decode(file, MP4, give_up_at=time.monotonic() + 60)[1].avg())
"""


def keyframes(body: bytes) -> list[tuple[int, int]]:
    """Return the position and the size of each keyframe."""
    with av.open(BytesIO(body), "r") as container:
        return [
            (packet.pos or 0, packet.size)
            for packet in container.demux(container.streams.video[0])
            if packet.is_keyframe and packet.size
        ]


def with_packets(body: bytes, number: int) -> bytes:
    """Make the index of a video claim a number of packets (ISO/IEC 14496-12, 8.6 and 8.7)."""
    damaged = bytearray(body)
    for box, offset, value in (
        (b"stsz", 8, 1),
        (b"stsz", 12, number),
        (b"stsc", 16, number),
        (b"stts", 12, number),
    ):
        at = damaged.index(box) + offset
        damaged[at : at + 4] = value.to_bytes(4)
    return bytes(damaged)

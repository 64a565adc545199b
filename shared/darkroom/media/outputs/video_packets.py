"""The packets of a video: whether all are there, and the frames of the first and last keyframe."""

from __future__ import annotations

from dataclasses import dataclass, field

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from darkroom.domain.outputs import CorruptOutput, DecodeBudgetExceeded

# A hole in a file consists of zeros. A packet of these codecs never does.
_CODECS_WITHOUT_ZEROS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "av1", "mpeg4", "prores")
_HOLE_BYTES_MIN = 8
# Four hours with 60 frames a second.
_INDEX_ENTRIES_MAX = 1_000_000


@dataclass(slots=True)
class Packets:
    """The packets of the shown stream. Times are in units of the stream's time base."""

    first_keyframe: Packet[Stream] | None = None
    last_keyframe: Packet[Stream] | None = None
    keyframe_times: list[int] = field(default_factory=list)
    start: int | None = None
    end: int = 0

    @property
    def length(self) -> int:
        """The time from the first packet to the end of the last packet."""
        return self.end - (self.start or 0)

    def add(self, packet: Packet[Stream]) -> None:
        """Add the next packet, in the order of the file."""
        at = packet.pts if packet.pts is not None else packet.dts or 0
        self.start = at if self.start is None else min(self.start, at)
        self.end = max(self.end, at + (packet.duration or 0))
        if packet.is_keyframe:
            self.first_keyframe = self.first_keyframe or packet
            self.last_keyframe = packet
            self.keyframe_times.append(at)


def read_packets(container: InputContainer, stream: VideoStream) -> Packets:
    """Read all packets of all streams. Raises CorruptOutput if one is cut, missing, or a hole."""
    packets = Packets()
    has_no_zeros = stream.codec_context.name in _CODECS_WITHOUT_ZEROS
    for packet in container.demux():
        if packet.is_corrupt:
            raise CorruptOutput(f"the packet at byte {packet.pos} is cut")
        if packet.stream_index != stream.index or not packet.size:
            continue
        if has_no_zeros and packet.size >= _HOLE_BYTES_MIN and not any(memoryview(packet)):
            raise CorruptOutput(f"the packet at byte {packet.pos} is a hole")
        packets.add(packet)
    _check_index(container)
    return packets


def decode_keyframes(
    container: InputContainer, stream: VideoStream, packets: Packets
) -> VideoFrame:
    """Decode the first and the last keyframe, and return the frame of the first.

    Raises CorruptOutput if a decoder finds an error in one, or if the video has no frame.
    """
    frame = _decode_alone(stream, packets.first_keyframe)
    if packets.last_keyframe is not packets.first_keyframe:
        # A keyframe where a gradual refresh begins has no frame of its own.
        _decode_alone(stream, packets.last_keyframe)
    if frame is None and packets.start is not None:
        container.seek(packets.start, stream=stream)
        frame = next(container.decode(stream), None)
    if frame is None:
        raise CorruptOutput("no frame")
    return frame


def _decode_alone(stream: VideoStream, packet: Packet[Stream] | None) -> VideoFrame | None:
    """Decode one packet, and drop the decoder's other frames. They would need much memory."""
    if packet is None:
        return None
    context = stream.codec_context
    frames = [*context.decode(packet), *context.decode(None)]
    context.flush_buffers()
    if any(frame.is_corrupt for frame in frames):
        raise CorruptOutput(f"the keyframe at byte {packet.pos} is damaged")
    return frames[0] if frames else None


def _check_index(container: InputContainer) -> None:
    """Raise CorruptOutput if the index of a stream names bytes after the end of the file.

    FFmpeg stops reading at such an entry, without an error.
    """
    for stream in container.streams:
        entries = stream.index_entries
        if len(entries) > _INDEX_ENTRIES_MAX:
            raise DecodeBudgetExceeded(f"{len(entries)} packets in the index")
        if container.size is None:
            return
        ends = (entry.pos + entry.size for entry in entries)
        if max(ends, default=0) > container.size:
            raise CorruptOutput("a packet is after the end of the file")

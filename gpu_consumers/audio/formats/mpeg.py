"""MPEG audio without a container: MP3 and ADTS frame headers, and the frame count that the first announces. Pure."""

from dataclasses import dataclass

FRAMES_IN_A_ROW = 4  # so many valid frames, each where the one before ends, are no chance

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
_KBPS = {
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # version 1, by layer bits
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """A frame header: the frame's size in bytes, and the properties that must be equal in the next frame."""

    size: int
    samples: int
    rate: int
    stream: tuple[int, ...]
    side_info: int = 0  # bytes between an MP3 header and the first granule


def frame_header(head: bytes, at: int = 0) -> FrameHeader | None:
    """The MP3 or ADTS frame that begins at `at`, None where there is none."""
    if len(head) < at + 7 or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return None
    return _adts(head, at) if head[at + 1] & 0xF6 == 0xF0 else _mp3(head, at)


def find_frames(data: bytes) -> int | None:
    """The position at which FRAMES_IN_A_ROW frames of one stream follow each other, None when there is none."""
    at = data.find(b"\xff")
    while at >= 0:
        if _in_a_row(data, at):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def announced_seconds(head: bytes) -> float | None:
    """The length that a Xing, Info or VBRI header in the first MP3 frame announces, None without one."""
    frame = frame_header(head)
    if frame is None or not frame.side_info:
        return None
    frames = 0
    xing = 4 + frame.side_info
    if head[xing : xing + 4] in (b"Xing", b"Info") and len(head) >= xing + 12 and head[xing + 7] & 1:
        frames = int.from_bytes(head[xing + 8 : xing + 12], "big")
    elif head[36:40] == b"VBRI":
        frames = int.from_bytes(head[50:54], "big")
    return frames * frame.samples / frame.rate if frames else None


def _in_a_row(data: bytes, at: int) -> bool:
    first = frame_header(data, at)
    frame = first
    for _ in range(FRAMES_IN_A_ROW - 1):
        if frame is None or first is None or frame.stream != first.stream:
            return False
        at += frame.size
        frame = frame_header(data, at)
    return frame is not None and first is not None and frame.stream == first.stream


def _mp3(head: bytes, at: int) -> FrameHeader | None:
    version, layer = head[at + 1] >> 3 & 3, head[at + 1] >> 1 & 3
    kbps_index, rate_index = head[at + 2] >> 4, head[at + 2] >> 2 & 3
    if version == 1 or layer == 0 or kbps_index in (0, 15) or rate_index == 3:
        return None
    first, rate = version == 3, _RATES[version][rate_index]
    samples = {3: 384, 2: 1152, 1: 1152 if first else 576}[layer]
    slot, padding = (4 if layer == 3 else 1), head[at + 2] >> 1 & 1
    size = (samples // 8 * _KBPS[first, layer][kbps_index - 1] * 1000 // rate // slot + padding) * slot
    mono = head[at + 3] >> 6 == 3
    side_info = (17 if mono else 32) if first else (9 if mono else 17)
    return FrameHeader(size, samples, rate, (version, layer, rate_index), side_info if layer == 1 else 0)


def _adts(head: bytes, at: int) -> FrameHeader | None:
    rate_index = head[at + 2] >> 2 & 15
    size = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
    if rate_index > 12 or size < 8:
        return None
    rates = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
    return FrameHeader(size, 1024, rates[rate_index], (rate_index, head[at + 2] >> 6, head[at + 3] >> 6))

"""Media type of a recording by its first bytes: names and types that clients give are untrusted. Pure."""

from dataclasses import dataclass

HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class MediaKind:
    """A type that players know, and the ending of its files."""

    content_type: str
    extension: str


_UNKNOWN = MediaKind("application/octet-stream", "bin")
_MAGIC = (
    (b"RIFF", 8, b"WAVE", MediaKind("audio/wav", "wav")),
    (b"fLaC", 0, b"", MediaKind("audio/flac", "flac")),
    (b"OggS", 0, b"", MediaKind("audio/ogg", "ogg")),
    (b"ID3", 0, b"", MediaKind("audio/mpeg", "mp3")),
    (b"FORM", 8, b"AIF", MediaKind("audio/aiff", "aiff")),
    (b"caff", 0, b"", MediaKind("audio/x-caf", "caf")),
    (b".snd", 0, b"", MediaKind("audio/basic", "au")),
    (b"\x1a\x45\xdf\xa3", 0, b"", MediaKind("video/webm", "webm")),
)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def kind_of(head: bytes) -> MediaKind:
    """The kind that begins with `head`; never one that a browser would run or show."""
    for magic, offset, more, kind in _MAGIC:
        if head.startswith(magic) and head[offset : offset + len(more)] == more:
            return kind
    if head[4:8] in _MP4_BOXES:
        return MediaKind("audio/mp4", "m4a") if head[8:11] == b"M4A" else MediaKind("video/mp4", "mp4")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # a sync word of MPEG; layer 0 is ADTS
        return MediaKind("audio/mpeg", "mp3") if head[1] & 0x06 else MediaKind("audio/aac", "aac")
    return _UNKNOWN

"""Media type of a recording by its first bytes: names and types that clients give are untrusted. Pure."""

from dataclasses import dataclass

HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class MediaKind:
    """A type that players know, and the endings of its files, the usual one first."""

    content_type: str
    extensions: tuple[str, ...]

    def extension_of(self, name: str) -> str:
        """The ending under which a file is handed out: its own if it is one of the kind's."""
        own = name.rpartition(".")[2].lower()
        return own if own in self.extensions else self.extensions[0]


_UNKNOWN = MediaKind("application/octet-stream", ("bin",))
_MAGIC = (
    (b"RIFF", 8, b"WAVE", MediaKind("audio/wav", ("wav", "wave"))),
    (b"fLaC", 0, b"", MediaKind("audio/flac", ("flac",))),
    (b"OggS", 0, b"", MediaKind("audio/ogg", ("ogg", "opus", "oga"))),
    (b"ID3", 0, b"", MediaKind("audio/mpeg", ("mp3",))),
    (b"FORM", 8, b"AIF", MediaKind("audio/aiff", ("aiff", "aif", "aifc"))),
    (b"caff", 0, b"", MediaKind("audio/x-caf", ("caf",))),
    (b".snd", 0, b"", MediaKind("audio/basic", ("au", "snd"))),
    (b"\x1a\x45\xdf\xa3", 0, b"", MediaKind("video/webm", ("webm", "mkv", "mka"))),
)
_SOUND_MP4 = MediaKind("audio/mp4", ("m4a", "m4b"))
_PICTURE_MP4 = MediaKind("video/mp4", ("mp4", "m4a", "m4v", "mov"))
_MP3, _AAC = MediaKind("audio/mpeg", ("mp3",)), MediaKind("audio/aac", ("aac",))
KINDS = (*dict.fromkeys(kind for *_, kind in _MAGIC), _SOUND_MP4, _PICTURE_MP4, _AAC, _UNKNOWN)
"""Every kind that there is."""
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def kind_of(head: bytes) -> MediaKind:
    """The kind that begins with `head`; never one that a browser would run or show."""
    for magic, offset, more, kind in _MAGIC:
        if head.startswith(magic) and head[offset : offset + len(more)] == more:
            return kind
    if head[4:8] in _MP4_BOXES:
        return _SOUND_MP4 if head[8:11] == b"M4A" else _PICTURE_MP4
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # a sync word of MPEG; layer 0 is ADTS
        return _MP3 if head[1] & 0x06 else _AAC
    return _UNKNOWN

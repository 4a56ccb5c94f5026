"""Which container a file is, by its first bytes: names and content types are a stranger's words."""

from dataclasses import dataclass

from schemas.errors import Permanent


@dataclass(frozen=True, slots=True)
class Container:
    """A container and the demuxers that may read it.

    `announces`: its header says how long it is; `index_last`: without its end it cannot be opened.
    """

    name: str
    demuxers: tuple[str, ...]
    announces: bool = False
    index_last: bool = False


WAV = Container("WAV", ("wav",))
WAVE64 = Container("Wave64", ("w64",))
FLAC = Container("FLAC", ("flac",), announces=True)
OGG = Container("Ogg", ("ogg",))
MP4 = Container("MP4", ("mov",), announces=True, index_last=True)
MATROSKA = Container("Matroska or WebM", ("matroska",), announces=True)
MP3 = Container("MP3", ("mp3",))
AAC = Container("AAC", ("aac",))
TAGGED = Container("MP3, AAC or FLAC with ID3 tags", ("mp3", "aac", "flac"))

LARGEST_WAV = 0x7FFFF000  # bytes; from here on a length stands for none
WAV_MISSING_BYTES = 32_000  # a second of 16 kHz

_MAGIC = (
    (b"RIFF", 8, b"WAVE", WAV),
    (b"RF64", 8, b"WAVE", WAV),
    (b"riff\x2e\x91\xcf\x11", 0, b"", WAVE64),
    (b"fLaC", 0, b"", FLAC),
    (b"OggS", 0, b"", OGG),
    (b"\x1a\x45\xdf\xa3", 0, b"", MATROSKA),
    (b"ID3", 0, b"", TAGGED),
)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def sniff(head: bytes) -> Container:
    """The container that begins with `head`; raises Permanent(media_empty) and Permanent(not_media)."""
    if not head:
        raise Permanent("media_empty")
    for magic, offset, more, container in _MAGIC:
        if head.startswith(magic) and head[offset : offset + len(more)] == more:
            return container
    if head[4:8] in _MP4_BOXES:
        return MP4
    if (elementary := _elementary(head)) is not None:
        return elementary
    raise Permanent("not_media", _looks_like(head))


def ends_early(head: bytes, size: int) -> bool:
    """Whether a WAV file of `size` bytes is shorter than its header says; the demuxer itself takes any length.

    Writers that cannot go back leave 0 or one of the largest numbers there.
    """
    if not head.startswith(b"RIFF"):
        return False
    announced = int.from_bytes(head[4:8], "little") + 8
    return 8 < announced < LARGEST_WAV and size < announced - max(WAV_MISSING_BYTES, announced // 50)


def _elementary(head: bytes) -> Container | None:
    if len(head) < 2 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:  # 12 bits of sync, layer 0: ADTS
        return AAC
    return MP3 if head[1] & 0xE0 == 0xE0 and head[1] & 0x06 else None


def _looks_like(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_MARKUP):
        return "it is a web page"
    if text.startswith((b"{", b"[")):
        return "it is JSON"
    if text.startswith(b"#ext"):
        return "it is a playlist"
    return "none of the known containers begins like this"

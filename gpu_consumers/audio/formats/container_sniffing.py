"""Detection of the container format by a file's first bytes, since names and content types are untrusted."""

from dataclasses import dataclass

from schemas.errors import Permanent


@dataclass(frozen=True, slots=True)
class Container:
    """A container and the demuxer that may read it.

    `announces`: its demuxer knows how long it is. `sequential`: its bytes lie in the order of time, so that a hole
    between two packets is damage. `clocked`: its time stamps go on behind damage, where others only count what they find.
    """

    name: str
    demuxer: str
    announces: bool = False
    sequential: bool = False
    clocked: bool = True


WAV = Container("WAV", "wav")
WAVE64 = Container("Wave64", "w64")
AIFF = Container("AIFF", "aiff")
CAF = Container("CAF", "caf")
AU = Container("AU", "au")
FLAC = Container("FLAC", "flac", sequential=True)
OGG = Container("Ogg", "ogg", sequential=True)
MP4 = Container("MP4", "mov", announces=True)
MATROSKA = Container("Matroska or WebM", "matroska", announces=True, sequential=True)
MP3 = Container("MP3", "mp3", clocked=False)
AAC = Container("AAC", "aac", clocked=False)

_MAGIC = (
    (b"RIFF", 8, b"WAVE", WAV),
    (b"RIFX", 8, b"WAVE", WAV),
    (b"RF64", 8, b"WAVE", WAV),
    (b"BW64", 8, b"WAVE", WAV),
    (b"riff\x2e\x91\xcf\x11", 0, b"", WAVE64),
    (b"FORM", 8, b"AIF", AIFF),
    (b"caff\x00\x01", 0, b"", CAF),
    (b".snd\x00", 0, b"", AU),
    (b"fLaC", 0, b"", FLAC),
    (b"OggS", 0, b"", OGG),
    (b"\x1a\x45\xdf\xa3", 0, b"", MATROSKA),
)
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def sniff(head: bytes) -> Container:
    """The container that begins with `head`; raises Permanent(media_empty) and Permanent(not_media)."""
    if not head:
        raise Permanent("media_empty")
    for magic, offset, more, container in _MAGIC:
        if head.startswith(magic) and head[offset : offset + len(more)] == more:
            return container
    if head[4:8] in MP4_BOXES:
        return MP4
    if (elementary := _elementary(head)) is not None:
        return elementary
    raise Permanent("not_media", text_kind(head) or "none of the known containers begins like this")


def _elementary(head: bytes) -> Container | None:
    if len(head) < 2 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:  # 12 bits of sync, layer 0: ADTS
        return AAC
    return MP3 if head[1] & 0xE0 == 0xE0 and head[1] & 0x06 else None


def text_kind(head: bytes) -> str | None:
    """The kind of a text file that holds no recording, None for anything else."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_MARKUP):
        return "it is a web page"
    if text.startswith((b"{", b"[")):
        return "it is JSON"
    return "it is a playlist" if text.startswith(b"#ext") else None

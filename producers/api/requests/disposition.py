"""File names in Content-Disposition: read from the part of a form, written for a download (RFC 6266, RFC 8187). Pure."""

import re
import unicodedata
from collections import Counter
from urllib.parse import quote, unquote_to_bytes

from schemas.requests.recording_names import safe_name

_PARAMETER = re.compile(r';\s*([\w!#$%&+\-^`|~.*]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL | re.ASCII)
# what browsers write in place of the three characters that would end a quoted name
_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
_MAX_STEM_BYTES = 200  # a file's name has 255
_EXTENSION = re.compile(r"(?<=[^.])\.[A-Za-z0-9]{1,5}$")
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*%]')  # some system keeps each of them for itself
_NAMELESS = "transcript"
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}


def has_file(header: bytes) -> bool:
    """Whether a part's Content-Disposition announces a file, in either form of its name."""
    return not _parameters(header).keys().isdisjoint(("filename", "filename*"))


def sent_name(header: bytes) -> str | None:
    """The safe form of the name in a part's Content-Disposition, None when it has none.

    `filename*` takes precedence; `filename` may be UTF-8, Latin-1, with quoted pairs or the escapes of browsers.
    """
    found = _parameters(header)
    for name in (_extended(found.get("filename*", "")), _plain(found.get("filename", ""))):
        if safe := safe_name(name):
            return safe
    return None


def attachment(recording: str, extension: str) -> str:
    """The Content-Disposition of a download that is named after a recording, with another extension."""
    stem = _NOT_IN_NAMES.sub("_", _EXTENSION.sub("", safe_name(recording) or ""))
    stem = stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore").strip(". ") or _NAMELESS
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().strip(". ") or _NAMELESS
    header = f'attachment; filename="{plain}.{extension}"'
    return header if plain == stem else f"{header}; filename*=UTF-8''{quote(f'{stem}.{extension}', safe='')}"


def repeated(header: bytes) -> str | None:
    """A parameter that is repeated in a header, which readers would interpret differently; None if none is."""
    names = Counter(name.lower() for name, _ in _PARAMETER.findall(header.decode("latin-1")))
    return next((name for name, times in names.items() if times > 1), None)


def _parameters(header: bytes) -> dict[str, str]:
    """Names in lower case and raw values, each byte a character; of a repeated name the first counts."""
    found: dict[str, str] = {}
    for name, value in _PARAMETER.findall(header.decode("latin-1")):
        found.setdefault(name.lower(), value.strip())
    return found


def _plain(value: str) -> str:
    text = _text(_unquoted(value).encode("latin-1"))
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    return text


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    # a backslash before anything but a quote or another one is part of a path of Windows
    return re.sub(r'\\(["\\])', r"\1", value[1:-1]) if not re.match(r'"(\w:\\|\\\\)', value) else value[1:-1]


def _extended(value: str) -> str:
    charset, _, rest = value.strip('"').partition("'")
    encoded = rest.partition("'")[2]
    if charset.lower() not in _CHARSETS or not encoded.isascii():
        return ""
    return unquote_to_bytes(encoded).decode(_CHARSETS[charset.lower()], "replace")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")

"""The headers of a form's part: its name, and its file name if it is a file. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from producers.api.requests.disposition import has_file, repeated, sent_name
from producers.inputs.validation_errors import refused
from schemas.errors import Rejected
from schemas.vocabulary.findings import MAX_NAME_CHARS

_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")
_UTF_8 = (b"utf-8", b"utf8", b"us-ascii", b"ascii")


@dataclass(frozen=True, slots=True)
class PartHead:
    """A part's name, whether it is a file, and its file name; None: no name that could be shown."""

    name: str
    is_file: bool = False
    file_name: str | None = None

    @property
    def shown(self) -> str:
        """The name as shown in answers."""
        return self.name[:MAX_NAME_CHARS] or "body"


def read_part(headers: Mapping[bytes, bytes]) -> PartHead:
    """The head of a part from its headers (names in lower case); raises Rejected(invalid_request) if it is invalid."""
    disposition = headers.get(b"content-disposition", b"")
    kind, options = parse_options_header(disposition.decode("latin-1"))
    if kind != b"form-data" or b"name" not in options:
        raise wrong("body", 'a part has no header such as Content-Disposition: form-data; name="language"')
    if twice := repeated(disposition):
        raise wrong("body", f"a part has {twice} in its Content-Disposition more than once")
    part = PartHead(_text(options[b"name"]), has_file(disposition), sent_name(disposition))
    _check_body(part, headers)
    return part


def _check_body(part: PartHead, headers: Mapping[bytes, bytes]) -> None:
    """Raise Rejected for a body that is encoded, a nested form, or text in another charset than UTF-8."""
    for name in (b"content-transfer-encoding", b"content-encoding"):
        if headers.get(name, b"").strip().lower() not in (*_PLAIN_ENCODINGS, b"identity"):
            raise wrong(part.shown, f"{name.decode().title()} is not known in forms: send the bytes as they are")
    kind, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if kind.startswith(b"multipart/"):
        raise wrong(part.shown, "is a form within a form: send each part by itself")
    if not part.is_file and options.get(b"charset", b"utf-8").lower() not in _UTF_8:
        raise wrong(part.shown, "must be UTF-8, and its Content-Type names another charset")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def wrong(field: str, message: str) -> Rejected:
    """The error for a field of a form."""
    return refused([(("body", field), message)])

"""Multipart forms as they arrive: small fields are kept, the one file is handed on piece by piece. No I/O."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from schemas.errors import Rejected
from schemas.findings import text_of
from schemas.nearest import unknown

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD = "file"
MAX_NAME_CHARS = 64  # of a wrong name, told back
MAX_FIELD_BYTES = 256 * 1024  # all fields together


class MultipartForm:
    """Feed it the body, take the file's bytes out; raises Rejected for whatever is not as it should be."""

    def __init__(self, content_type: str, max_file_bytes: int, names: Collection[str]) -> None:
        """`content_type` is the request's header; `max_file_bytes` the limit of the file; `names` those of fields."""
        self.fields: dict[str, str] = {}
        self.file_begun = self.file_ended = False
        self._max_file_bytes = max_file_bytes
        self._names = names
        self._file_bytes = self._field_bytes = 0
        self._taken = bytearray()
        self._name, self._is_file = "", False
        self._header_name, self._disposition, self._header = b"", b"", b""
        self._value = bytearray()
        self._complete = False
        self._parser = MultipartParser(_boundary(content_type), _callbacks(self))

    def feed(self, chunk: bytes) -> None:
        """Read more of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _invalid(f"the form cannot be read: {error}") from error

    def take(self) -> bytes:
        """What has come of the file since the last call."""
        taken, self._taken = bytes(self._taken), bytearray()
        return taken

    def finish(self) -> None:
        """Check that the form has come to its end and had a file."""
        if not self._complete:
            raise Rejected("media_truncated", "the form ends before its last boundary")
        if not self.file_begun:
            raise _invalid(f"there is no part named '{FILE_FIELD}' with a file name", FILE_FIELD)

    def on_part_begin(self) -> None:
        """A new part; its headers come next."""
        self._disposition, self._value = b"", bytearray()

    def on_header_begin(self) -> None:
        """A new header of a part."""
        self._header_name, self._header = b"", b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._header += data[start:end]

    def on_header_end(self) -> None:
        """Only one header matters."""
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header

    def on_headers_finished(self) -> None:
        """Now it is known what the part is."""
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = b"filename" in options
        if self._is_file and self._name != FILE_FIELD:
            raise _invalid(f"a file belongs into the part '{FILE_FIELD}'", self._name[:MAX_NAME_CHARS])
        # known names, each once, limit the parts as well
        if self._name != FILE_FIELD and self._name not in self._names:
            raise _invalid(unknown("field", self._name, self._names), self._name[:MAX_NAME_CHARS] or "body")
        if self._name in self.fields or (self._name == FILE_FIELD and (self.file_begun or not self._is_file)):
            raise _invalid("may be there once, and the file only with a file name", self._name)
        self.file_begun = self.file_begun or self._is_file

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of a field or of the file."""
        if not self._is_file:
            self._field_bytes += end - start
            if self._field_bytes > MAX_FIELD_BYTES:
                raise Rejected("request_too_large", f"at most {MAX_FIELD_BYTES} bytes in fields")
            self._value += data[start:end]
            return
        self._file_bytes += end - start
        if self._file_bytes > self._max_file_bytes:
            raise Rejected("media_too_large", f"at most {self._max_file_bytes} bytes")
        self._taken += data[start:end]

    def on_part_end(self) -> None:
        """A field is whole, or the file is."""
        if self._is_file:
            self.file_ended = True
            return
        try:
            self.fields[self._name] = self._value.decode()
        except UnicodeDecodeError:
            raise _invalid("is not UTF-8", self._name) from None

    def on_end(self) -> None:
        """The last boundary."""
        self._complete = True


def _callbacks(form: MultipartForm) -> "MultipartCallbacks":
    return {
        "on_part_begin": form.on_part_begin,
        "on_part_data": form.on_part_data,
        "on_part_end": form.on_part_end,
        "on_header_begin": form.on_header_begin,
        "on_header_field": form.on_header_field,
        "on_header_value": form.on_header_value,
        "on_header_end": form.on_header_end,
        "on_headers_finished": form.on_headers_finished,
        "on_end": form.on_end,
    }


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise _invalid("Content-Type must be multipart/form-data with a boundary")
    return options[b"boundary"]


def _invalid(message: str, field: str = "body") -> Rejected:
    found = {"field": field, "message": message}
    return Rejected("invalid_request", text_of([found]), (found,))

"""Incremental parser of multipart forms: small fields are kept, the one file is passed on in pieces. No I/O."""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from producers.api.requests.form_parts import PartHead, read_part, wrong
from schemas.errors import Rejected
from schemas.vocabulary.nearest import unknown

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD = "file"
MAX_FIELD_BYTES = 256 * 1024  # all fields together
MAX_PART_HEADER_BYTES = 16 * 1024  # of a file's name the end of its path is kept, whatever is before it
MAX_FRAME_BYTES = 256 * 1024  # boundaries, headers of parts, and what stands before and behind them
MAX_VALUES = 64  # of one list

# it would warn of every form that cannot be read, which is its sender's affair
logging.getLogger("python_multipart").setLevel(logging.ERROR)


class MultipartForm:
    """Parser that is fed the body and returns the bytes of the file; raises Rejected for an invalid form."""

    def __init__(
        self,
        content_type: str,
        max_file_bytes: int,
        names: Collection[str],
        *,
        lists: Collection[str] = (),
        ignores_others: bool = False,
    ) -> None:
        """`content_type` is the request's header; `max_file_bytes` the limit of the file; `names` those of fields.

        Fields of `lists` may be given several times. With `ignores_others` fields of other names are no error.
        """
        self.fields: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.file_begun = self.file_ended = False
        self.file_name: str | None = None
        self._max_file_bytes = max_file_bytes
        self._names = names
        self._list_names = lists
        self._ignores_others = ignores_others
        self._bytes = self._file_bytes = self._field_bytes = 0
        self._taken = bytearray()
        self._part = PartHead("")
        self._ignored = False
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header = bytearray(), bytearray()
        self._value = bytearray()
        self._complete = False
        self._parser = _parser(content_type, _callbacks(self))

    def feed(self, chunk: bytes) -> None:
        """Parse more of the body."""
        self._bytes += len(chunk)
        if self._bytes > self._max_file_bytes + MAX_FIELD_BYTES + MAX_FRAME_BYTES:
            raise Rejected("media_too_large", f"at most {self._max_file_bytes} bytes")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            if "header size" in str(error):
                most = f"a header of a part, such as that with the file's name, has more than {MAX_PART_HEADER_BYTES} bytes"
                raise wrong("body", most) from error
            raise wrong("body", f"the form cannot be read: {error}") from error

    def take(self) -> bytes:
        """The bytes of the file since the last call."""
        taken, self._taken = bytes(self._taken), bytearray()
        return taken

    def finish(self) -> None:
        """Check that the form is complete and contains a file."""
        if not self._complete:
            raise Rejected("media_truncated", "the form ends before its last boundary")
        if not self.file_begun:
            raise wrong(FILE_FIELD, f"there is no part named '{FILE_FIELD}' with a file name")

    def on_part_begin(self) -> None:
        """Start a part; its headers come next."""
        self._headers, self._value = {}, bytearray()

    def on_header_begin(self) -> None:
        """Start a header of a part."""
        self._header_name, self._header = bytearray(), bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Append to a header's name."""
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Append to a header's value."""
        self._header += data[start:end]

    def on_header_end(self) -> None:
        """Store a complete header; the parser limits its length and their number."""
        name = bytes(self._header_name).lower()
        if name in self._headers:
            raise wrong("body", f"a part has the header {name.decode('latin-1').title()} more than once")
        self._headers[name] = bytes(self._header)

    def on_headers_finished(self) -> None:
        """Check the part by its complete headers."""
        part = self._part = read_part(self._headers)
        known = part.name in (FILE_FIELD, *self._names, *self._list_names)
        self._ignored = self._ignores_others and not known
        if self._ignored:
            return
        if part.is_file and part.name != FILE_FIELD:
            raise wrong(part.shown, f"a file belongs into the part '{FILE_FIELD}'")
        # known names, each once or a few times, limit the parts as well
        if not known:
            raise wrong(part.shown, unknown("field", part.name, self._names))
        if part.name in self.fields or (part.name == FILE_FIELD and self.file_begun):
            raise wrong(part.name, "is given more than once")
        if len(self.lists.get(part.name, ())) == MAX_VALUES:
            raise wrong(part.name, f"is given more than {MAX_VALUES} times")
        if part.name == FILE_FIELD and not part.is_file:
            raise wrong(FILE_FIELD, 'must be a file: filename="..." is missing in its Content-Disposition')
        if part.is_file:
            self.file_begun, self.file_name = True, part.file_name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Append to a field or to the file."""
        if self._ignored:
            return
        if not self._part.is_file:
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
        """End a field or the file."""
        if self._ignored:
            return
        if self._part.is_file:
            self.file_ended = True
            return
        try:
            value = self._value.decode()
        except UnicodeDecodeError:
            raise wrong(self._part.name, "is not UTF-8") from None
        if self._part.name in self._list_names:
            self.lists.setdefault(self._part.name, []).append(value)
        else:
            self.fields[self._part.name] = value

    def on_end(self) -> None:
        """Note the final boundary."""
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


def _parser(content_type: str, callbacks: "MultipartCallbacks") -> MultipartParser:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise wrong("Content-Type", "must be multipart/form-data with a boundary")
    if not boundary.isascii() or not boundary.decode().isprintable():
        raise wrong("Content-Type", "its boundary must be printable ASCII")
    try:
        return MultipartParser(boundary, callbacks, max_header_size=MAX_PART_HEADER_BYTES)
    except FormParserError as error:
        raise wrong("Content-Type", f"its boundary cannot be used: {error}") from error

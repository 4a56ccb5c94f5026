"""Server-sent events (WHATWG HTML, section 9.2) from pieces of bytes. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # an \r at the end of a piece may be half an end


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event; one without a name and data is a sign of life."""

    name: str
    data: str
    event_id: str


@dataclass(slots=True)
class EventParser:
    """A parser of one stream; `event_id` is the last id of this stream or of the one before, `retry_seconds` its pause."""

    event_id: str = ""
    retry_seconds: float = 1.0
    _rest: bytes = field(default=b"", init=False)
    _name: str = field(default="", init=False)
    _data: list[str] = field(default_factory=list, init=False)
    _next_id: str | None = field(default=None, init=False)

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that end within a piece."""
        *lines, self._rest = _LINE_END.split(self._rest + piece)
        for line in lines:
            if not line:
                yield self._finished()
            else:
                self._take(line.decode(errors="replace"))

    def restart(self) -> None:
        """Forget what was not finished when the stream was cut."""
        self._rest = b""
        self._begin()

    def _finished(self) -> ServerEvent:
        # an id counts once its event is whole, else an event that was cut off would be passed over
        self.event_id = self.event_id if self._next_id is None else self._next_id
        event = ServerEvent(self._name, "\n".join(self._data), self.event_id)
        self._begin()
        return event

    def _begin(self) -> None:
        self._name, self._data, self._next_id = "", [], None

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._next_id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_seconds = int(value) / 1000

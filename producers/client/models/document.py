"""Base of all values of the service: attributes by their annotations, read from JSON.

Not dataclasses, of which each costs a millisecond of a program's start.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

Reader = Callable[[Any], Any]
_MISSING = object()


class Document:
    """A value of the service. Its attributes are what this version knows, `raw` is all that the server sent.

    A field that is not known is passed over; one that is missing has the default of its class, else it is an error.
    """

    SECRET: ClassVar[frozenset[str]] = frozenset()
    """Attributes that `repr` hides."""

    raw: Mapping[str, Any]

    def __init__(self, raw: Mapping[str, Any]) -> None:
        values = {name: read(raw, name) for name, read in _fields(self._kind).items()}
        self.__dict__.update(values, raw=raw)

    @property
    def _kind(self) -> type:
        return type(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.raw == other.raw

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in _fields(self._kind)}
        values = (f"{name}={'…' if name in self.SECRET else repr(value)}" for name, value in shown.items())
        return f"{type(self).__name__}({', '.join(values)})"


@cache
def _fields(cls: type) -> dict[str, Callable[[Mapping[str, Any], str], Any]]:
    """The reader of each attribute, from the whole value."""
    hints = {
        name: hint for name, hint in get_type_hints(cls).items() if name != "raw" and get_origin(hint) is not ClassVar
    }
    return {name: _field(_reader(hint), getattr(cls, name, _MISSING)) for name, hint in hints.items()}


def _field(read: Reader, default: object) -> Callable[[Mapping[str, Any], str], Any]:
    def field(raw: Mapping[str, Any], name: str) -> Any:
        if name not in raw and default is not _MISSING:
            return default
        return read(raw[name])

    return field


def _reader(hint: Any) -> Reader:
    """The reader of values that a type hint describes."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        read = _reader(inner)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        read = _reader(arguments[0])
        return lambda values: tuple(read(value) for value in values)
    if hint in (datetime, date):
        return hint.fromisoformat  # type: ignore[no-any-return]
    if hint in (UUID, float) or (isinstance(hint, type) and issubclass(hint, Document)):
        return hint  # type: ignore[no-any-return]
    return lambda value: value

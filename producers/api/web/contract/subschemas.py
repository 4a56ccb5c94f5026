"""Whether all values of one JSON schema fit another one, and where not: as much of the language as our documents use. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Schemas = Mapping[str, Json]
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


@dataclass(frozen=True, slots=True)
class Misfit:
    """A way in which a value of the one may not fit the other; `path` is empty, or begins with a dot."""

    path: str
    message: str
    is_new_value: bool = False
    """Whether it is a value that an enumeration has not."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def misfits(inner: Json, inner_schemas: Schemas, outer: Json, outer_schemas: Schemas, *, closed: bool) -> list[Misfit]:
    """All ways in which a value of `inner` may not fit `outer`.

    `closed`: whether a field that `outer` does not know is a misfit, as in a request; otherwise one that `inner` has no
    more is one, as in an answer.
    """
    comparison = _Comparison(inner_schemas, outer_schemas, closed, set())
    return list(dict.fromkeys(comparison.of_any(inner, outer, "")))


@dataclass(frozen=True, slots=True)
class _Comparison:
    inner: Schemas
    outer: Schemas
    closed: bool
    seen: set[tuple[str, str]]

    def of_any(self, inner: Json, outer: Json, path: str) -> Iterator[Misfit]:
        """The misfits of schemas that may be references, or have variants."""
        pair = (inner.get("$ref", ""), outer.get("$ref", ""))
        if all(pair):
            if pair in self.seen:
                return
            self.seen.add(pair)
        choices = _variants(inner, self.inner)
        others = _variants(outer, self.outer)
        for choice in choices:
            yield from self._in_one(choice, others, path)

    def _in_one(self, choice: Json, others: list[Json], path: str) -> Iterator[Misfit]:
        """The misfits of a variant to the one that it fits best: that of its type."""
        alike = [other for other in others if not _types(choice) or _types(choice) & (_types(other) or _types(choice))]
        if not alike:
            if others and _types(choice):
                yield self._not_taken(path, "/".join(sorted(_types(choice))))
            return
        yield from min((list(self._plain(choice, other, path)) for other in alike), key=len)

    def _plain(self, inner: Json, outer: Json, path: str) -> Iterator[Misfit]:
        if outer_types := _types(outer):
            if extra := _types(inner) - outer_types:
                yield self._not_taken(path, "/".join(sorted(extra)))
            elif not _types(inner):
                yield self._not_taken(path, f"anything but {'/'.join(sorted(outer_types))}")
        yield from self._values(inner, outer, path)
        yield from self._limits(inner, outer, path)
        yield from self._fields(inner, outer, path)
        if "items" in inner and "items" in outer:
            yield from self.of_any(inner["items"], outer["items"], f"{path}[]")
        inner_more, outer_more = inner.get("additionalProperties"), outer.get("additionalProperties")
        if isinstance(inner_more, dict) and isinstance(outer_more, dict):
            yield from self.of_any(inner_more, outer_more, f"{path}.*")

    def _fields(self, inner: Json, outer: Json, path: str) -> Iterator[Misfit]:
        fields, known = inner.get("properties", {}), outer.get("properties", {})
        if not fields and not known:
            return
        missing = (fields.keys() - known.keys()) if self.closed else (known.keys() - fields.keys())
        yield from (Misfit(f"{path}.{name}", "is gone") for name in sorted(missing))
        for name in outer.get("required", ()):
            if name not in inner.get("required", ()) and name not in missing:
                yield Misfit(f"{path}.{name}", "is required" if self.closed else "may be missing")
        for name in fields.keys() & known.keys():
            yield from self.of_any(fields[name], known[name], f"{path}.{name}")

    def _values(self, inner: Json, outer: Json, path: str) -> Iterator[Misfit]:
        own, known = _enumerated(inner), _enumerated(outer)
        if known is not None and own is None:
            yield self._not_taken(path, f"other values than {', '.join(map(str, known))}")
        elif known is not None and own is not None:
            yield from (self._not_taken(path, repr(value), is_new_value=True) for value in own if value not in known)

    def _limits(self, inner: Json, outer: Json, path: str) -> Iterator[Misfit]:
        weaker = [name for name in _LEAST if name in outer and inner.get(name, float("-inf")) < outer[name]]
        weaker += [name for name in _MOST if name in outer and inner.get(name, float("inf")) > outer[name]]
        weaker += [name for name in ("pattern", "format") if name in outer and inner.get(name) != outer[name]]
        for name in weaker:
            own, limit = inner.get(name, "none"), outer[name]
            before, after = (own, limit) if self.closed else (limit, own)
            yield Misfit(path, f"its {name} is {after}, not {before}")

    def _not_taken(self, path: str, what: str, *, is_new_value: bool = False) -> Misfit:
        """A kind of value that a request may no longer have, or that an answer had not before."""
        return Misfit(path, f"takes no {what} any more" if self.closed else f"may be {what}", is_new_value)


def _variants(schema: Json, schemas: Schemas) -> list[Json]:
    """The schemas of which a value fits one, without references."""
    if reference := schema.get("$ref"):
        return _variants(schemas[reference.rpartition("/")[2]], schemas)
    if choices := (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        return [variant for choice in choices for variant in _variants(choice, schemas)]
    return [schema]


def _types(schema: Json) -> set[str]:
    found = schema.get("type", [])
    types = {found} if isinstance(found, str) else set(found)
    return types | {"integer"} if "number" in types else types


def _enumerated(schema: Json) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found

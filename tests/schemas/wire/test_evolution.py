"""Which new fields an older schema lacks, and when an event can do without them."""

from typing import Any

import pytest

from schemas.wire.evolution import EACH, NewField, new_fields, without


def record(name: str, *fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


NEW = field("new", ["null", "string"], default=None)
INNER, GROWN = record("Inner", field("a", "int")), record("Inner", field("a", "int"), NEW)


@pytest.mark.parametrize(
    ("schema", "older", "paths"),
    [
        (INNER, INNER, []),
        (GROWN, INNER, [("new",)]),
        (record("O", field("i", GROWN)), record("O", field("i", INNER)), [("i", "new")]),
        (record("O", field("i", ["null", GROWN])), record("O", field("i", ["null", INNER])), [("i", "new")]),
        (
            record("O", field("i", {"type": "array", "items": GROWN})),
            record("O", field("i", {"type": "array", "items": INNER})),
            [("i", EACH, "new")],
        ),
        (  # written out once and named from then on
            record("O", field("i", GROWN), field("j", "Inner")),
            record("O", field("i", INNER), field("j", "Inner")),
            [("i", "new"), ("j", "new")],
        ),
    ],
)
def test_fields_with_a_default_are_found_wherever_they_are(
    schema: dict[str, Any], older: dict[str, Any], paths: list[tuple[str, ...]]
) -> None:
    assert new_fields(schema, older) == tuple(NewField(path, None) for path in paths)


MAP = {"type": "map", "values": INNER}


@pytest.mark.parametrize(
    ("schema", "older"),
    [
        (INNER, GROWN),  # a field that is gone
        (record("Inner", field("a", "int"), field("b", "int")), INNER),  # without a default
        (record("Inner", field("a", "long")), INNER),
        (record("O", field("i", {"type": "map", "values": GROWN})), record("O", field("i", MAP))),
        (record("O", field("i", ["null", "int", "string"])), record("O", field("i", ["null", "int"]))),
        (
            record("O", field("e", {"type": "enum", "name": "E", "symbols": ["A", "B"]})),
            record("O", field("e", {"type": "enum", "name": "E", "symbols": ["A"]})),
        ),
    ],
)
def test_any_other_difference_needs_the_newer_schema(schema: dict[str, Any], older: dict[str, Any]) -> None:
    assert new_fields(schema, older) is None


def test_an_event_loses_only_what_says_nothing() -> None:
    fields = (NewField(("i", "new"), None), NewField(("n",), 0))
    silent: dict[str, Any] = {"i": {"a": 1, "new": None}, "n": 0}
    assert without(silent, fields)
    assert silent == {"i": {"a": 1}}
    absent: dict[str, Any] = {"i": None, "n": 0}
    assert without(absent, fields)
    assert absent == {"i": None}
    used: dict[str, Any] = {"i": {"a": 1, "new": "x"}, "n": 0}
    assert not without(used, fields)
    assert used == {"i": {"a": 1, "new": "x"}, "n": 0}


def test_of_a_list_every_item_counts() -> None:
    fields = (NewField(("i", EACH, "new"), None),)
    silent: dict[str, Any] = {"i": [{"a": 1, "new": None}, {"a": 2, "new": None}]}
    assert without(silent, fields)
    assert silent == {"i": [{"a": 1}, {"a": 2}]}
    used: dict[str, Any] = {"i": [{"a": 1, "new": None}, {"a": 2, "new": "x"}]}
    assert not without(used, fields)
    assert used["i"][0] == {"a": 1, "new": None}
    assert without({"i": []}, fields)

"""JSON that only some readers understand is refused, and the place is named."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.inputs.strict_json import MAX_DEPTH, MAX_DIGITS, MAX_NAMES, read_json
from producers.inputs.validation_errors import MAX_FINDINGS
from schemas.errors import Rejected

WRONG: list[tuple[bytes, list[str], str]] = [
    (b'{"a": 1, "a": 2}', ["a"], "more than once"),
    (b'{"a": 1, "\\u0061": 2}', ["a"], "more than once"),
    (b'{"metadata": {"crm": "1", "crm": "1"}}', ["metadata.crm"], "more than once"),
    (b'[{"a": {}}, {"a": [{"b": 1, "b": 1}]}]', ["1.a.0.b"], "more than once"),
    (b'{"a": 1, "b": 2, "a": 3, "b": 4}', ["a", "b"], "more than once"),
    (b'{"a": NaN, "b": [Infinity, -Infinity]}', ["a", "b.0", "b.1"], "no number of JSON"),
    (b'{"a": 1e999, "b": -1e999}', ["a", "b"], "larger than any number"),
    (b'{"a": ' + b"9" * (MAX_DIGITS + 1) + b"}", ["a"], "more digits"),
    (b"9" * 1_000_000, ["body"], "more digits"),
    (b'{"a": "\\ud800"}', ["a"], "half of a character"),
    (b'{"a": "\\udc00\\ud800"}', ["a"], "half of a character"),
    (b'{"\\uDFFF": 1}', ["?"], "half of a character"),
    (b"\xef\xbb\xbf{}", ["body"], "byte-order mark"),
    ("{}".encode("utf-16"), ["body"], "byte-order mark"),
    ("{}".encode("utf-16-be"), ["body"], "send UTF-8"),
    ("{}".encode("utf-32-le"), ["body"], "send UTF-8"),
    (b'{"a": "\xff"}', ["body"], "not UTF-8 at byte 7"),
    ('{"a": "é"}'.encode("latin-1"), ["body"], "not UTF-8"),
    (b'{"a": "\xed\xa0\x80"}', ["body"], "not UTF-8"),
    (b"", ["body"], "not JSON"),
    (b"{'a': 1}", ["body"], "not JSON"),
    (b'{"a": 1,}', ["body"], "not JSON"),
    (b'{"a": 1} {}', ["body"], "not JSON"),
    (b'{"a": "\n"}', ["body"], "not JSON"),
    (b'{"a": 01}', ["body"], "not JSON"),
    (b"[" * 200_000, ["body"], "nested too deeply"),
    (b'{"a":' * 200_000, ["body"], "nested too deeply"),
    (b"[" * 900 + b'{"a":NaN}' + b"]" * 900, ["body"], "nested too deeply"),
    (b"[" * (MAX_DEPTH - 1) + b'{"a":NaN}' + b"]" * (MAX_DEPTH - 1), [".".join("0" * 8)], "no number of JSON"),
    (b'[{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}]", ["body"], "nested too deeply"),
    (b'{"a": {' + b",".join(b'"%d":1' % name for name in range(MAX_NAMES + 1)) + b"}}", ["a"], "more than 1000 names"),
]


@pytest.mark.parametrize(("text", "fields", "message"), WRONG, ids=range(len(WRONG)))
def test_what_readers_take_differently_is_refused(text: bytes, fields: list[str], message: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_json(text)
    assert caught.value.code == "invalid_request"
    assert [item["field"] for item in caught.value.errors] == fields
    assert all(message in item["message"] for item in caught.value.errors)
    assert json.dumps(caught.value.errors, ensure_ascii=False).encode()


MANY: dict[str, bytes] = {
    "numbers": b'{"a":' * 30 + b"[" + b",".join([b"NaN"] * 64_000) + b"]" + b"}" * 30,
    "numbers too deep": b'{"a":' * 900 + b"[" + b",".join([b"NaN"] * 64_000) + b"]" + b"}" * 900,
    "halves": b"[" + b",".join([b'"\\ud800"'] * 25_000) + b"]",
    "names": b"[" + b",".join([b'{"a":1,"a":1}'] * 18_000) + b"]",
}


@pytest.mark.parametrize("name", MANY)
def test_only_as_many_places_are_looked_for_as_are_told(name: str) -> None:
    """A stranger's mistakes cost no more memory than the text itself."""
    tracemalloc.start()
    with pytest.raises(Rejected) as caught:
        read_json(MANY[name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 1 <= len(caught.value.errors) <= MAX_FINDINGS
    assert peak < 100 * len(MANY[name])


def test_the_place_of_the_text_itself_comes_first() -> None:
    with pytest.raises(Rejected) as caught:
        read_json(b'{"a": 1, "a": 2}', ("metadata",))
    assert caught.value.errors == ({"field": "metadata.a", "message": "is given more than once"},)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, st.booleans())
def test_what_everybody_reads_the_same_is_read_the_same_here(value: Any, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_json_or_rejected(data: bytes) -> None:
    with suppress(Rejected):
        read_json(data)

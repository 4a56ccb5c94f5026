"""What an Idempotency-Key may look like, and the id that it gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.api.requests.idempotency import MAX_CHARS, chosen_id, id_of, read_key
from schemas.errors import Rejected

UUID_TEXT = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (UUID_TEXT, UUID_TEXT),
        (f'"{UUID_TEXT}"', UUID_TEXT),
        (f"  {UUID_TEXT}  ", UUID_TEXT),
        ('"with space"', "with space"),
        (r'"a \"quoted\" \\ one"', r'a "quoted" \ one'),
        ("order/17:first", "order/17:first"),
        ("k" * MAX_CHARS, "k" * MAX_CHARS),
    ],
)
def test_quoted_or_bare_a_key_is_the_same(line: str, key: str) -> None:
    assert read_key([line]) == key


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["   "],
        ['""'],
        ["k" * (MAX_CHARS + 1)],
        [f'"{"k" * (MAX_CHARS + 1)}"'],
        ["two words"],
        ["tab\tin it"],
        ["שלום"],
        ["\x7f"],
        ["\x00"],
        ['"open'],
        ['"inner"quote"'],
        [r'"wrong \escape"'],
        ["one", "one"],
        ["one", "two"],
    ],
)
def test_any_other_is_refused(lines: list[str]) -> None:
    with pytest.raises(Rejected) as caught:
        read_key(lines)
    assert [item["field"] for item in caught.value.errors] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b", "in quotation marks"),
        ("k1, k1", "in quotation marks"),
        ('"open', "in quotation marks"),
        ("", "1 to 255"),
        ("k" * (MAX_CHARS + 1), "1 to 255"),
        ("tab\tin it", "printable ASCII"),
    ],
)
def test_it_is_told_what_is_wrong_with_it(line: str, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_key([line])
    assert message in caught.value.errors[0]["message"]


def test_without_a_header_there_is_no_key() -> None:
    assert read_key([]) is None
    assert chosen_id(None, "acme", "job", None, "job_id") is None


@given(st.lists(st.text("ab\n", max_size=3), min_size=3, max_size=3), st.lists(st.text("ab\n", max_size=3), min_size=3))
def test_an_id_is_of_one_tenant_kind_and_key(one: list[str], other: list[str]) -> None:
    """Names of tenants and kinds have no line breaks, keys may have anything."""
    first, second = ([part.replace("\n", "") for part in parts[:2]] + [parts[2]] for parts in (one, other))
    assert (id_of(*first) == id_of(*second)) == (first == second)

"""Ids as people write them: cut off anywhere, in any case, and never the wrong one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.inputs.id_prefix import LEAST_DIGITS, MOST_NAMED, Ambiguous, IdPrefix, only_one
from schemas.errors import Rejected

ID = UUID("0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11")


@pytest.mark.parametrize(
    "text",
    [
        str(ID),
        ID.hex,
        str(ID).upper(),
        f"  {ID}\n",
        f"{{{ID}}}",
        ID.urn,
        "0b7e",
        "0B7E1D0A-",
        "0b7e1d0a-6b1f-4d…",
        "0b7e1d0a-6b...",
    ],
)
def test_what_is_copied_from_anywhere_is_taken(text: str) -> None:
    prefix = IdPrefix.parse(text)
    assert prefix.begins(ID)
    assert prefix.first <= ID <= prefix.last
    assert prefix.whole == (ID if len(prefix.digits) == 32 else None)


@given(st.uuids(), st.integers(LEAST_DIGITS, 31), st.uuids())
def test_a_beginning_holds_exactly_the_ids_that_begin_so(identity: UUID, digits: int, other: UUID) -> None:
    prefix = IdPrefix.parse(str(identity)[: digits + digits // 8])
    for each in (identity, other):
        assert prefix.begins(each) == (prefix.first <= each <= prefix.last) == str(each.hex).startswith(prefix.digits)
    assert not prefix.begins(None)


@pytest.mark.parametrize("text", ["", "0b7", "0b7g", "-", "…", "call-17", "0" * 33, "https://acme.example/", "٠٠٠٠"])
def test_what_begins_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither an id nor the first 4"):
        IdPrefix.parse(text)


def test_only_one_is_taken() -> None:
    prefix = IdPrefix.parse("0b7e")
    assert only_one(prefix, {ID: "queued"}, "job") == ID
    with pytest.raises(Rejected, match="no job begins with '0b7e'"):
        only_one(prefix, {}, "job")
    many = {UUID(int=ID.int + n): f"queued {'x' * 40}" for n in range(MOST_NAMED + 1)}
    for found, more in ((dict(list(many.items())[:2]), False), ({ID: ""}, True), (many, False)):
        with pytest.raises(Ambiguous) as caught:
            only_one(prefix, found, "job", more=more)
        lines = str(caught.value).splitlines()
        assert lines[0] == "several begin with '0b7e', write more of it:"
        named = [str(each) for each in found][:MOST_NAMED]
        assert [line.split()[0] for line in lines[1 : 1 + len(named)]] == named
        assert (lines[-1] == "  and others") == (more or len(found) > MOST_NAMED)

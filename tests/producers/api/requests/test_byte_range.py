"""Ranges of bytes: what is asked for lies in the file, whatever was written."""

from hypothesis import given
from hypothesis import strategies as st

from producers.api.requests.byte_range import ByteRange, Unsatisfiable, wanted_range

_NUMBERS = st.integers(0, 10**12)
_SIZES = st.integers(1, 10**12)


@given(_NUMBERS, _NUMBERS, _SIZES)
def test_a_range_is_cut_to_the_file(first: int, last: int, size: int) -> None:
    try:
        found = wanted_range(f"bytes={first}-{last}", None, '"x"', size)
    except Unsatisfiable:
        assert first >= size
        return
    if last < first:
        assert found is None
    else:
        assert found == ByteRange(first, min(last, size - 1))


@given(_NUMBERS, _SIZES, st.integers(1, 10**7))
def test_an_open_range_may_be_answered_with_its_beginning(first: int, size: int, most: int) -> None:
    try:
        found = wanted_range(f"bytes={first}-", None, '"x"', size)
    except Unsatisfiable:
        assert first >= size
        return
    assert found is not None
    part = found.at_most(most)
    assert (part.first, part.size) == (first, min(most, size - first))
    assert ByteRange(0, 99).at_most(10) == ByteRange(0, 99)


@given(_NUMBERS, _SIZES)
def test_a_suffix_is_the_end_of_the_file(length: int, size: int) -> None:
    try:
        found = wanted_range(f"bytes=-{length}", None, '"x"', size)
    except Unsatisfiable:
        assert length == 0
        return
    assert found == ByteRange(max(0, size - length), size - 1)


@given(st.text(), _SIZES)
def test_whatever_is_written_there_gives_a_part_of_the_file_or_the_whole(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            found = wanted_range(header, None, '"x"', size)
        except Unsatisfiable:
            continue
        assert found is None or 0 <= found.first <= found.last < size


def test_a_range_of_another_file_is_no_range() -> None:
    assert wanted_range("bytes=0-1", '"y"', '"x"', 10) is None
    assert wanted_range("bytes=0-1", '"x"', '"x"', 10) == ByteRange(0, 1)

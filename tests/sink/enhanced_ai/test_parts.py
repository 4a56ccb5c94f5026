"""Parts of long transcripts: nothing is left out, nothing comes twice, nothing is larger than the window."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.transcript import Segment
from sink.enhanced_ai.parts import clipped, groups_of, lines_of, parts_of, tokens_of

TEXTS = st.lists(st.text(max_size=400), max_size=40)
WINDOWS = st.integers(60, 400)


def segments(texts: list[str]) -> list[Segment]:
    return [Segment(start=float(n), end=n + 1.0, text=text) for n, text in enumerate(texts)]


@given(TEXTS, WINDOWS)
def test_every_word_is_in_one_part_in_order(texts: list[str], window: int) -> None:
    parts = parts_of(lines_of(segments(texts), window), window)
    said = "".join("".join(line.text.split()) for part in parts for line in part)
    assert said == "".join("".join(text.encode("utf-8", "replace").decode().split()) for text in texts)
    numbers = [line.number for part in parts for line in part]
    assert numbers == sorted(numbers)


@given(TEXTS, WINDOWS)
def test_no_part_is_larger_than_the_window(texts: list[str], window: int) -> None:
    for part in parts_of(lines_of(segments(texts), window), window):
        assert part
        assert sum(tokens_of(line.text) + 12 for line in part) <= window


@given(st.lists(st.text(min_size=1, max_size=300), min_size=2, max_size=40), WINDOWS)
def test_grouping_loses_nothing_and_always_comes_to_an_end(texts: list[str], window: int) -> None:
    groups = groups_of(texts, window)
    grouped = [text for group in groups for text in group]
    assert len(groups) < len(texts)
    assert all(text.startswith(found) for text, found in zip(texts, grouped, strict=True))
    if all(tokens_of(text) + 12 <= window // 2 for text in texts):
        assert grouped == texts


def test_hebrew_has_more_tokens_than_english_of_the_same_length() -> None:
    assert tokens_of("שלום עולם") > tokens_of("hello all")


@given(st.text(max_size=400), st.integers(4, 200))
def test_a_cut_text_fits_and_is_a_beginning(text: str, most: int) -> None:
    cut = clipped(text, most)
    assert tokens_of(cut) <= most
    assert text.startswith(cut)
    assert cut == text or tokens_of(text) > most


@given(st.lists(st.text(min_size=1, max_size=3000), min_size=2, max_size=12), WINDOWS)
def test_no_group_is_larger_than_the_window(texts: list[str], window: int) -> None:
    for group in groups_of(texts, window):
        assert sum(tokens_of(text) + 12 for text in group) <= window

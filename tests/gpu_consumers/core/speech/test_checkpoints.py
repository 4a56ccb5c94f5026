"""Parts of a transcription: they come back as written, join to the whole, and are due before too much would be lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.checkpoints import (
    TranscriptionState,
    decode,
    digest_of,
    encode,
    framed,
    is_due,
    joined,
    spans,
    unframed,
)
from gpu_consumers.core.speech.vad_windows import Region, Window
from schemas.transcript import Word

SPANS = st.lists(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=3), max_size=4)
WORDS = st.lists(st.builds(Word, start=st.floats(0, 9), end=st.floats(0, 9), text=st.text(max_size=9)), max_size=5)
PARTS = st.builds(
    TranscriptionState,
    language=st.none() | st.sampled_from(["en", "he"]),
    probability=st.none() | st.floats(0, 1),
    start=st.integers(0, 10**9),
    windows=SPANS.map(lambda windows: tuple(map(tuple, windows))),
    words=WORDS.map(tuple),
    foreign=st.lists(st.tuples(st.sampled_from(["en", "he"]), st.floats(0, 9)), max_size=2).map(tuple),
)


@given(PARTS)
def test_a_part_comes_back_as_it_was_written(part: TranscriptionState) -> None:
    assert decode(encode(part)) == part


@given(st.binary())
def test_what_we_did_not_write_is_no_part(body: bytes) -> None:
    assert decode(body) is None or isinstance(decode(body), TranscriptionState)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"start": "x"}', encode(TranscriptionState(start=3))[:-4], b"\xff"])
def test_a_damaged_part_is_no_part(body: bytes) -> None:
    assert decode(body) is None


def test_a_part_of_an_earlier_version_is_read() -> None:
    """Which did not say how much was in another language."""
    body = b'{"language":"en","probability":null,"start":3,"windows":[],"words":[],"speech":2.5,"uncovered":0.5}'
    assert decode(body) == TranscriptionState(language="en", start=3, speech=2.5, uncovered=0.5)


@given(st.lists(PARTS, min_size=1, max_size=5))
def test_parts_join_to_all_words_and_the_last_place(parts: list[TranscriptionState]) -> None:
    whole = joined(parts)
    assert whole.words == tuple(word for part in parts for word in part.words)
    last = parts[-1]
    assert (whole.start, whole.windows, whole.language) == (last.start, last.windows, last.language)
    assert whole.foreign == last.foreign


@given(st.binary(), st.binary(), st.binary())
def test_a_part_follows_only_the_one_it_was_written_after(part: bytes, before: bytes, other: bytes) -> None:
    assert unframed(framed(part, before), before) == part
    assert before == other or unframed(framed(part, before), other) is None
    assert unframed(part, before) is None


@given(st.binary(), st.binary(), st.integers(0), st.integers(1, 255))
def test_a_damaged_part_follows_nothing(part: bytes, before: bytes, place: int, change: int) -> None:
    body = bytearray(framed(part, before))
    body[place % len(body)] ^= change
    assert unframed(bytes(body), before) is None
    assert unframed(bytes(body)[: place % len(body)], before) is None


def test_without_parts_everything_is_to_be_done() -> None:
    assert joined([]) == TranscriptionState()


def test_windows_come_back() -> None:
    windows = (Window((Region(0, 5), Region(7, 9))), Window((Region(20, 30),)))
    assert TranscriptionState(windows=spans(windows)).pending == windows


@given(st.lists(st.floats(0.1, 60), min_size=1, max_size=40))
def test_no_crash_costs_more_than_the_interval(batches: list[float]) -> None:
    """Each batch is shorter than it: what is not kept and the batch that runs are together at most as long."""
    since = 0.0
    for batch, following in zip(batches, [*batches[1:], 0.0], strict=True):
        assert since + batch <= 60 + 1e-9
        since = 0.0 if is_due(since + batch, following, 60) else since + batch


def test_another_model_or_wish_is_another_digest() -> None:
    assert digest_of("a", 1, None) == digest_of("a", 1, None)
    assert len({digest_of("a", 1), digest_of("a", 2), digest_of("b", 1), digest_of("a1"), digest_of("a", "1")}) == 5

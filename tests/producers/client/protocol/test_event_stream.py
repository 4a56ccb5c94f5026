"""Server-sent events, in whatever pieces they arrive."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.client.protocol.event_stream import EventParser, ServerEvent

TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)


def parsed(pieces: Iterable[bytes]) -> list[ServerEvent]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@given(
    events=st.lists(st.tuples(TEXT, TEXT.filter(bool), st.lists(TEXT, min_size=1, max_size=3))),
    end=st.sampled_from(["\n", "\r\n"]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_pieces_change_nothing(events: list[tuple[str, str, list[str]]], end: str, cuts: list[int]) -> None:
    """Line separators of Unicode within the data are data."""
    lines = [
        line
        for event_id, name, data in events
        for line in (f"id: {event_id}", f"event: {name}", *(f"data: {part}" for part in data), "")
    ]
    stream = "".join(line + end for line in lines).encode()
    places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    found = parsed(stream[begin:end_] for begin, end_ in pairwise(places))
    assert found == [ServerEvent(name, "\n".join(data), event_id) for event_id, name, data in events]


def test_an_id_counts_once_its_event_is_whole() -> None:
    """Else the event that was cut off would be passed over."""
    parser = EventParser()
    assert [event.event_id for event in parser.feed(b"id: 1\ndata: x\n\nid: 2\ndata: y\n")] == ["1"]
    assert parser.event_id == "1"
    parser.restart()
    assert list(parser.feed(b"data: z\n\n")) == [ServerEvent("", "z", "1")]


def test_an_id_without_an_event_moves_the_position_on() -> None:
    parser = EventParser("0")
    assert list(parser.feed(b": \nid: 7\n\n: \n\n")) == [ServerEvent("", "", "7"), ServerEvent("", "", "7")]
    assert parser.event_id == "7"


@pytest.mark.parametrize(("line", "seconds"), [("retry: 250", 0.25), ("retry: soon", 1.0), ("retry:", 1.0)])
def test_the_pause_is_that_of_the_server(line: str, seconds: float) -> None:
    parser = EventParser()
    list(parser.feed(f"{line}\n\n".encode()))
    assert parser.retry_seconds == seconds


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(piece: bytes) -> None:
    parsed([piece])

"""Offsets of a partition: no interleaving of receiving, finishing, committing and crashing loses or repeats work."""

import base64
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_consumers.core.delivery.crash_suspects import StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position, decode, encode, restore
from schemas.wire.offset_metadata import MAX_BITMAP, MAX_METADATA, PREFIX, BegunRecord, begun_of


def at(base: int, *done: int) -> PartitionOffsets:
    """An assignment that begins at a position."""
    return PartitionOffsets(Position(base, frozenset(done)))


def test_nothing_received_leaves_the_base_where_it_was() -> None:
    assert at(5).position() == Position(5)


def test_the_base_stops_at_the_first_offset_in_flight() -> None:
    offsets = at(0)
    assert all(offsets.receive(offset) for offset in range(4))
    assert offsets.position([0, 2, 3]) == Position(1, frozenset({2, 3}))


def test_holes_do_not_stop_the_base() -> None:
    """Control markers and compaction leave offsets that never come."""
    offsets = at(0)
    assert all(offsets.receive(offset) for offset in (1, 7, 20))
    assert offsets.position([1, 7, 20]) == Position(21)


def test_the_end_of_a_partition_moves_the_base_behind_its_markers() -> None:
    offsets = at(3)
    offsets.reach_end(9)
    assert offsets.position() == Position(9)


def test_the_end_does_not_pass_what_is_in_flight() -> None:
    offsets = at(0)
    offsets.receive(0)
    offsets.reach_end(5)
    assert offsets.position() == Position(0)


def test_asking_for_a_position_changes_nothing_until_it_is_committed() -> None:
    offsets = at(0)
    offsets.receive(0)
    assert offsets.position([0]) == Position(1)
    assert offsets.position() == Position(0)
    offsets.finish([0])
    assert offsets.position() == Position(1)


def test_an_offset_read_again_is_not_handed_out_again() -> None:
    offsets = at(0)
    assert offsets.receive(0)
    assert not offsets.receive(0)


def test_a_restored_finished_offset_that_comes_next_is_not_handed_out_again() -> None:
    """The interleaving that a real broker showed: the offset behind the base was finished before the restart."""
    offsets = at(385, 386, 387, 389)
    assert offsets.receive(385)
    assert not offsets.receive(386)
    offsets.finish([385])
    assert not offsets.receive(387)
    assert offsets.position() == Position(388, frozenset({389}))


@given(base=st.integers(0, 2**40), done=st.sets(st.integers(0, 3_000), max_size=200))
def test_metadata_brings_back_what_was_finished(base: int, done: set[int]) -> None:
    finished = frozenset(base + offset for offset in done)
    assert decode(base, encode(base, finished)) == finished


@given(
    st.one_of(
        st.text(), st.text().map(PREFIX.__add__), st.binary().map(lambda b: PREFIX + base64.b64encode(b).decode())
    )
)
def test_foreign_metadata_never_raises(metadata: str) -> None:
    decode(0, metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "pc:whatever",
        "sr2:" + encode(0, [1]).removeprefix(PREFIX),
        encode(0, [1])[:-2],
        PREFIX + "é",
        PREFIX + base64.b64encode(b"z" + zlib.compress(bytes([1]) * (MAX_BITMAP + 1))).decode(),
        PREFIX + base64.b64encode(b"z" + zlib.compress(bytes(range(256)))[:-8]).decode(),
        PREFIX + base64.b64encode(b"r" + bytes([1]) * (MAX_BITMAP + 1)).decode(),
        PREFIX + base64.b64encode(b"q\x01").decode(),
    ],
    ids=["none", "empty", "foreign", "newer", "cut", "not ascii", "bomb", "cut inside", "long", "unknown kind"],
)
def test_whatever_we_did_not_write_means_nothing_finished(metadata: str | None) -> None:
    assert decode(0, metadata) == frozenset()


@pytest.mark.parametrize(
    ("position", "golden"),
    [
        (
            Position(
                100,
                frozenset({101, 102, 105}),
                StartMarks(
                    True,
                    (
                        StartMark(100, StartMode.NOT_STARTED, 1),
                        StartMark(103, StartMode.SHARED),
                        StartMark(107, StartMode.EXCLUSIVE, 2, 3),
                        StartMark(112, StartMode.RELAXED, 0, 1),
                    ),
                    "a1b2c3",
                ),
                "Topic12345",
            ),
            "sr1:ciY=;o0n1,3b0,7a23,12l01@a1b2c3;Topic12345",
        ),
        (Position(7, marks=StartMarks(False, (StartMark(9, StartMode.SHARED),))), "sr1:;-2b0"),
    ],
)
def test_the_text_of_a_commit_stays_as_other_versions_know_it(position: Position, golden: str) -> None:
    """Processes of two versions take partitions from each other."""
    assert position.metadata == golden
    assert restore(position.base, golden, 0, 200, position.topic_id) == position


def test_metadata_too_long_for_a_commit_becomes_empty() -> None:
    """Work is repeated then, but the commit is not refused."""
    noise = random.Random(1)
    done = frozenset(offset for offset in range(1, 60_000) if noise.random() < 0.5)
    assert len(encode(0, done)) > MAX_METADATA
    assert Position(0, done).metadata == ""


def test_metadata_of_a_long_look_ahead_fits() -> None:
    noise = random.Random(1)
    done = frozenset(offset for offset in range(1, 10_000) if noise.random() < 0.5)
    assert 0 < len(Position(0, done).metadata) <= MAX_METADATA


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (None, Position(10)),
        (-1001, Position(10)),
        (15, Position(15, frozenset({17}))),
        (5, Position(10)),
        (50, Position(10)),
        (20, Position(20, frozenset({22}))),
    ],
    ids=["never committed", "invalid", "in the log", "deleted by retention", "a topic made anew", "at the end"],
)
def test_where_to_start(committed: int | None, expected: Position) -> None:
    metadata = encode(committed, [committed + 2]) if committed is not None and committed >= 0 else None
    assert restore(committed, metadata, low=10, high=20) == expected


def test_the_offsets_of_another_topic_of_this_name_mean_nothing() -> None:
    kept = Position(15, frozenset({17}), topic_id="old")
    assert restore(15, kept.metadata, 0, 20, "old") == kept
    assert restore(15, kept.metadata, 0, 20, "new") == Position(0, topic_id="new")
    assert restore(15, kept.metadata, 0, 20).base == 15  # nobody could tell which topic it is
    assert restore(15, Position(15).metadata, 0, 20, "new").base == 15


def test_what_is_too_long_for_a_commit_still_tells_its_topic() -> None:
    position = Position(0, frozenset(random.Random(1).sample(range(1, 400_000), 40_000)), topic_id="old")
    assert restore(0, position.metadata, 0, 400_000, "new") == Position(0, topic_id="new")


class Log:
    """One partition and its owner, driven by random steps; checks the promises at every step."""

    def __init__(self, offsets: list[int], tracker: type[PartitionOffsets]) -> None:
        self.log = offsets
        self.tracker = tracker
        self.committed: tuple[int, str] = (0, "")
        self.effects: list[int] = []
        self.restart()

    def restart(self) -> None:
        """A crash or a revocation: the next owner knows what is committed and nothing else."""
        self.owner = self.tracker(restore(*self.committed, low=0, high=self.log[-1] + 1))
        self.reading = iter([offset for offset in self.log if offset >= self.committed[0]])
        self.working: list[int] = []
        self.ready: list[int] = []
        self.last_base = self.committed[0]

    def receive(self) -> bool:
        """Poll one record; False at the end."""
        offset = next(self.reading, None)
        if offset is None:
            self.owner.reach_end(self.log[-1] + 1)
            return False
        if self.owner.receive(offset):
            self.working.append(offset)
        return True

    def work(self, choice: int) -> None:
        """Some job in flight ends."""
        if self.working:
            self.ready.append(self.working.pop(choice % len(self.working)))

    def commit(self) -> None:
        """One transaction: effects and offsets together."""
        position = self.owner.position(self.ready)
        assert all(position.base <= offset for offset in self.working), "the base passed an offset in flight"
        assert not position.done & set(self.working), "an offset in flight counts as finished"
        assert position.base >= self.last_base, "the base went back within an epoch"
        self.last_base = position.base
        self.effects += self.ready
        assert len(self.effects) == len(set(self.effects)), "work was done and committed twice"
        self.owner.finish(self.ready)
        self.committed, self.ready = (position.base, position.metadata), []

    def revoke(self) -> None:
        """Commit what is finished, then lose the partition."""
        self.commit()
        self.restart()

    def drain(self) -> None:
        """Until nothing is left to do."""
        while self.receive() or self.working:
            self.work(0)
            self.commit()
        self.commit()
        assert sorted(self.effects) == self.log, "a record was lost"
        assert self.committed[0] == self.log[-1] + 1, "lag remains"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "receive", "receive", "work", "work", "commit", "crash", "revoke"]),
        st.integers(0, 50),
    ),
    max_size=120,
)
LOGS = st.sets(st.integers(0, 60), min_size=1, max_size=40).map(sorted)


def play(log: list[int], steps: list[tuple[str, int]], tracker: type[PartitionOffsets]) -> None:
    """Take the steps, then finish all work."""
    partition = Log(log, tracker)
    for step, choice in steps:
        match step:
            case "receive":
                partition.receive()
            case "work":
                partition.work(choice)
            case "commit":
                partition.commit()
            case "crash":
                partition.restart()
            case _:
                partition.revoke()
    partition.drain()


@settings(max_examples=500)
@given(log=LOGS, steps=STEPS)
def test_no_interleaving_loses_or_repeats_committed_work(log: list[int], steps: list[tuple[str, int]]) -> None:
    """Never past an offset in flight, never backwards, nothing committed twice, nothing lost, no lag in the end."""
    play(log, steps, PartitionOffsets)


class StopsBelowRestored(PartitionOffsets):
    """The planted bug: a restored finished offset that comes next is dropped from the bitmap before it is read."""

    def position(self, finishing: object = ()) -> Position:
        finished = self._done.union(finishing)  # type: ignore[arg-type]
        unfinished = self.in_flight - finished
        base = min(unfinished) if unfinished else max(self._base, self._next)
        return Position(base, frozenset(offset for offset in finished if offset > base))


class CountsInFlightAsDone(PartitionOffsets):
    """The planted bug: the base follows the highest offset that was read."""

    def position(self, finishing: object = ()) -> Position:
        return Position(max(self._base, self._next))


class ForgetsTheBitmap(PartitionOffsets):
    """The planted bug: what was finished out of order is not skipped after a restart."""

    def __init__(self, start: Position) -> None:
        super().__init__(Position(start.base))


@pytest.mark.parametrize("tracker", [StopsBelowRestored, CountsInFlightAsDone, ForgetsTheBitmap])
def test_the_properties_find_planted_bugs(tracker: type[PartitionOffsets]) -> None:
    """The property above, on a tracker with a bug."""

    @settings(max_examples=2_000, derandomize=True, database=None, report_multiple_bugs=False)
    @given(log=LOGS, steps=STEPS)
    def promises(log: list[int], steps: list[tuple[str, int]]) -> None:
        play(log, steps, tracker)

    with pytest.raises(AssertionError):
        promises()


@given(
    st.integers(0, 10**12),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from(StartMode), st.integers(0, 9), st.integers(0, 9)),
        unique_by=lambda mark: mark[0],
        max_size=20,
    ),
    st.sampled_from(["", "a1b2c3"]),
)
def test_marks_are_read_from_outside_as_they_were_written(
    base: int, marks: list[tuple[int, StartMode, int, int]], owner: str
) -> None:
    """By `scribe why`, which knows only the metadata."""
    begun = tuple(StartMark(base + ahead, mode, deaths, late) for ahead, mode, deaths, late in marks)
    metadata = encode(base, (), StartMarks(True, begun, owner), "topicid")
    assert begun_of(base, metadata) == {
        mark.offset: BegunRecord(mark.deaths, mark.mode is StartMode.NOT_STARTED) for mark in begun
    }


@given(st.text(max_size=50) | st.from_regex(r"sr1:;o[0-9nbal,]{0,30}", fullmatch=True))
def test_no_metadata_of_strangers_breaks_who_looks_from_outside(text: str) -> None:
    assert all(offset >= 0 for offset in begun_of(0, text))
    assert begun_of(0, None) == {}

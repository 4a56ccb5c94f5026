"""Orders to pass over a record: which are refused, what is committed instead, and what the job hears."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.crash_suspects import StartMark, StartMarks, StartMode
from gpu_consumers.core.delivery.offsets import encode, restore
from producers.kafka.group_offsets import GroupPosition
from producers.kafka.topic_history import StoredRecord
from producers.replay.skip import SkipOrder, check_position, end_of, letter_of, moved, order_of
from schemas.errors import Permanent, Rejected
from schemas.events import JobRequested, JobResult, Outcome, TranscriptReady
from schemas.topics import JOBS, PERSIST, RESULTS, TRANSCRIBERS, dlq_topic, retry_topic
from schemas.wire.headers import ERROR_CODE, ERROR_MESSAGE, RESULTS_TO, Origin
from schemas.wire.offset_metadata import MAX_BITMAP
from schemas.wire.serde import Serde
from tests.samples import AT, SAMPLES

SERDE = Serde()
BY = "operator ann"
ORDER = SkipOrder(TRANSCRIBERS, Origin(JOBS, 0, 7), BY)


@pytest.mark.parametrize(
    ("group", "place", "words"),
    [
        ("nobody", f"{JOBS}/0/7", "unknown group `nobody`; there are transcribers"),
        ("persist", f"{JOBS}/0", "no TOPIC/PARTITION/OFFSET"),
        ("persist", f"{JOBS}/0/-1", "no TOPIC/PARTITION/OFFSET"),
        ("persist", "scribe.control/0/7", "does not read scribe.control; it reads scribe.jobs, scribe.jobs.express"),
        ("enhance", f"{JOBS}/0/7", "it reads scribe.results"),
        ("persist", f"{retry_topic(TRANSCRIBERS, '1m')}/0/7", "does not read"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused_with_what_would_be_right(group: str, place: str, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        order_of(group, place, BY)


@pytest.mark.parametrize("group", ["transcribers", TRANSCRIBERS])
def test_a_group_may_be_stopped_in_what_it_reads_and_in_its_retries(group: str) -> None:
    assert order_of(group, f"{JOBS}/0/7", BY) == ORDER
    assert order_of(group, f"{retry_topic(TRANSCRIBERS, '1m')}/0/7", BY).place.offset == 7


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (GroupPosition(3, "", 0, 7), "ends before offset 7"),
        (GroupPosition(None, "", 8, 9), "begins at offset 8"),
        (GroupPosition(8, "", 0, 9), "has passed"),
        (GroupPosition(3, encode(3, {7}), 0, 9), "has passed"),
    ],
)
def test_what_lies_nowhere_or_is_behind_the_group_is_refused(position: GroupPosition, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        check_position(ORDER, position)


@pytest.mark.parametrize(
    "position", [GroupPosition(7, "", 0, 8), GroupPosition(3, encode(3, {6}), 0, 9), GroupPosition(None, "", 0, 9)]
)
def test_what_is_before_the_group_is_not(position: GroupPosition) -> None:
    check_position(ORDER, position)


offsets = st.integers(0, 300)


@given(st.integers(0, 50), st.sets(offsets, max_size=30), offsets, st.booleans())
def test_the_group_begins_as_before_but_for_that_record(base: int, above: set[int], offset: int, marked: bool) -> None:
    """Its marks and what it had finished stay, whatever the metadata was."""
    done = {base + each for each in above}
    marks = StartMarks(True, (StartMark(base + 301, StartMode.EXCLUSIVE, 1),), "x") if marked else StartMarks()
    skipped = base + offset
    metadata = encode(base, done, marks, "topicid")
    order = replace(ORDER, place=Origin(JOBS, 0, skipped))
    found, text = moved(order, GroupPosition(base, metadata, 0, 1000))
    after = restore(found, text, 0, 1000, "topicid")
    before = restore(base, metadata, 0, 1000, "topicid")
    assert (after.base, after.done, after.marks) == (before.base, before.done | {skipped}, before.marks)


@pytest.mark.parametrize("committed", [None, 2])
def test_what_the_topic_has_lost_is_not_begun_with(committed: int | None) -> None:
    assert moved(ORDER, GroupPosition(committed, encode(2, {3}), 5, 9)) == (5, encode(5, {7}))


@pytest.mark.parametrize(
    ("done", "offset"), [(random.Random(1).sample(range(300_000), 30_000), 300_001), ([], 9 * MAX_BITMAP)]
)
def test_what_lies_too_far_ahead_is_refused(done: list[int], offset: int) -> None:
    with pytest.raises(Rejected, match="too far"):
        moved(replace(ORDER, place=Origin(JOBS, 0, offset)), GroupPosition(0, encode(0, done), 0, 1_000_000))


def stored(value: bytes | None, **headers: str) -> StoredRecord:
    return StoredRecord(ORDER.place, AT, b"key", value, headers)


@pytest.mark.parametrize("name", ["JobRequested-full", "TranscriptReady-full"])
def test_a_readable_job_hears_of_its_end(name: str) -> None:
    event: Any = SAMPLES[name]
    record = end_of(SERDE, stored(SERDE.encode(event)), AT)
    assert record is not None
    result = SERDE.decode(record.value, JobResult)
    request = event.request if isinstance(event, TranscriptReady) else event
    assert isinstance(request, JobRequested)
    assert (record.topic, result.job_id, result.run, result.outcome) == (
        RESULTS,
        request.job_id,
        request.run,
        Outcome.FAILED,
    )
    assert result.request == request.without_query()
    assert result.error is not None
    assert (result.error.code, result.error.message) == ("skipped", Permanent("skipped").message)


def test_the_end_of_a_replay_goes_where_its_result_would() -> None:
    value = SERDE.encode(SAMPLES["JobRequested-full"])
    record = end_of(SERDE, stored(value, **{RESULTS_TO: f"{RESULTS}.trial"}), AT)
    assert record is not None
    assert record.topic == f"{RESULTS}.trial"


@pytest.mark.parametrize("value", [None, b"nonsense", SERDE.encode(SAMPLES["JobResult-completed"])])
def test_what_is_no_job_ends_none(value: bytes | None) -> None:
    assert end_of(SERDE, stored(value), AT) is None


def test_the_dead_letter_says_who_wanted_it() -> None:
    letter = letter_of(SkipOrder(PERSIST, ORDER.place, BY), stored(b"value", upstream="7"))
    assert (letter.topic, letter.key, letter.value) == (dlq_topic(PERSIST), b"key", b"value")
    assert (letter.headers[ERROR_CODE], letter.headers[ERROR_MESSAGE]) == ("skipped", f"passed over by {BY}")
    assert letter.headers["upstream"] == "7"

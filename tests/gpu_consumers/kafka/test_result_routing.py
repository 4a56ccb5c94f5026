"""Where results go, and that no name stops the others."""

import pytest

from gpu_consumers.kafka.result_routing import ResultRouting, routed
from schemas.topics import RESULTS, TRANSCRIPTS
from schemas.wire.headers import REPLAY_ID, RESULTS_TO
from schemas.wire.records import Record
from tests.samples import SAMPLES

TRIAL = "scribe.results.trial"


def test_a_topic_that_is_there_is_asked_for_once() -> None:
    asked: list[str] = []
    routing = ResultRouting(lambda topic: not asked.append(topic))  # type: ignore[func-returns-value]
    assert routing.rejection({}) is None
    assert routing.rejection({RESULTS_TO: TRIAL}) is routing.rejection({RESULTS_TO: TRIAL}) is None
    assert asked == [TRIAL]


@pytest.mark.parametrize(
    "name", ["", "scribe.jobs", RESULTS, "scribe.results.", f"{TRIAL}.more", f"{TRIAL}\n", "x" * 9999]
)
def test_no_other_name_is_ever_asked_for(name: str) -> None:
    rejection = ResultRouting(lambda _: True).rejection({RESULTS_TO: name})
    assert rejection is not None
    assert rejection.code == "invalid_request"


def test_a_topic_that_is_missing_is_looked_for_again() -> None:
    there: set[str] = set()
    routing = ResultRouting(there.__contains__)
    assert routing.rejection({RESULTS_TO: TRIAL}) is not None
    there.add(TRIAL)
    assert routing.rejection({RESULTS_TO: TRIAL}) is None


def test_the_first_stage_says_on_where_the_result_of_the_second_goes() -> None:
    headers = {RESULTS_TO: TRIAL, REPLAY_ID: "7", "x-upstream": "1"}
    ready = routed(Record(TRANSCRIPTS, b"key", b"v", {"ce_id": "1"}), SAMPLES["TranscriptReady-full"], headers)
    assert (ready.topic, ready.headers) == (TRANSCRIPTS, {"ce_id": "1", RESULTS_TO: TRIAL, REPLAY_ID: "7"})
    assert routed(Record(RESULTS, b"key", b"v"), SAMPLES["JobResult-failed"], ready.headers).topic == TRIAL
    long = routed(
        Record(RESULTS, b"key", b"v"), SAMPLES["JobResult-failed"], {RESULTS_TO: TRIAL, REPLAY_ID: "7" * 10**6}
    )
    assert long.headers[REPLAY_ID] == "7" * 36
    plain = Record(RESULTS, b"key", b"v")
    assert routed(plain, SAMPLES["JobResult-failed"], {"x-upstream": "1"}) == plain

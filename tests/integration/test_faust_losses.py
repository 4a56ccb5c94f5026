"""The known losses of Faust do not happen on the safe transport and with the recipe: eight records, one misfortune each."""

import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.wire.serde import Serde
from tests.conftest import TopicFactory
from tests.integration.faust_process import (
    Worker,
    committed,
    group_members,
    read_all,
    send_foreign_header,
    send_values,
    transactions,
    until,
)
from tests.integration.faust_worker import Script
from tests.samples import BARE_REQUEST

COUNT = 8
ALL = list(range(COUNT))
COMMITS = 1.5  # seconds in which a worker commits several times


def value(number: int) -> bytes:
    return Serde().encode(replace(BARE_REQUEST, job_id=UUID(int=number + 1), recording_id=str(number)))


@dataclass
class Place:
    """Topics, a group and a folder that one case has for itself."""

    script: Script
    kafka: str

    def release(self) -> None:
        Path(self.script.release).touch()

    def worker(self, **changes: Any) -> Worker:
        return Worker(replace(self.script, **changes))

    def committed(self) -> int | None:
        return committed(self.kafka, self.script.group, self.script.topic)

    def commits(self, offset: int) -> None:
        until(f"{offset} committed", lambda: self.committed() == offset)

    def dead(self) -> list[tuple[bytes | None, dict[str, str]]]:
        return read_all(self.kafka, self.script.dlq)


Case = Callable[[Place], None]
CASES: dict[str, tuple[Case, list[bytes] | None]] = {}


def case(values: list[bytes] | None = None) -> Callable[[Case], Case]:
    """Register a case; it finds eight good records unless it brings its own."""

    def add(function: Case) -> Case:
        CASES[function.__name__] = (function, values)
        return function

    return add


@case()
def c03_an_agent_that_raises_under_one_for_one_commits_nothing_behind_it(place: Place) -> None:
    with place.worker(body="raw", crashing=False, wait_empty=False, actions={"3": "boom"}) as worker:
        worker.wait_for("DONE 7")
        place.commits(3)
        time.sleep(COMMITS)
        assert place.committed() == 3


@case()
def c04_an_agent_that_raises_under_the_crashing_supervisor_ends_the_worker(place: Place) -> None:
    with place.worker(body="raw", wait_empty=False, actions={"3": "boom"}) as worker:
        assert worker.ends() == 1
        assert place.committed() == 3


@case()
def c05_two_actors_and_a_kill_lose_nothing(place: Place) -> None:
    with place.worker(concurrency=2, actions={"2": "hold"}) as worker:
        worker.wait_for(*(f"DONE {n}" for n in ALL if n != 2))
        place.commits(2)
        time.sleep(COMMITS)
        worker.send(signal.SIGKILL)
        worker.ends()
        assert place.committed() == 2
    with place.worker(concurrency=2) as second:
        second.wait_for(*(f"DONE {n}" for n in ALL[2:]))
        place.commits(8)


@case()
def c06_a_kill_before_anything_was_committed_loses_nothing(place: Place) -> None:
    with place.worker(concurrency=2, actions={"0": "hold"}) as worker:
        worker.wait_for(*(f"DONE {n}" for n in ALL[1:]))
        time.sleep(COMMITS)
        worker.send(signal.SIGKILL)
        worker.ends()
        assert place.committed() in (None, 0)


@case()
def c08_a_stop_that_does_not_wait_leaves_the_record_in_work_uncommitted(place: Place) -> None:
    with place.worker(wait_empty=False, actions={"3": "hold"}) as worker:
        worker.wait_for("START 3")
        worker.send(signal.SIGTERM)
        assert worker.ends() == 0
        assert place.committed() == 3


@case()
def c09_a_stop_waits_for_the_record_in_work_and_commits_it(place: Place) -> None:
    with place.worker(actions={"3": "hold until the stop"}) as worker:
        worker.wait_for("START 3")
        worker.send(signal.SIGTERM)
        assert worker.ends() == 0
        assert worker.done() == [0, 1, 2, 3]
        assert place.committed() == 4


@case([*map(value, ALL[:3]), b"\x00nonsense", *map(value, ALL[4:])])
def c10_an_undecodable_record_goes_to_the_dead_letters_with_its_bytes(place: Place) -> None:
    with place.worker() as worker:
        place.commits(8)
        worker.wait_for("DONE 7")
        assert worker.done() == [0, 1, 2, 4, 5, 6, 7]
    ((dead, headers),) = place.dead()
    assert dead == b"\x00nonsense"
    assert (headers["scribe-error-code"], headers["scribe-orig-offset"]) == ("undecodable", "3")


@case()
def c12_an_agent_that_raises_ends_the_worker_within_seconds_although_stops_wait(place: Place) -> None:
    with place.worker(body="raw", actions={"3": "boom"}) as worker:
        assert worker.ends() == 1
        assert place.committed() == 3


@case()
def c13_two_actors_and_a_clean_stop_commit_everything(place: Place) -> None:
    with place.worker(concurrency=2) as worker:
        worker.wait_for(*(f"DONE {n}" for n in ALL))
        worker.send(signal.SIGTERM)
        assert worker.ends() == 0
        assert place.committed() == 8


@case()
def c01_a_handler_that_raises_dead_letters_its_record_and_the_service_goes_on(place: Place) -> None:
    with place.worker(actions={"2": "boom", "3": "permanent", "4": "transient"}) as worker:
        place.commits(8)
        worker.wait_for("DONE 7")
        assert worker.done() == [0, 1, 4, 5, 6, 7]
        assert worker.said.count("START 4") == 3
    assert [h["scribe-error-code"] for _, h in place.dead()] == ["internal", "source_changed"]
    assert [v for v, _ in place.dead()] == [value(2), value(3)]


@case()
def r1_an_outage_is_waited_out_and_no_record_is_blamed(place: Place) -> None:
    with place.worker(actions={"3": "outage"}) as worker:
        until("several tries", lambda: worker.said.count("START 3") > 3)
        assert place.committed() in (None, 0, 1, 2, 3)
        place.release()
        place.commits(8)
        worker.wait_for("DONE 7")
        assert worker.done() == ALL
    assert place.dead() == []


@case()
def r2_a_stop_during_an_outage_is_clean_and_commits_only_what_is_done(place: Place) -> None:
    with place.worker(actions={"3": "outage"}) as worker:
        worker.wait_for("START 3")
        worker.send(signal.SIGTERM)
        assert worker.ends() == 0
        assert place.committed() == 3
    assert place.dead() == []


@case([])
def a1_aborted_records_are_invisible(place: Place) -> None:
    batches = [(True, [value(0), value(1)]), (False, [value(2), value(3)]), (True, [value(4)])]
    transactions(place.kafka, place.script.topic, *batches)
    with place.worker() as worker:
        worker.wait_for("DONE 4")
        worker.send(signal.SIGTERM)
        worker.ends()
        assert worker.done() == [0, 1, 4]


@case([])
def a2_gaps_of_control_markers_finish_no_record_in_work(place: Place) -> None:
    transactions(place.kafka, place.script.topic, *((True, [value(n)]) for n in ALL))  # offsets 0, 2, 4 ...
    with place.worker(concurrency=2, actions={"2": "hold"}) as worker:
        worker.wait_for(*(f"DONE {n}" for n in ALL if n != 2))
        place.commits(4)
        time.sleep(COMMITS)
        worker.send(signal.SIGKILL)
        worker.ends()
        assert place.committed() == 4
    with place.worker(concurrency=2) as second:
        second.wait_for(*(f"DONE {n}" for n in ALL[2:]))
        place.commits(15)


@case([])
def h1_a_header_name_that_is_no_text_stops_nothing(place: Place) -> None:
    send_foreign_header(place.kafka, place.script.topic, b"\x00nonsense")
    send_foreign_header(place.kafka, place.script.topic, value(1))
    send_values(place.kafka, place.script.topic, value(2))
    with place.worker() as worker:
        worker.wait_for("DONE 1", "DONE 2")
        place.commits(3)
    ((dead, headers),) = place.dead()
    assert dead == b"\x00nonsense"
    assert headers["\ufffd\ufffd name"] == "value"


@pytest.fixture(scope="module")
def outcomes(
    kafka: str, topic_admin: AdminClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """All cases, three at a time: most of their time is spent in starts and waits."""
    topics = TopicFactories(topic_admin)
    with ThreadPoolExecutor(3) as pool:
        yield {
            name: pool.submit(run, function, values, kafka, topics, tmp_path_factory.mktemp(name[:3]))
            for name, (function, values) in CASES.items()
        }
    topics.delete()


class TopicFactories:
    """Makes topics from several threads and deletes them in the end."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._made: list[str] = []

    def make(self, name: str) -> str:
        topic = f"test.{name}.{uuid.uuid4().hex[:8]}"
        self._admin.create_topics([NewTopic(topic, 1, 1)], operation_timeout=90)[topic].result()
        self._made.append(topic)
        return topic

    def delete(self) -> None:
        for deletion in self._admin.delete_topics(self._made).values():
            deletion.result()


def run(function: Case, values: list[bytes] | None, kafka: str, topics: TopicFactories, folder: Path) -> None:
    topic, dlq = topics.make("cases"), topics.make("cases.dlq")
    send_values(kafka, topic, *([value(n) for n in ALL] if values is None else values))
    script = Script(kafka, f"g.{topic}", topic, dlq, str(folder / "faust"), str(folder / "release"))
    try:
        function(Place(script, kafka))
    except BaseException as error:
        log = Path(script.folder + ".log")
        error.add_note(log.read_text()[-3000:] if log.exists() else "no log")
        raise


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost(name: str, outcomes: dict[str, Future[None]]) -> None:
    outcomes[name].result()


def test_a_second_worker_joins_while_the_first_waits_out_an_outage(
    kafka: str, topic_admin: AdminClient, fresh_topic: TopicFactory, tmp_path: Path
) -> None:
    """A rebalance waits for records in work; one that waits itself is given back instead of blocking it."""
    topic, dlq = fresh_topic(1), fresh_topic(1)
    send_values(kafka, topic, *map(value, ALL))
    script = Script(
        kafka,
        f"g.{topic}",
        topic,
        dlq,
        str(tmp_path / "faust"),
        str(tmp_path / "release"),
        instance=None,
        actions={"3": "outage"},
    )
    place = Place(script, kafka)
    with place.worker() as first:
        first.wait_for("START 3")
        with place.worker() as second:
            until("two members", lambda: group_members(topic_admin, script.group) == 2)
            place.release()
            place.commits(8)
            assert sorted({*first.done(), *second.done()}) == ALL
    assert place.dead() == []

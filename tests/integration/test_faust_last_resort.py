"""Records that end a Faust app are set aside by themselves, and nobody else's record waits for that or is blamed for it."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.integration.faust_process import DEADLINE, committed, until
from tests.integration.test_faust_service import Service, service  # noqa: F401 - a fixture
from tests.streams.jobs import Job, new_job

SETTLED = "SELECT count(*) FROM record_marks WHERE state = 'settled'"
FEW = 3  # ends of a process by one record: with company, and alone


def survives(service: Service, fault: str, condition: Callable[[], bool], most: int) -> int:  # noqa: F811
    """Start persist anew whenever it ends, until it is so; how often it ended."""
    for ends in range(most + 1):
        with service.persist(FAULT=fault) as process:
            until("it is so, or the process has ended", lambda: condition() or process.poll() is not None)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(DEADLINE) in (0, -signal.SIGTERM)  # the latter while it starts, with nothing to do
                return ends
    raise AssertionError(f"{most + 1} processes have ended")


def letters(service: Service) -> list[tuple[str, str]]:  # noqa: F811
    return [(h["scribe-error-code"], h["scribe-orig-offset"]) for _, h in service.dead()]


def tell(service: Service, jobs: list[Job], **deadly: str) -> None:  # noqa: F811
    """The requests of the jobs, those of `deadly` in their midst."""
    requests = [job.request() for job in jobs]
    for how in deadly.values():
        requests.insert(len(requests) // 2, new_job().request(recording_id=how))
    service.send("jobs", *requests)


# one that holds the event loop or lets go of nothing is ended by the watchdog after seconds
@pytest.mark.parametrize(("how", "most"), [("kill", FEW), ("fatal", 2), ("loop", FEW), ("stubborn", 2)])
def test_a_record_that_ends_its_process_is_set_aside(service: Service, how: str, most: int) -> None:  # noqa: F811
    tell(service, [new_job() for _ in range(6)], deadly=how)
    done = lambda: service.states() == {"queued": 6} and letters(service) == [("quarantined", "3")]  # noqa: E731
    assert survives(service, "deadly-records", done, most) == most
    # and nothing of it is left for the process after
    tell(service, [new_job()])
    assert survives(service, "deadly-records", lambda: service.states() == {"queued": 7}, 0) == 0
    assert letters(service) == [("quarantined", "3")]


def test_what_is_wrong_for_every_record_sets_aside_one_at_most(service: Service) -> None:  # noqa: F811
    tell(service, [new_job() for _ in range(5)])
    for _ in range(5):
        with service.persist(FAULT="fatal-for-all") as process:
            assert process.wait(DEADLINE) == 1
    assert len(letters(service)) <= 1
    found: Any = lambda: service.states().get("queued", 0) + len(letters(service)) == 5  # noqa: E731
    assert survives(service, "none", found, 0) == 0


def test_processes_that_are_killed_for_nothing_condemn_nobody(service: Service) -> None:  # noqa: F811
    """Wherever they fall: it takes two deaths of a record that runs alone, which none does before the first kill."""
    jobs = [new_job() for _ in range(24)]
    for number in range(2):
        tell(service, jobs[8 * number : 8 * number + 8])
        with service.persist(FAULT="none") as process:
            until("it works", lambda: service.states().get("queued", 0) > 8 * number)  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.wait()
    tell(service, jobs[16:])
    assert survives(service, "none", lambda: service.states() == {"queued": 24}, 0) == 0
    assert letters(service) == []


def test_a_dead_letter_is_written_once_however_often_processes_end(service: Service) -> None:  # noqa: F811
    """A record before them keeps what was committed where it is."""
    service.send("jobs", new_job().request(recording_id="away"))
    producer = Producer({"bootstrap.servers": service.stack.kafka_bootstrap})
    for number in range(5):
        producer.produce(service.topics["jobs"], b"nonsense %d" % number, partition=0)
    producer.flush()
    for _ in range(2):
        with service.persist(FAULT="deadly-records") as process:
            until("the dead letters", lambda: len(letters(service)) >= 5)
            tell(service, [job := new_job()])
            # behind them all, so that they have come to their ends again
            until("another job", lambda: bool(service.rows(f"SELECT 1 FROM jobs WHERE job_id = '{job.job_id}'")))
            # the marks are written beside the work, which may overtake them
            until("the marks", lambda: service.rows(SETTLED) == [(5,)])
            process.kill()
            process.wait()
    assert survives(service, "none", lambda: results_are_in(service), 0) == 0
    assert sorted(letters(service)) == [("undecodable", str(offset)) for offset in range(1, 6)]


def results_are_in(service: Service) -> bool:  # noqa: F811
    return committed(service.stack.kafka_bootstrap, f"p.{service.topics['jobs']}", service.topics["jobs"]) == 8

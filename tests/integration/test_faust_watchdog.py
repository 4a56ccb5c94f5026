"""Processes that look healthy and do nothing end by themselves; those that only have nothing to do go on."""

import time

import pytest

from sink.process.termination import EXIT_CODE
from tests.integration.faust_process import until
from tests.integration.test_faust_service import Service, service, tell  # noqa: F401 - a fixture
from tests.streams.jobs import new_job


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("silent-fetcher", "has brought none"),
        ("lost-commits", "was not committed"),
        ("stubborn-handler", "does not let go"),
    ],
)
def test_a_silent_process_ends_and_the_next_one_does_its_work(service: Service, fault: str, words: str) -> None:  # noqa: F811
    tell(service, [new_job()])
    with service.persist(FAULT=fault) as process:
        assert process.wait(120) == EXIT_CODE
    assert words in (service.folder / "processes.log").read_text()
    with service.persist():
        until("the job", lambda: service.states() == {"completed": 1})


def test_an_idle_process_goes_on_under_the_same_limits(service: Service) -> None:  # noqa: F811
    """Control markers at the end of a partition are no records that wait."""
    tell(service, [new_job()])
    with service.persist(FAULT="none") as process:
        until("the job", lambda: service.states() == {"completed": 1})
        time.sleep(7)  # longer than any limit
        assert process.poll() is None
        tell(service, [new_job()])
        until("both jobs", lambda: service.states() == {"completed": 2})

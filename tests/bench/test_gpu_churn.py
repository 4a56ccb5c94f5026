"""The verdict on members that come and go sees what it is there to see."""

from dataclasses import replace
from uuid import UUID

from tests.bench.gpu_churn import Death, judge
from tests.executions import Execution

JOBS = [UUID(int=number) for number in range(3)]
KILL = [Death(pid=1, at=10.0)]
# job 0 was in work when its member was killed, job 1 had ended before, job 2 came later
RUNS = [
    Execution(JOBS[0], "fake", "t/0/0", "m", 1, 1.0),
    Execution(JOBS[1], "fake", "t/0/1", "m", 1, 2.0, 3.0, "done"),
    Execution(JOBS[0], "fake", "t/0/0", "n", 2, 20.0, 30.0, "done"),
    Execution(JOBS[2], "fake", "t/0/2", "n", 2, 21.0, 22.0, "done"),
]
RESULTS = [(JOBS[0], 30.0), (JOBS[1], 3.0), (JOBS[2], 22.0)]


def test_a_job_in_work_runs_once_more_and_one_that_had_ended_does_not() -> None:
    found = judge(JOBS, RESULTS, RUNS, KILL)
    assert (found.extra, found.in_flight, found.ahead, found.again, found.unexplained) == (1, 1, 1, 0, 0)
    assert found.kept


def test_a_job_that_runs_again_although_its_result_is_there_is_seen() -> None:
    again = Execution(JOBS[1], "fake", "t/0/1", "n", 2, 20.0, 21.0, "done")
    found = judge(JOBS, RESULTS, [*RUNS, again], KILL)
    assert (found.again, found.kept) == (1, False)


def test_a_job_that_runs_again_without_a_reason_is_seen() -> None:
    first = Execution(JOBS[2], "fake", "t/0/2", "n", 2, 11.0, 12.0, "done")
    found = judge(JOBS, RESULTS, [*RUNS[:3], first, RUNS[3]], KILL)
    assert (found.unexplained, found.kept) == (1, False)
    dropped = replace(first, how="dropped")
    found = judge(JOBS, RESULTS, [*RUNS[:3], dropped, RUNS[3]], KILL)
    assert (found.unexplained, found.moved, found.kept) == (0, 1, True)


def test_a_lost_job_and_a_second_result_are_seen() -> None:
    assert not judge(JOBS, RESULTS[1:], RUNS, KILL).kept
    assert judge(JOBS, [*RESULTS, RESULTS[0]], RUNS, KILL).twice == 1


def test_kills_that_came_when_nothing_was_ahead_prove_nothing() -> None:
    assert not judge(JOBS, RESULTS, RUNS[2:], []).kept

"""The isolation of a process: a suspect is alone in it, for a while, and nobody waits for ever."""

from gpu_consumers.core.delivery.crash_suspects import StartMode
from gpu_consumers.core.delivery.isolation import ASKING_SECONDS, EXCLUSIVE_SECONDS, PATIENCE_SECONDS, Isolation
from schemas.process.wait_reasons import WaitReason


def test_a_suspect_enters_an_empty_room_alone_and_nobody_after_it() -> None:
    isolation: Isolation[str] = Isolation()
    assert isolation.enter_suspect("suspect", 0.0) is StartMode.EXCLUSIVE
    assert not isolation.admits(1.0)
    assert isolation.enter_suspect("another", 1.0) is None
    isolation.leave("suspect")
    assert isolation.admits(2.0)


def test_a_suspect_waits_while_others_run_and_they_for_it_when_it_has_waited_long() -> None:
    isolation: Isolation[str] = Isolation()
    isolation.enter("job", 0.0)
    assert isolation.enter_suspect("suspect", 1.0) is None
    assert isolation.admits(1.0)
    late = 1.1 + PATIENCE_SECONDS
    assert isolation.enter_suspect("suspect", late) is None
    assert not isolation.admits(late)
    isolation.leave("job")
    assert isolation.enter_suspect("suspect", late) is StartMode.EXCLUSIVE


def test_a_suspect_that_is_gone_holds_nobody_up() -> None:
    isolation: Isolation[str] = Isolation()
    isolation.enter("job", 0.0)
    isolation.enter_suspect("suspect", 0.0)
    isolation.enter_suspect("suspect", PATIENCE_SECONDS + 1)
    assert not isolation.admits(PATIENCE_SECONDS + 1)
    assert isolation.admits(PATIENCE_SECONDS + 2 + ASKING_SECONDS)


def test_a_suspect_whose_workers_are_busy_between_its_looks_comes_to_its_turn() -> None:
    """Two groups of one worker each in one process: the other one asks all the time whether its jobs may begin."""
    isolation: Isolation[str] = Isolation()
    ends = {"mine": 10.0, "other": 9.0}
    lengths = dict(ends)
    for job in ends:
        isolation.enter(job, 0.0)
    for second in range(1, 20 * int(PATIENCE_SECONDS)):
        for job in [job for job, end in ends.items() if end <= second]:
            isolation.leave(job)
            del ends[job]
        # an idle worker of its group asks for the suspect first
        if "mine" not in ends and isolation.enter_suspect("suspect", second) is not None:
            assert second <= 2 * PATIENCE_SECONDS
            return
        for job in lengths.keys() - ends.keys():
            if isolation.admits(second):
                isolation.enter(job, second)
                ends[job] = second + lengths[job]
    raise AssertionError("it never came to its turn")


def test_a_suspect_does_not_wait_for_a_job_of_hours_but_its_death_would_not_count() -> None:
    isolation: Isolation[str] = Isolation()
    isolation.enter("long", 0.0)
    isolation.enter_suspect("suspect", EXCLUSIVE_SECONDS)
    assert isolation.enter_suspect("suspect", EXCLUSIVE_SECONDS + PATIENCE_SECONDS) is StartMode.SHARED
    assert isolation.admits(EXCLUSIVE_SECONDS + PATIENCE_SECONDS)


def test_a_suspect_that_lives_long_gets_company() -> None:
    isolation: Isolation[str] = Isolation()
    isolation.enter_suspect("suspect", 0.0)
    assert isolation.lift(EXCLUSIVE_SECONDS - 1) is None
    assert isolation.lift(EXCLUSIVE_SECONDS) == "suspect"
    assert isolation.lift(EXCLUSIVE_SECONDS) is None
    assert isolation.admits(EXCLUSIVE_SECONDS)


def test_whoever_may_not_begin_is_told_why() -> None:
    isolation: Isolation[str] = Isolation()
    assert isolation.refusal(0.0) is None
    isolation.enter_suspect("suspect", 0.0)
    assert isolation.refusal(1.0) is WaitReason.ISOLATION
    isolation.lift(EXCLUSIVE_SECONDS)
    assert isolation.refusal(EXCLUSIVE_SECONDS) is None

"""The room of a process: a suspect is alone in it, for a while, and nobody waits for ever."""

from gpu_consumers.core.delivery.crash_suspects import StartMode
from gpu_consumers.core.delivery.isolation import ALONE_SECONDS, ASKING_SECONDS, PATIENCE_SECONDS, Isolation
from schemas.process.wait_reasons import WaitReason


def test_a_suspect_enters_an_empty_room_alone_and_nobody_after_it() -> None:
    room: Isolation[str] = Isolation()
    assert room.enter_suspect("suspect", 0.0) is StartMode.ALONE
    assert not room.admits(1.0)
    assert room.enter_suspect("another", 1.0) is None
    room.leave("suspect")
    assert room.admits(2.0)


def test_a_suspect_waits_while_others_run_and_they_for_it_when_it_has_waited_long() -> None:
    room: Isolation[str] = Isolation()
    room.enter("job", 0.0)
    assert room.enter_suspect("suspect", 1.0) is None
    assert room.admits(1.0)
    late = 1.1 + PATIENCE_SECONDS
    assert room.enter_suspect("suspect", late) is None
    assert not room.admits(late)
    room.leave("job")
    assert room.enter_suspect("suspect", late) is StartMode.ALONE


def test_a_suspect_that_is_gone_holds_nobody_up() -> None:
    room: Isolation[str] = Isolation()
    room.enter("job", 0.0)
    room.enter_suspect("suspect", 0.0)
    room.enter_suspect("suspect", PATIENCE_SECONDS + 1)
    assert not room.admits(PATIENCE_SECONDS + 1)
    assert room.admits(PATIENCE_SECONDS + 2 + ASKING_SECONDS)


def test_a_suspect_whose_workers_are_busy_between_its_looks_comes_to_its_turn() -> None:
    """Two groups of one worker each in one process: the other one asks all the time whether its jobs may begin."""
    room: Isolation[str] = Isolation()
    ends = {"mine": 10.0, "other": 9.0}
    lengths = dict(ends)
    for job in ends:
        room.enter(job, 0.0)
    for second in range(1, 20 * int(PATIENCE_SECONDS)):
        for job in [job for job, end in ends.items() if end <= second]:
            room.leave(job)
            del ends[job]
        # an idle worker of its group asks for the suspect first
        if "mine" not in ends and room.enter_suspect("suspect", second) is not None:
            assert second <= 2 * PATIENCE_SECONDS
            return
        for job in lengths.keys() - ends.keys():
            if room.admits(second):
                room.enter(job, second)
                ends[job] = second + lengths[job]
    raise AssertionError("it never came to its turn")


def test_a_suspect_does_not_wait_for_a_job_of_hours_but_its_death_would_not_count() -> None:
    room: Isolation[str] = Isolation()
    room.enter("long", 0.0)
    room.enter_suspect("suspect", ALONE_SECONDS)
    assert room.enter_suspect("suspect", ALONE_SECONDS + PATIENCE_SECONDS) is StartMode.BESIDE
    assert room.admits(ALONE_SECONDS + PATIENCE_SECONDS)


def test_a_suspect_that_lives_long_gets_company() -> None:
    room: Isolation[str] = Isolation()
    room.enter_suspect("suspect", 0.0)
    assert room.open_up(ALONE_SECONDS - 1) is None
    assert room.open_up(ALONE_SECONDS) == "suspect"
    assert room.open_up(ALONE_SECONDS) is None
    assert room.admits(ALONE_SECONDS)


def test_whoever_may_not_begin_is_told_why() -> None:
    room: Isolation[str] = Isolation()
    assert room.refusal(0.0) is None
    room.enter_suspect("suspect", 0.0)
    assert room.refusal(1.0) is WaitReason.ISOLATION
    room.open_up(ALONE_SECONDS)
    assert room.refusal(ALONE_SECONDS) is None

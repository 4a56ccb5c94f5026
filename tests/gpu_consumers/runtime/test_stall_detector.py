"""A job that does not move for long is seen; one that moves, or has ended, is not."""

from gpu_consumers.runtime.stall_detector import SILENT_SECONDS, StallDetector
from schemas.process.wait_reasons import WaitReason


def test_only_what_has_not_moved_for_long_is_silent() -> None:
    now = [0.0]
    pulse: StallDetector[str] = StallDetector(lambda: now[0])
    with pulse.of("moving"), pulse.of("hanging"):
        now[0] = SILENT_SECONDS
        pulse.beat("moving")
        assert pulse.silent() == []
        now[0] += 1
        assert pulse.silent() == ["hanging"]
    assert pulse.silent() == []


def test_what_is_not_worked_on_cannot_move() -> None:
    now = [0.0]
    pulse: StallDetector[str] = StallDetector(lambda: now[0])
    pulse.beat("ended")
    now[0] = 2 * SILENT_SECONDS
    assert pulse.silent() == []


def test_what_a_task_waits_for_is_known_until_it_goes_on() -> None:
    pulse: StallDetector[str] = StallDetector()
    with pulse.of("task"):
        with pulse.held("task", WaitReason.OUTAGE):
            assert (pulse.working(), pulse.waiting()) == (["task"], [("task", WaitReason.OUTAGE)])
        assert (pulse.working(), pulse.waiting()) == (["task"], [])
    assert pulse.working() == []

"""A job that does not move for long is seen; one that moves, or has ended, is not."""

from gpu_consumers.runtime.stall_detector import STALL_SECONDS, StallDetector
from schemas.process.wait_reasons import WaitReason


def test_only_what_has_not_moved_for_long_is_silent() -> None:
    now = [0.0]
    stall_detector: StallDetector[str] = StallDetector(lambda: now[0])
    with stall_detector.track("moving"), stall_detector.track("hanging"):
        now[0] = STALL_SECONDS
        stall_detector.heartbeat("moving")
        assert stall_detector.stalled() == []
        now[0] += 1
        assert stall_detector.stalled() == ["hanging"]
    assert stall_detector.stalled() == []


def test_what_is_not_worked_on_cannot_move() -> None:
    now = [0.0]
    stall_detector: StallDetector[str] = StallDetector(lambda: now[0])
    stall_detector.heartbeat("ended")
    now[0] = 2 * STALL_SECONDS
    assert stall_detector.stalled() == []


def test_what_a_task_waits_for_is_known_until_it_goes_on() -> None:
    detector: StallDetector[str] = StallDetector()
    with detector.track("task"):
        with detector.held("task", WaitReason.OUTAGE):
            assert (detector.working(), detector.waiting()) == (["task"], [("task", WaitReason.OUTAGE)])
        assert (detector.working(), detector.waiting()) == (["task"], [])
    assert detector.working() == []

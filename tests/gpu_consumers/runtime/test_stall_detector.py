"""A job that does not move for long is seen; one that moves, or has ended, is not."""

from gpu_consumers.runtime.stall_detector import SILENT_SECONDS, StallDetector


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

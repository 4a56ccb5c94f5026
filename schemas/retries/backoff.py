"""Backoff: waits before the next attempt, from a list or growing. Pure; the caller supplies the random number."""

from dataclasses import dataclass

_MOST_GROWTHS = 64  # no wait grows for longer, and no float grows beyond its range
Jitter = tuple[float, float]
"""The factors between which each wait is drawn, so that those who failed together do not come back together."""
NO_JITTER: Jitter = (1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits in seconds that grow by `factor` from `first` to `cap`, and stay there."""

    first: float
    factor: float = 2.0
    cap: float
    jitter: Jitter = NO_JITTER

    def __post_init__(self) -> None:
        if not (0 <= self.first <= self.cap and 1 <= self.factor <= 10 and 0 <= self.jitter[0] <= self.jitter[1]):
            raise ValueError(f"{self} does not grow from first to cap")

    def wait(self, failures: int, spread: float = 0.0) -> float:
        """Seconds after so many failures in a row (1 at first); `spread` is a random number of [0, 1)."""
        grown = self.first * self.factor ** min(failures - 1, _MOST_GROWTHS)
        return _drawn(min(self.cap, grown), self.jitter, spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWaits:
    """Waits in seconds after each failed attempt but the last."""

    seconds: tuple[float, ...]
    jitter: Jitter = NO_JITTER

    @property
    def attempts(self) -> int:
        """The greatest number of attempts."""
        return len(self.seconds) + 1

    def wait(self, failures: int, spread: float = 0.0) -> float:
        """Seconds after so many failures (1 at first), fewer than `attempts`; `spread` is a random number of [0, 1)."""
        return _drawn(self.seconds[failures - 1], self.jitter, spread)


def jittered(seconds: float, waits: "Backoff | FixedWaits", spread: float) -> float:
    """A wait with the random spread that schedules use."""
    return _drawn(seconds, waits.jitter, spread)


def _drawn(seconds: float, jitter: Jitter, spread: float) -> float:
    least, most = jitter
    return seconds * (least + (most - least) * spread)

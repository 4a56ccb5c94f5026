"""Rules by which a call is sent again. Pure."""

import random
from dataclasses import dataclass, replace

from ..errors import AnswerError, AnswerLost, ClientError, Unreachable

AGAIN = frozenset({429, 502, 503, 504})  # statuses that may be other ones soon
LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Retries:
    """At most so many `attempts`, the last of which begins within `seconds`; `attempts=1`: nothing is sent again.

    A pause is what `Retry-After` says, else from half a second, twice as long each time, up to 8 s, minus a part by chance.
    """

    attempts: int = 4
    seconds: float = 60.0

    def within(self, seconds: float) -> "Retries":
        """The same in no more than so many seconds."""
        return replace(self, seconds=min(self.seconds, max(0.0, seconds)))

    def pause(self, error: ClientError, attempt: int, elapsed: float, *, is_repeatable: bool = True) -> float | None:
        """The seconds until the next attempt, after `attempt` of them in `elapsed` seconds; None: there is none."""
        if attempt >= self.attempts or not _may_pass(error, is_repeatable):
            return None
        own = min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        named = error.retry_after if isinstance(error, AnswerError) else None
        pause = own if named is None else max(named, own)
        return pause if elapsed + pause <= self.seconds else None


USUAL = Retries()
RECONNECTS = Retries(attempts=12, seconds=90.0)
"""In a row, without a word between them: of streams and downloads, which go on where they were cut."""


def _may_pass(error: ClientError, is_repeatable: bool) -> bool:
    """Whether another attempt may succeed, and does nothing twice."""
    if isinstance(error, Unreachable):
        return True  # nothing was sent
    if isinstance(error, AnswerError):
        return is_repeatable and error.status in AGAIN
    return is_repeatable and isinstance(error, AnswerLost)

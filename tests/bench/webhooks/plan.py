"""What a run is made of, all of it drawn from one seed: endpoints, events, and what a receiver does at every call."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from schemas.events import event_id
from sink.webhooks.deliveries import delivery_id, endpoint_id
from sink.webhooks.signature import message_id

TENANTS = 4


class Kind(StrEnum):
    """What a receiver does with a call."""

    TAKEN = "2xx"
    ERROR = "5xx"
    OVERLOADED = "429 with Retry-After"
    RESET = "connection reset"
    TIMEOUT = "no answer"
    DRIP = "slow drip"
    GONE = "410"


# of all calls, while 0.3 fail
SHARES = {Kind.ERROR: 0.13, Kind.RESET: 0.08, Kind.OVERLOADED: 0.06, Kind.TIMEOUT: 0.015, Kind.DRIP: 0.015}
STUBBORN = 0.004  # of the first half of all events at an endpoint, which is refused at every call


@dataclass(frozen=True)
class Reply:
    """What is answered; without a status nothing is, or not all of it."""

    kind: Kind
    status: int | None = None
    retry_after: str | None = None


@dataclass(frozen=True)
class Message:
    """One event for one endpoint, both by their numbers."""

    event: int
    endpoint: int


@dataclass(frozen=True)
class Plan:
    """`events` go to every endpoint, `single` more to one each in turn."""

    seed: int
    events: int
    endpoints: int
    port: int
    failing: float = 0.3
    gone: int = 0
    """How many endpoints answer 410 once, late in the run."""
    single: int = 0
    hanging: int = 0
    """How many endpoints, the last ones, give no answer about the events of every second round."""
    round_events: int = 1

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """A plan that another process wrote."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """For another process."""
        path.write_text(json.dumps(asdict(self)))

    def tenant(self, endpoint: int) -> str:
        """Whose endpoint it is."""
        return f"tenant-{endpoint % TENANTS}"

    def url(self, endpoint: int) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/{endpoint}"

    def endpoint_id(self, endpoint: int) -> UUID:
        """Its id in the database."""
        return endpoint_id(self.tenant(endpoint), self.url(endpoint))

    def secret(self, endpoint: int) -> bytes:
        """What its calls are signed with."""
        return hashlib.sha256(f"secret/{self.seed}/{endpoint}".encode()).digest()

    def job_id(self, event: int) -> UUID:
        """The job whose end the event tells."""
        return uuid5(NAMESPACE_URL, f"scribe-bench/{self.seed}/{event}")

    def event_id(self, event: int) -> UUID:
        """The id under which the result is known."""
        return event_id(self.job_id(event), "JobResult", 1)

    def webhook_id(self, message: Message) -> str:
        """The id that the receiver must see."""
        return message_id(delivery_id(self.event_id(message.event), self.endpoint_id(message.endpoint)))

    def messages(self) -> Iterator[Message]:
        """Every pair of event and endpoint that must come to an end."""
        for event in range(self.events):
            for endpoint in range(self.endpoints):
                yield Message(event, endpoint)
        for event in range(self.events, self.events + self.single):
            yield Message(event, event % self.endpoints)

    @cached_property
    def known(self) -> dict[str, Message]:
        """Every pair by its webhook id."""
        return {self.webhook_id(message): message for message in self.messages()}

    @cached_property
    def last_words(self) -> frozenset[Message]:
        """The pairs that are answered 410."""
        chosen = sorted(range(self.endpoints), key=lambda endpoint: self._chance("gone", endpoint))[: self.gone]
        return frozenset(
            Message(int(self.events * (0.6 + 0.35 * self._chance("when", endpoint))), endpoint) for endpoint in chosen
        )

    def reply(self, message: Message, call: int) -> Reply:
        """What the receiver does with call number `call` (0 at first) about a pair."""
        if message in self.last_words:
            return Reply(Kind.GONE, 410)
        if self.is_hanging(message.endpoint) and self.is_disturbed(message.event):
            return Reply(Kind.TIMEOUT)
        chance = self._chance("call", message.event, message.endpoint, call)
        if self._is_stubborn(message):
            return Reply(Kind.ERROR, 500)
        for kind, share in SHARES.items():
            share *= self.failing / 0.3
            if chance < share:
                return _reply(kind, chance / share)
            chance -= share
        return Reply(Kind.TAKEN, (200, 201, 202, 204)[int(chance * 1e6) % 4])

    def is_hanging(self, endpoint: int) -> bool:
        """Whether it is one that hangs at times."""
        return endpoint >= self.endpoints - self.hanging

    def is_disturbed(self, event: int) -> bool:
        """Whether it belongs to a round in which endpoints hang."""
        return (event // self.round_events) % 2 == 1

    def _is_stubborn(self, message: Message) -> bool:
        early = self.failing > 0 and message.event < self.events / 2
        return early and self._chance("stubborn", message.event, message.endpoint) < STUBBORN

    def _chance(self, *what: object) -> float:
        """A number of [0, 1) that depends on the seed and on `what` alone."""
        digest = hashlib.blake2b(repr((self.seed, *what)).encode(), digest_size=7).digest()
        return int.from_bytes(digest, "big") / 2**56


def _reply(kind: Kind, chance: float) -> Reply:
    if kind is Kind.ERROR:
        status = (500, 502, 503, 504)[int(chance * 4)]
        return Reply(kind, status, "30" if status == 503 else None)
    if kind is Kind.OVERLOADED:
        return Reply(kind, 429, str(1 + int(chance * 120)))
    return Reply(kind)

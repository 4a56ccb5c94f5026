"""Mistakes about what clients and operators ask for: at the REST door, in cancels, in replays; and with what is large."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from tests.chaos.planting import Mistake, death, put


def _announced_later() -> None:
    """The row and the record of a job are committed one after the other."""
    from producers.api.jobs import operations
    from producers.jobs.submit import accept
    from sink.jobs import outbox

    die = death(3)

    async def announced_later(database: Any, request: Any, record: Any, policy: Any = None, _: Any = None) -> Any:
        accepted = await accept(database, request, record, policy)
        if accepted and accepted.created:
            async with database.transaction() as connection:
                await connection.execute("DELETE FROM outbox WHERE key = %s AND published_at IS NULL", [record.key])
            die()
            async with database.transaction() as connection:
                await outbox.add(connection, record)
        return accepted

    put(operations, "accept", announced_later)


def _own_ids() -> None:
    """The id by which a request is known again is not looked at."""
    from producers.api.jobs.bodies import JobFields

    request = JobFields.request

    def other(self: Any, *args: Any) -> Any:
        return request(self.model_copy(update={"job_id": uuid4()}), *args)

    put(JobFields, "request", other)


def _only_marked() -> None:
    from sink.jobs import cancelling

    put(cancelling, "outbox", SimpleNamespace(add=_nothing))


def _ended_at_the_door() -> None:
    """A cancel ends its job at once, whatever the GPU processes make of it."""
    from sink.jobs import cancelling

    put(cancelling, "_MARK", cancelling._MARK.replace("SET ", "SET state = 'cancelled', "))


def _deaf() -> None:
    from gpu_consumers.core.delivery.cancellations import Cancellations

    put(Cancellations, "covers", lambda *_: False)


def _begun_again() -> None:
    """A replay that goes on does not know what it began."""
    from sink.jobs import replay_log

    put(replay_log, "_is_open", lambda *_: False)


def _not_kept() -> None:
    from sink.objects.s3 import S3ObjectStore

    put(S3ObjectStore, "put", lambda *_, **__: True)


async def _nothing(*_: Any) -> None:
    """In the place of what must be written."""


MISTAKES: dict[str, Mistake] = {
    "jobs are announced later": Mistake("api", _announced_later),
    "the door takes ids of its own": Mistake("api", _own_ids),
    "a cancel is only marked": Mistake("api", _only_marked),
    "a cancel ends its job at the door": Mistake("api", _ended_at_the_door),
    "cancels are not heard": Mistake("gpu", _deaf),
    "a replay that goes on begins anew": Mistake("replay", _begun_again),
    "large results are not kept": Mistake("gpu", _not_kept),
}

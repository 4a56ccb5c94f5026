"""Operations of operators: dead letters of all groups, and why a job of any tenant waits."""

from collections.abc import AsyncGenerator
from datetime import datetime

from ..models.operators import DeadLetter, StuckJob
from ..protocol.calls import Operation
from .session import Id, Session

PAGE = 100


class OperatorOperations(Session):
    """Operations for keys with the scope `operator`."""

    def dead_letters(
        self,
        *,
        group: str | None = None,
        code: str | None = None,
        tenant: str | None = None,
        job_id: Id | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[DeadLetter, None]:
        """Dead letters of all groups, the newest first, without what is in them."""
        query = {"group": group, "code": code, "tenant": tenant, "job_id": job_id, "since": since, "until": until}
        return self._listed(Operation.LIST_DEAD_LETTERS, "dead_letters", DeadLetter, query, limit, PAGE)

    async def dead_letter(self, item: str) -> DeadLetter:
        """A dead letter by its name, such as `transcribers/3/1234`, with what is in it."""
        group, partition, offset = item.split("/")
        operation = Operation.GET_DEAD_LETTER
        return await self._got(operation, DeadLetter, group=group, partition=partition, offset=offset)

    async def explain(self, job_id: Id) -> StuckJob:
        """The gates that hold a job of any tenant, with the evidence and what to do."""
        return await self._got(Operation.EXPLAIN_JOB, StuckJob, job_id=job_id)

"""The id of a request's job: a request that is sent again within an hour finds the job that it made before. Pure.

OpenAI's clients send a request again by themselves when it takes too long or its answer is lost, and name nothing by
which it could be known. So it is known by its key, its recording and its options: from these and the hour the ids of
its jobs are derived, one after the other. The id of a key is drawn at random and known to its tenant alone: no other
tenant finds out by such an id what was handed in, or takes it first. Two requests in the same moment choose the same id;
only if the hour ends between them can there be two jobs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from schemas.errors import ErrorKind
from schemas.events import JobRequested
from schemas.requests.identity import RequestScope, request_digest
from schemas.vocabulary.job_states import ENDED, JobState
from sink.jobs.queries import JobRow

WINDOW = timedelta(hours=1)  # longer than three attempts of a client that waits ten minutes each
JOBS = 8  # that one request may make within a window, when they fail
_NAMESPACE = UUID("8f1d2f0b-6a43-5e0e-9d58-0c6f5a1b7e21")
_NO_ID = UUID(int=0)
_LASTING = (ErrorKind.REQUEST, ErrorKind.SOURCE, ErrorKind.MEDIA, ErrorKind.LIMIT)


class JobIds:
    """The ids that jobs of a request may have, around a time."""

    def __init__(self, request: JobRequested, key_id: str, now: datetime) -> None:
        self._key_id = key_id
        self._digest = request_digest(replace(request, job_id=_NO_ID), RequestScope.SUBMISSION).hex()
        self._now = now
        self._hour = int(now.timestamp() // WINDOW.total_seconds())

    @property
    def known(self) -> list[UUID]:
        """The ids of earlier jobs that count, in their order; the next hour's too, since clocks differ."""
        return [self._id(hour, number) for hour in range(self._hour - 1, self._hour + 2) for number in range(JOBS)]

    def choices(self, jobs: Mapping[UUID, JobRow], *, again: bool) -> Iterator[UUID]:
        """The id to take, and those to take instead where an erased job had it.

        `jobs`: those of `known` that exist; `again`: whether the client says that it sends the request again.
        """
        made = [job_id for job_id in self.known if job_id in jobs]
        joined = made[-1:] if made and self._counts(jobs[made[-1]], again) else []
        own = [self._id(self._hour, number) for number in range(JOBS)]
        free = [job_id for job_id in own if job_id not in jobs]
        yield from (joined + free) or own[-1:]

    def _counts(self, job: JobRow, again: bool) -> bool:
        """Whether a job answers the request: it runs, or has ended lately in a way that another would too."""
        if job.state not in ENDED:
            return True
        if job.completed_at is None or self._now - job.completed_at > WINDOW:
            return False
        lasting = job.state == JobState.COMPLETED or (job.error or {}).get("kind") in _LASTING
        return lasting or again

    def _id(self, hour: int, number: int) -> UUID:
        return uuid5(_NAMESPACE, f"{self._key_id}/{self._digest}/{hour}/{number}")

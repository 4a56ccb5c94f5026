"""A client of the REST door: what gets no answer, or one of trouble, is sent again until there is one."""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID

import httpx

from tests.chaos.plan import PlannedJob

PAUSE_SECONDS = 0.2
ANSWER_SECONDS = 3.0
_SUBMIT, _JOB = "/api/v1/transcribe", "/api/v1/jobs/{}"


class RestClient:
    """Submits and cancels; `stopped` ends all waiting."""

    def __init__(self, address: str, keys: Mapping[str, str], stopped: threading.Event) -> None:
        """`keys`: that of each tenant."""
        self.answers: Counter[str] = Counter()
        """What was answered, by status; also how often nothing was."""
        self.submitted: dict[UUID, list[UUID]] = defaultdict(list)
        """The ids of the jobs with which a submission was accepted, by the one that it named."""
        self._keys = keys
        self._stopped = stopped
        self._client = httpx.AsyncClient(base_url=address, timeout=ANSWER_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def submit(self, job: PlannedJob, webhook_url: str) -> None:
        """Returns when the job is accepted, after a second time if its client does not hear the first."""
        body = {
            "job_id": str(job.job_id),  # sent again with the same one, it is the same job
            "url": job.source,
            "recording_id": job.recording,
            "diarize": job.diarize,
            "webhook_url": webhook_url if job.webhook else None,
            "metadata": dict(job.orders),
        }
        for _ in range(1 + job.repeats):
            if (answer := await self._answered(job, "POST", _SUBMIT, body)) is not None:
                self.submitted[job.job_id].append(UUID(answer.json()["job_id"]))

    async def cancel(self, job: PlannedJob) -> bool | None:
        """Whether the job was asked to stop: False when it had ended, None when there was no time for an answer."""
        answer = await self._answered(job, "DELETE", _JOB.format(job.job_id))
        return None if answer is None else answer.status_code == httpx.codes.ACCEPTED

    async def _answered(self, job: PlannedJob, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """The first answer that is final; raises HTTPStatusError for one that refuses."""
        while not self._stopped.is_set():
            try:
                answer = await self._client.request(
                    method, path, json=body, headers={"X-API-Key": self._keys[job.tenant]}
                )
            except httpx.TransportError:
                self.answers["none"] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return answer  # the judge will tell of a job that is lost
                if not answer.is_server_error:
                    return answer.raise_for_status()
            await asyncio.sleep(PAUSE_SECONDS)
        return None

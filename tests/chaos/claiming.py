"""Fake stages whose large transcripts travel as those of the real ones do: in the object store, the event says where."""

from dataclasses import replace
from functools import cached_property

from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, StageRunner, Work
from gpu_consumers.pipeline.claim_check import ClaimCheckStore
from schemas.events import JobResult, TranscriptReady
from schemas.settings.processes import GpuProcess


class Claiming:
    """A stage that keeps what is too large for an event; implements gpu_consumers.core.delivery.messages.StageRunner."""

    def __init__(self, runner: StageRunner, settings: GpuProcess) -> None:
        self.group, self.topics, self.workers = runner.group, runner.topics, runner.workers
        self._runner = runner
        self._settings = settings

    def decode(self, delivery: Delivery) -> Job:
        """See StageRunner."""
        return self._runner.decode(delivery)

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """See StageRunner; what came as a claim is read back as well."""
        if isinstance(job.event, TranscriptReady) and job.event.claim_check is not None:
            self._claims.transcript_of(job.event)
        return tuple(map(self._packed, self._runner.run(job, work)))

    def _packed(self, emission: Emission) -> Emission:
        event = emission.event
        if not isinstance(event, JobResult | TranscriptReady) or event.transcript is None:
            return emission
        if len(event.transcript.text) <= self._settings.inline_max_bytes:
            return emission
        packed = self._claims.pack(event.transcript, event.tenant, event.job_id, event.event_id)
        return replace(emission, event=replace(event, transcript=packed.inline, claim_check=packed.claim))

    @cached_property
    def _claims(self) -> ClaimCheckStore:
        from sink.objects.s3 import (
            S3ObjectStore,  # only few jobs need it, and it takes as long as all the rest of a start
        )

        return ClaimCheckStore(S3ObjectStore(self._settings), self._settings.inline_max_bytes)

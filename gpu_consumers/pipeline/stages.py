"""The stages of a job, transcription and diarization: from input event to output event."""

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid5

from gpu_consumers.audio.cache import AudioCache
from gpu_consumers.audio.fetch import Fetcher, FetchLimits
from gpu_consumers.audio.samples import Progress, Samples
from gpu_consumers.core.delivery.error_policy import classify
from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, StageRunner, Work
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.core.speech.assembly import assemble, needs_turns
from gpu_consumers.core.speech.checkpoints import digest_of
from gpu_consumers.core.speech.merge import FAILED, merge, without_words
from gpu_consumers.core.speech.transcribed import check_transcribed
from gpu_consumers.engines.checkpoints import NoCheckpoints, StoredCheckpoints
from gpu_consumers.engines.loader import LoadedEngines
from gpu_consumers.engines.protocols import Diarizer, Engines, SpeakerBounds, TranscriptionOptions
from gpu_consumers.pipeline.claim_check import ClaimCheckStore, PackedTranscript
from gpu_consumers.pipeline.recordings import Recording, Recordings, heard_of
from gpu_consumers.pipeline.timings import Stopwatch
from schemas.errors import Cancelled, Fatal, NotAllowed, NotAllowedYet, NotOwner, Outage, Permanent, Poison
from schemas.events import (
    Audio,
    JobRequested,
    JobResult,
    ModelInfo,
    Options,
    Outcome,
    Stage,
    TranscriptReady,
    event_id,
    without_query,
)
from schemas.metrics import AUDIO_SECONDS, REAL_TIME_FACTOR
from schemas.models.registry import ModelEntry, ModelRegistry, load_registry
from schemas.requests.identity import request_digest
from schemas.requests.limits import check_request
from schemas.settings.processes import GpuProcess
from schemas.tenants.permissions import check_model
from schemas.topics import DIARIZERS, JOBS, JOBS_EXPRESS, RESULTS, TRANSCRIBERS, TRANSCRIPTS
from schemas.transcript import Transcript
from schemas.wire.object_keys import checkpoint_prefix
from schemas.wire.serde import Serde
from sink.http.client import OutboundClient
from sink.objects.s3 import S3ObjectStore

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]

SUSPECT_SECONDS = 10.0  # of audio, between two checkpoints of a suspect: what comes further is none
ATTEMPTS_TO_DIARIZE = 2  # a transcript without speakers is better than none


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StageParts:
    """Collaborators of both stages."""

    serde: Serde
    engines: Engines
    recordings: Recordings
    claims: ClaimCheckStore
    policies: Policies = field(default_factory=Policies)
    now: Clock = utc_now
    checkpoint_seconds: float = 60.0

    def pack(self, transcript: Transcript, request: JobRequested, ident: UUID) -> PackedTranscript:
        """Pack a transcript for the event `ident` of a job, as its tenant's policy requires."""
        inline = self.policies.in_force(request.tenant).inline
        # another request under the same job id has the same event ids, and must not be told this one's words
        name = uuid5(ident, request_digest(request).hex())
        return self.claims.pack(transcript, request.tenant, request.job_id, name, inline=inline)

    def checkpoints(
        self, work: Work, request: JobRequested, duration: float, *facts: object
    ) -> StoredCheckpoints | NoCheckpoints | None:
        """Checkpoints of work that depends on `facts`, if it takes long or its record is a crash suspect."""
        seconds = self.checkpoint_seconds
        if not seconds:
            return None
        if not work.suspect and duration <= 2 * seconds:
            return NoCheckpoints(seconds)
        prefix = checkpoint_prefix(request.tenant, request.job_id, digest_of(*facts))
        every = min(seconds, SUSPECT_SECONDS) if work.suspect else seconds
        return StoredCheckpoints(self.claims.store, prefix, seconds, every, work.advanced)


@dataclass(slots=True, kw_only=True)
class TranscribeStage:
    """JobRequested in; TranscriptReady out, or directly the JobResult when no diarization is requested."""

    parts: StageParts
    registry: ModelRegistry
    workers: int = 1
    group: str = TRANSCRIBERS
    topics: tuple[str, ...] = (JOBS, JOBS_EXPRESS)
    transcripts: str = TRANSCRIPTS
    results: str = RESULTS

    def decode(self, delivery: Delivery) -> Job:
        """See StageRunner."""
        request = self.parts.serde.decode(delivery.value, JobRequested)
        return Job(delivery, request, request)

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """See StageRunner."""
        try:
            return self._run(job, work)
        except NotAllowed as error:
            # what REST let in by a new policy may be here before it
            if job.delivery.attempt > 1:
                raise
            raise NotAllowedYet(str(error)) from error

    def _run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        request = job.request
        policy = self.parts.policies.admit(request.tenant)
        entry = check_request(request, self.registry, self.parts.now())
        check_model(policy, entry.name)
        work.report(Stage.TRANSCRIBING, 0.0, None)
        watch = Stopwatch()
        with self.parts.recordings.fresh(request, policy, work.check, watch) as recording:
            model = self.parts.engines.transcriber(entry.name)
            with watch.measure("transcribe"):
                wishes = _wishes(request.options, entry)
                heard = [
                    model.transcribe(
                        channel,
                        wishes,
                        progress,
                        self._checkpoints(work, request, recording, number, model.info, wishes),
                    )
                    for number, (channel, progress) in enumerate(_channels(recording, work))
                ]
            _count(Stage.TRANSCRIBING, recording.decoded.duration, watch.timings["transcribe"])
            decoded = recording.decoded
            transcript = assemble(heard, decoded.duration, decoded.warnings, request.options)
            goes_on = needs_turns(transcript, request.options)
            uri = without_query(request.source.uri)
            if goes_on:
                uri = self.parts.recordings.keep(request, recording.fetched)
        audio = Audio(uri=uri, duration=decoded.duration, channels=decoded.channels, sha256=recording.fetched.sha256)
        if goes_on:
            return (Emission(self.transcripts, self._ready(request, audio, transcript, model.info, watch)),)
        return (Emission(self.results, result_of(self.parts, request, audio, transcript, (model.info,), watch)),)

    def _checkpoints(
        self,
        work: Work,
        request: JobRequested,
        recording: Recording,
        channel: int,
        model: ModelInfo,
        wishes: TranscriptionOptions,
    ) -> StoredCheckpoints | NoCheckpoints | None:
        sound = recording.fetched.sha256, *heard_of(request.options), channel
        facts = *sound, *astuple(model), *astuple(wishes)
        return self.parts.checkpoints(work, request, recording.decoded.duration, *facts)

    def _ready(
        self, request: JobRequested, audio: Audio, transcript: Transcript, model: ModelInfo, watch: Stopwatch
    ) -> TranscriptReady:
        ident = event_id(request.job_id, TranscriptReady.KIND, request.run)
        packed = self.parts.pack(transcript, request, ident)
        return TranscriptReady(
            event_id=ident,
            job_id=request.job_id,
            run=request.run,
            tenant=request.tenant,
            request=request.without_query(),
            audio=audio,
            transcript=packed.inline,
            claim_check=packed.claim,
            model=model,
            timings=watch.timings,
            completed_at=self.parts.now(),
        )


@dataclass(slots=True, kw_only=True)
class DiarizeStage:
    """TranscriptReady in, JobResult with the speaker of each word out."""

    parts: StageParts
    workers: int = 1
    group: str = DIARIZERS
    topics: tuple[str, ...] = (TRANSCRIPTS,)
    results: str = RESULTS

    def decode(self, delivery: Delivery) -> Job:
        """See StageRunner."""
        event = self.parts.serde.decode(delivery.value, TranscriptReady)
        return Job(delivery, event, event.request)

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """See StageRunner."""
        event = job.event
        if not isinstance(event, TranscriptReady):
            raise Poison(f"a {type(event).__name__} where a TranscriptReady belongs")
        check_transcribed(event)
        watch = Stopwatch(event.timings)
        transcript = self.parts.claims.transcript_of(event)
        models: tuple[ModelInfo, ...] = (event.model,)
        try:
            diarizer = self.parts.engines.diarizer()
            transcript = self._with_speakers(diarizer, event, transcript, work, watch)
            models = (event.model, diarizer.info)
        except (Outage, NotOwner, Cancelled, Fatal):
            raise
        # engines raise whatever they like; the words are there and shall not be lost for want of speakers
        except Exception as error:
            if not self._gives_up(error, job.delivery.attempt):
                raise
            log.warning("delivered without speakers: %s", error, exc_info=error)
            transcript = replace(transcript, warnings=(*transcript.warnings, FAILED))
        result = result_of(self.parts, event.request, event.audio, transcript, models, watch)
        return (Emission(self.results, result),)

    def _with_speakers(
        self, diarizer: Diarizer, event: TranscriptReady, transcript: Transcript, work: Work, watch: Stopwatch
    ) -> Transcript:
        progress = _reporting(work, Stage.DIARIZING, event.audio.duration)
        progress(0.0)
        facts = event.audio.sha256, *heard_of(event.request.options), *astuple(diarizer.info)
        checkpoints = self.parts.checkpoints(work, event.request, event.audio.duration, *facts)
        with watch.measure("load_audio"):
            samples = self.parts.recordings.again(event, work.check)
        with watch.measure("diarize"):
            turns = diarizer.diarize(
                _spoken(samples, transcript), _bounds(event.request.options), progress, checkpoints
            )
        _count(Stage.DIARIZING, event.audio.duration, watch.timings["diarize"])
        with watch.measure("merge"):
            return merge(transcript, turns)

    @staticmethod
    def _gives_up(error: Exception, attempt: int) -> bool:
        judged = classify(error)
        return not isinstance(judged, Fatal) and (isinstance(judged, Permanent) or attempt >= ATTEMPTS_TO_DIARIZE)


def _count(stage: Stage, audio: float, work: float) -> None:
    """Count seconds of audio that a stage has worked through in so many seconds."""
    AUDIO_SECONDS.labels(stage).inc(audio)
    if audio > 0:
        REAL_TIME_FACTOR.labels(stage).observe(work / audio)


def result_of(
    parts: StageParts,
    request: JobRequested,
    audio: Audio,
    transcript: Transcript,
    models: tuple[ModelInfo, ...],
    watch: Stopwatch,
) -> JobResult:
    """The result of a completed job."""
    if not request.options.word_timestamps:
        transcript = without_words(transcript)
    ident: UUID = event_id(request.job_id, JobResult.KIND, request.run)
    packed = parts.pack(transcript, request, ident)
    return JobResult(
        event_id=ident,
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request.without_query(),
        outcome=Outcome.COMPLETED,
        audio=audio,
        transcript=packed.inline,
        claim_check=packed.claim,
        speakers=packed.transcript.speakers,
        models=models,
        timings=watch.timings,
        completed_at=parts.now(),
    )


def _wishes(options: Options, entry: ModelEntry) -> TranscriptionOptions:
    return TranscriptionOptions(
        options.language or entry.default_language, options.task, options.hotwords, options.prompt
    )


def _bounds(options: Options) -> SpeakerBounds:
    return SpeakerBounds(options.num_speakers, options.min_speakers, options.max_speakers)


def _channels(recording: Recording, work: Work) -> list[tuple[Samples, Progress]]:
    """Each channel with a progress callback that counts all of them as one recording."""
    count, duration = recording.decoded.channels, recording.decoded.duration
    report = _reporting(work, Stage.TRANSCRIBING, duration)

    def part(index: int) -> Progress:
        return lambda done: report((index * duration + done) / count)

    return [(recording.samples[:, index], part(index)) for index in range(count)]


def _reporting(work: Work, stage: Stage, total: float) -> Progress:
    def progress(done: float) -> None:
        work.check()
        work.report(stage, min(done, total), total)

    return progress


def _spoken(samples: Samples, transcript: Transcript) -> Samples:
    """The channel from which all words of the transcript are, or the mean of all channels."""
    named = {segment.channel for segment in transcript.segments}
    if len(named) == 1 and (channel := named.pop()) is not None and 0 <= channel < samples.shape[1]:
        return samples[:, channel]
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=samples.dtype)
    return mono


def create_stages(
    names: Sequence[str], serde: Serde, settings: GpuProcess, policies: Policies
) -> tuple[StageRunner, ...]:
    """The stages `transcribe` and `diarize` by name, default models warmed up; raises Fatal, SettingsError."""
    registry = load_registry(settings.models_file, settings.default_model, settings.diarizer)
    store = S3ObjectStore(settings)
    limits = FetchLimits(settings.fetch_max_bytes, settings.fetch_deadline_seconds)
    fetcher = Fetcher(OutboundClient(settings, settings.environment), store, limits)
    cache = AudioCache(
        settings.audio_cache_dir or _default_cache(),
        settings.audio_cache_bytes,
        max_age_seconds=settings.audio_cache_seconds,
    )
    cache.keep_expiring()
    engines = LoadedEngines(registry, settings, settings)
    recordings = Recordings(fetcher, cache, settings.audio_max_seconds)
    claims = ClaimCheckStore(store, settings.inline_max_bytes)
    parts = StageParts(serde, engines, recordings, claims, policies, checkpoint_seconds=settings.checkpoint_seconds)

    def create(name: str) -> StageRunner:
        if name == "transcribe":
            engines.transcriber(registry.default)
            return TranscribeStage(parts=parts, registry=registry, workers=settings.transcribe_workers)
        engines.diarizer()
        return DiarizeStage(parts=parts, workers=settings.diarize_workers)

    return tuple(create(name) for name in names)


def _default_cache() -> Path:
    """The default cache folder, shared by a user's processes on this machine and created by no other user."""
    folder = Path(tempfile.gettempdir()) / f"scribe-audio-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise Fatal(f"{folder} belongs to somebody else; set SCRIBE_AUDIO_CACHE_DIR")
    return folder

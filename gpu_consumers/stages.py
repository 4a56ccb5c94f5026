"""The two steps of a job: a recording becomes words, then the words get their speakers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from gpu_consumers.claims import Claims
from gpu_consumers.core.merge import FAILED, merge, named, segments_of, without_words
from gpu_consumers.core.settle import classify
from gpu_consumers.core.work import Delivery, Emission, Job, Work
from gpu_consumers.engine import SAMPLE_RATE, Engines, Heard, Progress, Samples, SpeakerBounds, Wishes
from gpu_consumers.recordings import Recording, Recordings
from gpu_consumers.stopwatch import Stopwatch
from schemas.errors import Fatal, NotOwner, Outage, Permanent, Poison
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
from schemas.metrics import AUDIO_SECONDS
from schemas.models import ModelEntry, ModelRegistry
from schemas.requests import check_request
from schemas.serde import Serde
from schemas.topics import DIARIZERS, JOBS, JOBS_EXPRESS, RESULTS, TRANSCRIBERS, TRANSCRIPTS
from schemas.transcript import Segment, Transcript, Word

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]

NO_SPEECH = "no speech found"
ATTEMPTS_TO_DIARIZE = 2  # a transcript without speakers is better than none


def utc_now() -> datetime:
    """The time of now."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """What both stages work with."""

    serde: Serde
    engines: Engines
    recordings: Recordings
    claims: Claims
    now: Clock = utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeStage:
    """JobRequested in; TranscriptReady out, or at once the JobResult when no speakers are to be found."""

    parts: Parts
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
        request = job.request
        entry = check_request(request, self.registry, self.parts.now())
        work.report(Stage.TRANSCRIBING, 0.0, None)
        watch = Stopwatch()
        with self.parts.recordings.fresh(request, work.check, watch) as recording:
            model = self.parts.engines.transcriber(entry.name)
            with watch.measure("transcribe"):
                heard = [
                    model.transcribe(channel, _wishes(request.options, entry), progress)
                    for channel, progress in _channels(recording, work)
                ]
            AUDIO_SECONDS.labels(Stage.TRANSCRIBING).inc(recording.decoded.duration)
            transcript = _transcript(recording, heard, request.options)
            alone = _needs_no_turns(request.options, transcript, recording.decoded.channels)
            uri = without_query(request.source.uri) if alone else self.parts.recordings.keep(request, recording.fetched)
        audio = Audio(
            uri=uri,
            duration=recording.decoded.duration,
            channels=recording.decoded.channels,
            sha256=recording.fetched.sha256,
        )
        if alone:
            result = result_of(self.parts, request, audio, transcript, (model.info,), watch)
            return (Emission(self.results, result),)
        return (Emission(self.transcripts, self._ready(request, audio, transcript, model.info, watch)),)

    def _ready(
        self, request: JobRequested, audio: Audio, transcript: Transcript, model: ModelInfo, watch: Stopwatch
    ) -> TranscriptReady:
        ident = event_id(request.job_id, TranscriptReady.KIND, request.run)
        enclosed = self.parts.claims.enclose(transcript, request.tenant, request.job_id, ident)
        return TranscriptReady(
            event_id=ident,
            job_id=request.job_id,
            run=request.run,
            tenant=request.tenant,
            request=request.without_query(),
            audio=audio,
            transcript=enclosed.inline,
            claim_check=enclosed.claim,
            model=model,
            timings=watch.timings,
            completed_at=self.parts.now(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizeStage:
    """TranscriptReady in, JobResult out: who said each word."""

    parts: Parts
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
        watch = Stopwatch(event.timings)
        transcript = self.parts.claims.transcript_of(event)
        models: tuple[ModelInfo, ...] = (event.model,)
        try:
            diarizer = self.parts.engines.diarizer()
            transcript = self._with_speakers(event, transcript, work, watch)
            models = (event.model, diarizer.info)
        except (Outage, NotOwner, Fatal):
            raise
        # engines raise whatever they like; the words are there and shall not be lost for want of speakers
        except Exception as error:
            if not self._gives_up(error, job.delivery.attempt):
                raise
            log.warning("delivered without speakers: %s", error, exc_info=error)
            transcript = replace(transcript, warnings=(*transcript.warnings, FAILED))
        if not event.request.options.word_timestamps:
            transcript = without_words(transcript)
        result = result_of(self.parts, event.request, event.audio, transcript, models, watch)
        return (Emission(self.results, result),)

    def _with_speakers(
        self, event: TranscriptReady, transcript: Transcript, work: Work, watch: Stopwatch
    ) -> Transcript:
        progress = _reporting(work, Stage.DIARIZING, event.audio.duration)
        progress(0.0)
        with watch.measure("load_audio"):
            samples = self.parts.recordings.again(event, work.check)
        with watch.measure("diarize"):
            turns = self.parts.engines.diarizer().diarize(_mono(samples), _bounds(event.request.options), progress)
        AUDIO_SECONDS.labels(Stage.DIARIZING).inc(event.audio.duration)
        with watch.measure("merge"):
            return merge(transcript, turns)

    @staticmethod
    def _gives_up(error: Exception, attempt: int) -> bool:
        judged = classify(error)
        return not isinstance(judged, Fatal) and (isinstance(judged, Permanent) or attempt >= ATTEMPTS_TO_DIARIZE)


def result_of(
    parts: Parts,
    request: JobRequested,
    audio: Audio,
    transcript: Transcript,
    models: tuple[ModelInfo, ...],
    watch: Stopwatch,
) -> JobResult:
    """The good end of a job."""
    ident: UUID = event_id(request.job_id, JobResult.KIND, request.run)
    enclosed = parts.claims.enclose(transcript, request.tenant, request.job_id, ident)
    return JobResult(
        event_id=ident,
        job_id=request.job_id,
        run=request.run,
        tenant=request.tenant,
        request=request.without_query(),
        outcome=Outcome.COMPLETED,
        audio=audio,
        transcript=enclosed.inline,
        claim_check=enclosed.claim,
        speakers=enclosed.transcript.speakers,
        models=models,
        timings=watch.timings,
        completed_at=parts.now(),
    )


def _wishes(options: Options, entry: ModelEntry) -> Wishes:
    return Wishes(options.language or entry.default_language, options.task, options.hotwords, options.prompt)


def _bounds(options: Options) -> SpeakerBounds:
    return SpeakerBounds(options.num_speakers, options.min_speakers, options.max_speakers)


def _channels(recording: Recording, work: Work) -> list[tuple[Samples, Progress]]:
    """Each channel with a progress that counts all of them as one recording."""
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


def _mono(samples: Samples) -> Samples:
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=samples.dtype)
    return mono


def _transcript(recording: Recording, heard: list[Heard], options: Options) -> Transcript:
    split = len(heard) > 1
    single = _single_speaker(options)
    segments: list[Segment] = []
    for channel, part in enumerate(heard):
        label = f"channel {channel}" if split else "the one" if single else None
        segments += segments_of(_labelled(part.words, label), part.language, channel if split else None)
    main = max(heard, key=lambda part: len(part.words))
    warnings = [*recording.decoded.warnings, *dict.fromkeys(text for part in heard for text in part.warnings)]
    transcript = named(
        Transcript(
            language=main.language,
            language_probability=main.probability,
            duration=recording.decoded.duration,
            segments=tuple(sorted(segments, key=lambda segment: segment.start)),
            warnings=(*warnings, *(() if segments else (NO_SPEECH,))),
        )
    )
    keeps_words = options.word_timestamps or not _needs_no_turns(options, transcript, len(heard))
    return transcript if keeps_words else without_words(transcript)


def _labelled(words: tuple[Word, ...], label: str | None) -> tuple[Word, ...]:
    return tuple(replace(word, speaker=label) for word in words)


def _single_speaker(options: Options) -> bool:
    return options.diarize and 1 in (options.num_speakers, options.max_speakers)


def _needs_no_turns(options: Options, transcript: Transcript, channels: int) -> bool:
    return not options.diarize or channels > 1 or not transcript.segments or _single_speaker(options)

"""Transcriber over any Recognizer: windows of speech in batches, bounded in memory, resumable, stopped between two batches."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript, other_language_warnings
from gpu_consumers.core.speech.checkpoints import TranscriptionState, decode, joined
from gpu_consumers.core.speech.prompting import sharing
from gpu_consumers.core.speech.spacing import tidy
from gpu_consumers.core.speech.vad_windows import Region, Window, pack
from gpu_consumers.engines.protocols import Checkpoints, TranscriptionOptions
from gpu_consumers.engines.windowed.decoding import Decoding
from gpu_consumers.engines.windowed.recognizer import DeviceOutOfMemory, Recognizer
from gpu_consumers.engines.windowed.run import SpokenLanguage, TranscriptionRun
from gpu_consumers.engines.windowed.speech_regions import VoiceDetector, next_regions
from gpu_consumers.engines.windowed.window_decoder import WindowDecoder
from schemas.errors import Transient
from schemas.events import ModelInfo, Task
from schemas.metrics import BATCH_FILL
from schemas.transcript import Word

TRANSLATED = "en"  # the one language that Whisper translates into
UNKNOWN = "und"  # BCP 47: no speech, so nobody can tell the language
PROMPT_TOKENS = 220  # of hotwords and prompt together; longer ones would leave no room for the words
NO_PROMPT = "this model takes no hotwords and no prompt: they were ignored"


class WindowedTranscriber:
    """See engines.protocols.Transcriber; shared by all threads, as its recognizer is."""

    def __init__(
        self,
        recognizer: Recognizer,
        detect_voice: VoiceDetector,
        info: ModelInfo,
        decoding: Decoding,
        *,
        whole_batches: bool = False,
    ) -> None:
        """Create the transcriber; `whole_batches`: batches are fast, so that a whole one may be repeated."""
        self.info = info
        self._recognizer = recognizer
        self._detect_voice = detect_voice
        self._decoding = decoding
        self._decoder = WindowDecoder(recognizer, decoding)
        self._whole_batches = whole_batches

    def warm_up(self) -> None:
        """Run every kernel once on noise; raises any error of the device."""
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
        language = (self._decoding.languages or ("en",))[0]
        windows = (Window((Region(0, len(noise)),)),)
        self._decoder.hypotheses(noise, windows, TranscriptionOptions(language=language))

    def transcribe(
        self,
        samples: Samples,
        options: TranscriptionOptions,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> ChannelTranscript:
        """See engines.protocols.Transcriber."""
        try:
            return self._transcribe(samples, options, progress, checkpoints)
        except DeviceOutOfMemory as error:
            raise Transient(f"the device has no memory for one window: {error}") from error

    def _transcribe(
        self, samples: Samples, options: TranscriptionOptions, progress: Progress, checkpoints: Checkpoints | None
    ) -> ChannelTranscript:
        progress(0.0)
        options, warnings = self._supported(options)
        before = joined(checkpoints.find(decode) if checkpoints is not None else [])
        language = SpokenLanguage(options.language or before.language, before.probability)
        run = self._run(samples, progress, checkpoints)
        run.speech, run.uncovered, run.multilingual = before.speech, before.uncovered, options.language is None
        run.foreign = dict(before.foreign)
        words = list(before.words)
        for windows, start in self._pieces(samples, before, run):
            if windows and language.name is None:
                language = SpokenLanguage(*self._decoder.detect_language(samples, windows))
            words += self._words(windows, start, replace(options, language=language.name), language, run)
            if not windows:
                run.advance((), (), language, (), start)
        progress(run.seconds)
        if words and options.language is not None:
            warnings += other_language_warnings(run.foreign, run.speech, options.language)
        tidied = tidy(words, run.seconds)
        if tidied and options.task is Task.TRANSLATE:
            language = SpokenLanguage(TRANSLATED, None)
        return ChannelTranscript(
            language.name or UNKNOWN,
            language.probability,
            tidied,
            warnings,
            speech=round(run.speech, 3),
            uncovered=round(run.uncovered, 3),
        )

    def _run(self, samples: Samples, progress: Progress, checkpoints: Checkpoints | None) -> TranscriptionRun:
        bounded = checkpoints is not None and not self._whole_batches
        limit = checkpoints.seconds if checkpoints is not None and bounded else math.inf
        return TranscriptionRun(samples, progress, checkpoints, self._decoding.batch_size, limit)

    def _supported(self, options: TranscriptionOptions) -> tuple[TranscriptionOptions, tuple[str, ...]]:
        """The options cut to the model's limits on hotwords and prompt, and warnings about the rest."""
        if not self._decoding.takes_prompt:
            ignored = (NO_PROMPT,) if options.hotwords or options.prompt else ()
            return TranscriptionOptions(options.language, options.task), ignored
        count_tokens = self._recognizer.count_tokens
        hotwords, prompt = sharing(options.hotwords or "", options.prompt or "", PROMPT_TOKENS, count_tokens)
        cut = (*hotwords.warnings("hotwords"), *prompt.warnings("prompt"))
        return TranscriptionOptions(options.language, options.task, hotwords.text or None, prompt.text or None), cut

    def _pieces(
        self, samples: Samples, before: TranscriptionState, run: TranscriptionRun
    ) -> Iterator[tuple[tuple[Window, ...], int]]:
        """The windows of each piece in turn, and the sample at which the next piece begins."""
        if before.windows:
            yield before.pending, before.start
        start = before.start
        while start < len(samples):
            regions, start = next_regions(self._detect_voice, samples, start, self._decoder.longest / SAMPLE_RATE)
            yield pack(regions, self._decoder.longest), start
            run.report(start)

    def _words(
        self,
        windows: Sequence[Window],
        start: int,
        options: TranscriptionOptions,
        language: SpokenLanguage,
        run: TranscriptionRun,
    ) -> Iterator[Word]:
        """The words of windows, batch by batch; a batch too large for the device's memory is halved."""
        done = 0
        while done < len(windows):
            batch = run.next_batch(windows[done:])
            run.report(batch[0].regions[0].start)
            try:
                words, foreign = self._heard(batch, options, run)
                words, uncovered = self._decoder.covered(run.samples, batch, words, options)
            except DeviceOutOfMemory:
                if len(batch) == 1:
                    raise
                run.batch_size = len(batch) // 2
                continue
            BATCH_FILL.observe(len(batch) / self._decoding.batch_size)
            words = [replace(word, language=None) if word.language == language.name else word for word in words]
            done += len(batch)
            yield from words
            run.count(batch, uncovered, foreign)
            run.advance(batch, words, language, windows[done:], start)

    def _heard(
        self, batch: Sequence[Window], options: TranscriptionOptions, run: TranscriptionRun
    ) -> tuple[list[Word], list[tuple[str, Window]]]:
        """The words of a batch, and its windows in another language than the one that the job named."""
        if run.multilingual:
            return self._decoder.decode(run.samples, batch, options, multilingual=True), []
        return self._decoder.decode_named(run.samples, batch, options)

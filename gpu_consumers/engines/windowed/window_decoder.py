"""Window decoder: words of windows, decoded again where the text is doubtful, and once more where speech has none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.coverage import gaps, heard_until, seconds_of
from gpu_consumers.core.speech.doubt import SURE, WindowSigns, WindowVerdict, is_silent, verdict
from gpu_consumers.core.speech.spacing import inserted, opening, unrepeated
from gpu_consumers.core.speech.vad_windows import Window, pack
from gpu_consumers.engines.protocols import TranscriptionOptions
from gpu_consumers.engines.windowed.decoding import Decoding
from gpu_consumers.engines.windowed.recognizer import DETECTION_WINDOWS, Hypothesis, Recognizer
from schemas.events import Task
from schemas.transcript import Word

QUIET_SAMPLES = SAMPLE_RATE // 5  # over which loudness is taken where a window is parted
SHORTEST_HALF = SAMPLE_RATE  # no window is halved below that
BRIEF = 0.2  # part of the longest window that is too little to tell a language, or a mistake
MOST_TRIES = 3  # of a window, its parts and theirs counted in


class WindowDecoder:
    """Decodes the words of windows with a recognizer, repeatedly where needed; keeps no state."""

    def __init__(self, recognizer: Recognizer, decoding: Decoding) -> None:
        self._recognizer = recognizer
        self._decoding = decoding
        self.longest = recognizer.window_seconds * SAMPLE_RATE
        """Samples of the longest window."""

    def detect_language(self, samples: Samples, windows: Sequence[Window]) -> tuple[str, float]:
        """The language of the first of the windows, restricted to permitted ones, and its probability."""
        audio = np.concatenate([audio_of(samples, window) for window in windows[:DETECTION_WINDOWS]])
        return self._decoding.allowed(self._recognizer.detect_language(audio))

    def decode(
        self,
        samples: Samples,
        windows: Sequence[Window],
        options: TranscriptionOptions,
        *,
        multilingual: bool = False,
        attempt: int = 1,
    ) -> list[Word]:
        """The words of windows, in order; doubtful windows are decoded again with other settings, a few times at most.

        `multilingual`: the language of the options is that of most, and a window may be in another one.
        """
        ranks = multilingual and self._decoding.redecodes
        found = self.hypotheses(samples, windows, options, rank_languages=ranks)
        return self._believed(samples, windows, found, options, multilingual=multilingual, attempt=attempt)

    def decode_named(
        self, samples: Samples, windows: Sequence[Window], options: TranscriptionOptions
    ) -> tuple[list[Word], list[tuple[str, Window]]]:
        """The words of windows in the language of the options, and windows that are in another one for certain."""
        found = self.hypotheses(samples, windows, options, rank_languages=True)
        foreign: list[tuple[str, Window]] = []
        for window, hypothesis in zip(windows, found, strict=True):
            if hypothesis.languages and hypothesis.words:
                language, probability = self._decoding.allowed(hypothesis.languages)
                foreign += [(language, window)] if language != options.language and probability >= SURE else []
        unranked = [replace(hypothesis, languages=()) for hypothesis in found]  # it is heard in that language anyway
        return self._believed(samples, windows, unranked, options, multilingual=False, attempt=1), foreign

    def _believed(
        self,
        samples: Samples,
        windows: Sequence[Window],
        found: Sequence[Hypothesis],
        options: TranscriptionOptions,
        *,
        multilingual: bool,
        attempt: int,
    ) -> list[Word]:
        """The words of what was heard; doubtful windows are decoded again."""
        words: list[Word] = []
        for window, hypothesis in zip(windows, found, strict=True):
            judged = self._judged(window, hypothesis, options, attempt)
            if judged is WindowVerdict.KEEP:
                words += hypothesis.words
            elif judged is WindowVerdict.OTHER_LANGUAGE:
                language, _ = self._decoding.allowed(hypothesis.languages)
                other = replace(options, language=language)
                words += self.decode(samples, [window], other, multilingual=multilingual, attempt=attempt + 1)
            else:
                words += self._in_parts(samples, window, options, multilingual=multilingual, attempt=attempt + 1)
        return words

    def covered(
        self, samples: Samples, batch: Sequence[Window], words: list[Word], options: TranscriptionOptions
    ) -> tuple[list[Word], float]:
        """The words plus those of uncovered speech, decoded separately; and the seconds that still have none.

        A model that hears two voices in turn, or another language, in one window may pass over whole sentences.
        """
        regions = [region for window in batch for region in window.regions]
        found = gaps(regions, words, SAMPLE_RATE) if self._decoding.redecodes else ()
        for language, windows in self._by_language(samples, pack(found, self.longest, apart=True), options).items():
            # what was said before is no context here, and a prompt would be heard where nothing is
            more = self.decode(samples, windows, TranscriptionOptions(language=language, task=options.task))
            words = inserted(_making_room(words, more), unrepeated(words, more))
        return words, seconds_of(gaps(regions, words, SAMPLE_RATE), SAMPLE_RATE)

    def hypotheses(
        self,
        samples: Samples,
        windows: Sequence[Window],
        options: TranscriptionOptions,
        *,
        rank_languages: bool = False,
    ) -> list[Hypothesis]:
        """The hypotheses of the model for windows in one batch, with the times of words in the recording."""
        audio = [audio_of(samples, window) for window in windows]
        found = self._recognizer.recognize(audio, options, rank_languages=rank_languages and self._decoding.may_detect)
        language = options.language if options.task is Task.TRANSCRIBE else None
        return [_placed(item, window, language) for item, window in zip(found, windows, strict=True)]

    def _judged(
        self, window: Window, hypothesis: Hypothesis, options: TranscriptionOptions, attempt: int
    ) -> WindowVerdict:
        if hypothesis.cut_off and window.length > 2 * SHORTEST_HALF:
            return WindowVerdict.PARTS
        if not self._decoding.redecodes or attempt > MOST_TRIES:
            return WindowVerdict.KEEP
        return verdict(self._signs(hypothesis), options.language, brief=window.length < BRIEF * self.longest)

    def _signs(self, hypothesis: Hypothesis) -> WindowSigns:
        silent = not hypothesis.words  # and was passed over, or has no text that could be doubted
        ranked = hypothesis.languages
        language, probability = self._decoding.allowed(ranked) if ranked else (None, 0.0)
        logprob, compression = (0.0, 0.0) if silent else (hypothesis.logprob, hypothesis.compression)
        return WindowSigns(language, probability, logprob, compression)

    def _in_parts(
        self, samples: Samples, window: Window, options: TranscriptionOptions, *, multilingual: bool, attempt: int
    ) -> list[Word]:
        """The words of a window in halves, each in its own language if that may differ."""
        halves = _halves(window, samples)
        parts = self._by_language(samples, halves, options) if multilingual else {options.language: list(halves)}
        words: list[Word] = []
        for language, windows in parts.items():
            spoken = replace(options, language=language)
            words += self.decode(samples, windows, spoken, multilingual=multilingual, attempt=attempt)
        return sorted(words, key=lambda word: word.start)

    def _by_language(
        self, samples: Samples, windows: Sequence[Window], options: TranscriptionOptions
    ) -> dict[str | None, list[Window]]:
        """The windows grouped by spoken language: that of the recording where another one is uncertain."""
        grouped: dict[str | None, list[Window]] = {}
        for window in windows:
            language = options.language
            if self._decoding.may_detect:
                detected, probability = self.detect_language(samples, (window,))
                language = detected if probability >= SURE else language
            grouped.setdefault(language, []).append(window)
        return grouped


def audio_of(samples: Samples, window: Window) -> Samples:
    """The samples of a window, without the silence between its regions."""
    return np.concatenate([samples[region.start : region.end] for region in window.regions])


def _placed(hypothesis: Hypothesis, window: Window, language: str | None) -> Hypothesis:
    """A hypothesis with its language and its words at their times in the recording; no words without speech."""
    if is_silent(hypothesis.no_speech, hypothesis.logprob):
        return replace(hypothesis, words=())
    return replace(hypothesis, words=tuple(_word(word, window, language) for word in opening(hypothesis.words)))


def _word(word: Word, window: Window, language: str | None) -> Word:
    start, end = window.restore(word.start, word.end, SAMPLE_RATE)
    return replace(word, start=start, end=end, language=language)


def _making_room(words: Sequence[Word], more: Sequence[Word]) -> list[Word]:
    """The words, those that the alignment stretched over what was heard there as long as they may last."""
    starts = [word.start for word in more]
    return [
        replace(word, end=until)
        if (until := heard_until(word)) < word.end and any(until <= start < word.end for start in starts)
        else word
        for word in words
    ]


def _halves(window: Window, samples: Samples) -> tuple[Window, Window]:
    """The window in two of about the same length, split at a pause, else at the quietest point."""
    at = window.pause
    if at is None:
        sound, quarter = audio_of(samples, window), window.length // 4
        loudness = np.convolve(sound[quarter:-quarter] ** 2, np.ones(QUIET_SAMPLES), mode="same")
        at = quarter + int(np.argmin(loudness))
    return window.split(at)

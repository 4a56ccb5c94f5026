"""What becomes of speech that a model passes over, cuts short, or hears in another language than a job says.

Both models, the stand-in and whisper-base where somebody has fetched it, are made to fail as real ones do now and then.
On real weights it takes long: those tests are for deploy/check.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from deploy.local.models.training.registry import FILE as STAND_INS
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript, assemble
from gpu_consumers.engines.faster_whisper import transcriber_with
from gpu_consumers.engines.loader import folder_of
from gpu_consumers.engines.protocols import TranscriptionOptions
from gpu_consumers.engines.windowed.decoding import Decoding
from gpu_consumers.engines.windowed.transcriber import WindowedTranscriber
from schemas.events import Channels, ModelInfo, Options, Task
from schemas.models.registry import load_registry
from schemas.settings.gpu import ModelSettings
from tests.fetched import TRANSCRIBER, require_fetched
from tests.recordings import CONVERSATION, HEBREW, LANGUAGES, MONO, Recording
from tests.scoring import word_error_rate

pytestmark = pytest.mark.models
LIMIT = 224  # tokens at which every Whisper ends its text
PROMPT = 4  # tokens that say the language and the task
Make = Callable[..., WindowedTranscriber]


@pytest.fixture(scope="module")
def stand_in() -> Make:
    """Makes the transcriber of the service with the stand-in, which hears again as with other models."""
    registry = load_registry(STAND_INS)
    entry = registry.models[registry.default]
    assert entry.path is not None
    return _made(entry.path, Decoding(languages=entry.languages, takes_prompt=False))


@pytest.fixture(scope="module")
def whisper_base() -> Make:
    """Makes it with real weights."""
    require_fetched(TRANSCRIBER)
    return _made(folder_of(load_registry().models[TRANSCRIBER], ModelSettings().models_cache), Decoding())


@pytest.fixture(scope="module")
def real_speech(whisper_base: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Samples, str]:
    """Twenty seconds of it, and what is heard in them where nothing fails."""
    samples = samples_of(CONVERSATION, tmp_path_factory.mktemp("speech"))[: 20 * SAMPLE_RATE]
    return samples, text_of(heard(whisper_base(), samples))


def _made(folder: Path, decoding: Decoding) -> Make:
    info = ModelInfo(name="m", digest="", compute_type="int8")
    model = WhisperModel(str(folder), device="cpu", compute_type="int8")
    return lambda **changes: transcriber_with(model, info, replace(decoding, **changes))


def samples_of(recording: Recording, folder: Path) -> Samples:
    decode(recording.path, folder / "samples.npy", Channels.MIX, 600.0, lambda _: None)
    return np.array(load(folder / "samples.npy")[:, 0])


def heard(model: WindowedTranscriber, samples: Samples, language: str | None = None) -> ChannelTranscript:
    return model.transcribe(samples, TranscriptionOptions(language), lambda _: None)


def text_of(found: ChannelTranscript) -> str:
    return " ".join(word.text for word in found.words)


def uncovered(found: ChannelTranscript) -> float:
    assert found.uncovered is not None
    return found.uncovered


def warnings_of(found: ChannelTranscript) -> str:
    return "; ".join(assemble([found], 60.0, (), Options()).warnings)


@contextmanager
def failing(fault: Callable[[Any, float], Any], **options: Any) -> Iterator[None]:
    """Let the library's answers to so many seconds of sound have a fault meanwhile: what is done about it is seen."""
    whole = BatchedInferencePipeline.transcribe

    def transcribe(pipeline: Any, audio: Samples, **given: Any) -> tuple[Iterable[Any], Any]:
        segments, info = whole(pipeline, audio, **given, **options)
        return (fault(segment, len(audio) / SAMPLE_RATE) for segment in segments), info

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchedInferencePipeline, "transcribe", transcribe)
        yield


def passed_over(found: Any, seconds: float) -> Any:
    """A text without what is said in the midst of a long sound: heard by itself, it is not passed over."""
    return replace(found, words=[word for word in found.words if seconds < 15.0 or not 4.0 < word.start < 12.0])


def stretched(found: Any, seconds: float) -> Any:
    """The same, and the word before it lasts until the next one, as the alignment has it."""
    words = passed_over(found, seconds).words
    ends = [*(word.start for word in words[1:]), None][: len(words)]
    return replace(
        found,
        words=[
            replace(word, end=end if end is not None and end - word.end > 1.0 else word.end)
            for word, end in zip(words, ends, strict=True)
        ],
    )


def cut_at(tokens: int, *, tells: bool) -> AbstractContextManager[None]:
    """Texts that end at so many tokens, within a sentence, as those of brisk speech do at LIMIT; `tells`: by their number."""

    def shortened(found: Any, _: float) -> Any:
        return replace(found, tokens=[0] * LIMIT) if tells and len(found.tokens) >= tokens else found

    return failing(shortened, max_new_tokens=2 * tokens - PROMPT)  # the library halves both together


@pytest.mark.parametrize("fault", [passed_over, stretched])
def test_speech_without_words_is_heard_again(
    fault: Callable[[Any, float], Any], stand_in: Make, tmp_path: Path
) -> None:
    """And where nobody hears again, a warning says how many seconds have no words."""
    samples = samples_of(MONO, tmp_path)[: 18 * SAMPLE_RATE]
    with failing(fault):
        once, again = heard(stand_in(redecodes=False), samples), heard(stand_in(), samples)
    assert uncovered(again) < 3.0 < 5.0 < uncovered(once)
    assert f"{uncovered(once):.0f} of {once.speech:.0f} seconds of speech have no words" in warnings_of(once)
    assert "no words" not in warnings_of(again)
    starts = [word.start for word in again.words]
    assert starts == sorted(starts)
    assert len(again.words) > len(once.words)
    assert max(word.end - word.start for word in again.words) < 3.0


@pytest.mark.long
def test_no_sentence_is_lost(whisper_base: Make, real_speech: tuple[Samples, str]) -> None:
    """The same on real weights: what is heard again is what had been said there."""
    samples, whole = real_speech
    with failing(passed_over):
        once, again = heard(whisper_base(redecodes=False), samples), heard(whisper_base(), samples)
    assert uncovered(again) < 1.0 < 5.0 < uncovered(once)
    assert word_error_rate(whole, text_of(again)) <= 0.2 < word_error_rate(whole, text_of(once))


def test_a_text_that_ends_at_the_limit_is_heard_in_parts(stand_in: Make, tmp_path: Path) -> None:
    samples, model = samples_of(MONO, tmp_path)[: 14 * SAMPLE_RATE], stand_in(redecodes=False)
    with cut_at(4, tells=False):
        cut = heard(model, samples)
    with cut_at(4, tells=True):
        whole = heard(model, samples)
    assert uncovered(whole) < 4.0 < 6.0 < uncovered(cut)
    assert len(whole.words) > len(cut.words)


@pytest.mark.long
def test_no_word_behind_the_limit_is_lost(whisper_base: Make, real_speech: tuple[Samples, str]) -> None:
    """The same on real weights: the text is what it is without a limit."""
    samples, unlimited = real_speech
    model = whisper_base(redecodes=False)
    with cut_at(32, tells=False):
        cut = text_of(heard(model, samples))
    with cut_at(32, tells=True):
        whole = text_of(heard(model, samples))
    assert word_error_rate(unlimited, whole) <= 0.2 < word_error_rate(unlimited, cut)


def test_three_stretches_in_two_languages_are_each_heard_in_theirs(stand_in: Make, tmp_path: Path) -> None:
    """English, Hebrew, English: none is missing, and every word says its language."""
    english, hebrew = samples_of(MONO, tmp_path), samples_of(HEBREW, tmp_path)
    seconds = 9
    size = seconds * SAMPLE_RATE
    found = heard(stand_in(), np.concatenate([english[:size], hebrew[:size], english[size : 2 * size]]))
    assert found.language == "en"
    for place, language in enumerate((None, "he", None)):
        words = [word for word in found.words if seconds * place <= word.start < seconds * (place + 1)]
        assert [word.language for word in words].count(language) >= 0.8 * len(words) > 5
    assert uncovered(found) < 1.0


@pytest.mark.long
def test_no_language_is_lost(whisper_base: Make, tmp_path: Path) -> None:
    """The same on real weights: the sentences of a recording in three languages, each in its own, and nothing else."""
    found = heard(whisper_base(), samples_of(LANGUAGES, tmp_path))
    for turn, language in zip(LANGUAGES.said, ("en", "it", "ru"), strict=True):
        words = [word for word in found.words if turn.start <= (word.start + word.end) / 2 < turn.end]
        assert {word.language or found.language for word in words} == {language}
        assert word_error_rate(turn.text, " ".join(word.text for word in words)) <= 0.25  # names of products
    assert uncovered(found) < 1.0


@pytest.mark.parametrize(
    ("maker", "recording", "named"),
    [("stand_in", MONO, "he"), ("stand_in", HEBREW, "en"), ("whisper_base", CONVERSATION, "fr")],
)
def test_a_job_in_another_language_than_it_says_is_told(
    request: pytest.FixtureRequest, maker: str, recording: Recording, named: str, tmp_path: Path
) -> None:
    """With the language that is spoken; it is heard in the one that was named, as the job wants it."""
    model: WindowedTranscriber = request.getfixturevalue(maker)()
    speech = samples_of(recording, tmp_path)[: 10 * SAMPLE_RATE]
    found = heard(model, speech, named)
    assert found.language == named
    assert f"the recording seems to be in '{recording.language}', not in '{named}'" in warnings_of(found)
    assert "seems to be in" not in warnings_of(heard(model, speech, recording.language))


def test_a_translation_is_in_the_language_that_it_is_into(stand_in: Make, tmp_path: Path) -> None:
    """Whatever language is spoken: readers, search and subtitles go by that of the text."""
    wishes = TranscriptionOptions("he", Task.TRANSLATE)
    found = stand_in(redecodes=False).transcribe(samples_of(HEBREW, tmp_path), wishes, lambda _: None)
    assert found.language == "en"
    assert {word.language for word in found.words} == {None}

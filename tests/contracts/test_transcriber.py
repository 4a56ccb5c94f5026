"""One suite for every speech-to-text engine: what a stage may rely on, whichever library is behind it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.engines.checkpoints import NoCheckpoints, StoredCheckpoints
from gpu_consumers.engines.protocols import Transcriber, TranscriptionOptions
from gpu_consumers.engines.windowed.transcriber import NO_PROMPT, UNKNOWN
from schemas.errors import NotOwner, Transient
from schemas.models.registry import ENGINES
from sink.memory import MemoryObjectStore
from tests.contracts.engines import FETCHED, STAND_INS, Weights, no_memory, until, weights
from tests.scoring import word_error_rate

pytestmark = pytest.mark.models
ENGLISH, ANY = TranscriptionOptions("en"), TranscriptionOptions()
EVERY = 6.0  # seconds of audio between two checkpoints


@pytest.fixture(scope="module", params=weights("transcriber"))
def loaded(request: pytest.FixtureRequest) -> tuple[Weights, Transcriber]:
    chosen: Weights = request.param
    engines = chosen.engines()
    return chosen, engines.transcriber(chosen.model)


@pytest.fixture(scope="module")
def heard(model: Transcriber, samples: Samples, reports: list[float]) -> Iterator[ChannelTranscript]:
    """The recording in batches that may be done again, its language not named."""
    yield model.transcribe(samples, ANY, reports.append, NoCheckpoints(EVERY))
    reports.clear()


def said(found: ChannelTranscript) -> str:
    return " ".join(word.text for word in found.words)


def quiet(_: float) -> None:
    """Progress that nobody looks at."""


def test_every_engine_is_under_contract() -> None:
    assert STAND_INS.keys() == FETCHED.keys() == ENGINES.keys()


def test_the_words_are_those_that_are_said(chosen: Weights, heard: ChannelTranscript) -> None:
    assert word_error_rate(chosen.text, said(heard)) <= 0.15


def test_words_are_in_order_and_within_the_recording(heard: ChannelTranscript, samples: Samples) -> None:
    """In plain numbers, which can be written as JSON; no word is empty or has blanks around it."""
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= len(samples) / SAMPLE_RATE for word in heard.words)
    assert all(type(number) is float for word in heard.words for number in (word.start, word.end, word.probability))
    assert all(word.probability is not None and 0 <= word.probability <= 1 for word in heard.words)
    assert all(word.text and word.text == word.text.strip() for word in heard.words)


def test_speech_without_words_is_counted(heard: ChannelTranscript, samples: Samples) -> None:
    assert heard.speech is not None
    assert heard.uncovered is not None
    assert 0 <= heard.uncovered <= 0.1 * heard.speech
    assert 0.5 * len(samples) / SAMPLE_RATE < heard.speech <= len(samples) / SAMPLE_RATE


@pytest.mark.usefixtures("heard")
def test_progress_grows_from_nothing_to_the_length(reports: list[float], samples: Samples) -> None:
    assert reports[0] == 0.0
    assert reports == sorted(reports)
    assert reports[-1] == len(samples) / SAMPLE_RATE
    assert len(reports) > 3


def test_a_language_is_found_or_taken_as_named(model: Transcriber, heard: ChannelTranscript, samples: Samples) -> None:
    assert (heard.language, heard.probability is not None and 0.5 < heard.probability <= 1) == ("en", True)
    named = model.transcribe(samples[: 8 * SAMPLE_RATE], ENGLISH, quiet)
    assert (named.language, named.probability, named.warnings) == ("en", None, ())


@pytest.mark.parametrize("level", [0.0, 0.005])
def test_silence_and_noise_have_no_words_and_no_language(model: Transcriber, level: float) -> None:
    """Models invent text for silence; nobody shall read it."""
    noise = np.random.default_rng(1).normal(0, level, 5 * SAMPLE_RATE).astype(np.float32)
    found = model.transcribe(noise, ANY, quiet)
    assert (found.words, found.language, found.probability, found.uncovered) == ((), UNKNOWN, None, 0.0)


@pytest.mark.parametrize("length", [0, 1, 160, 1600, 8000])
def test_a_recording_may_be_empty_or_short(model: Transcriber, samples: Samples, length: int) -> None:
    reports: list[float] = []
    found = model.transcribe(samples[SAMPLE_RATE : SAMPLE_RATE + length], ANY, reports.append)
    assert all(0 <= word.start <= word.end <= length / SAMPLE_RATE for word in found.words)
    assert reports[-1] == length / SAMPLE_RATE


def test_work_stops_when_the_job_goes_to_another(model: Transcriber, samples: Samples) -> None:
    """At once: the report of progress that says so is the last one."""
    reports: list[float] = []
    stop = until(2)

    def progress(done: float) -> None:
        reports.append(done)
        stop(done)

    with pytest.raises(NotOwner):
        model.transcribe(samples, ENGLISH, progress)
    assert len(reports) == 3


def test_work_goes_on_where_an_earlier_try_came_to(
    model: Transcriber, heard: ChannelTranscript, samples: Samples
) -> None:
    """To the same words as in one go, and from everything kept to the end at once."""
    store, tries = MemoryObjectStore(), 1
    while True:
        try:
            found = model.transcribe(samples, ANY, until(2), StoredCheckpoints(store, "t/j/", EVERY, EVERY))
            break
        except NotOwner:
            tries += 1
    assert tries > 1
    assert found == heard
    reports: list[float] = []
    again = model.transcribe(samples, ANY, reports.append, StoredCheckpoints(store, "t/j/", EVERY, EVERY))
    assert again == heard
    assert reports == [0.0, len(samples) / SAMPLE_RATE]


def test_hotwords_and_prompt_are_taken_or_a_warning_says_that_not(
    chosen: Weights, model: Transcriber, samples: Samples
) -> None:
    """What is too long is cut, and a warning says so."""
    clip = samples[: 8 * SAMPLE_RATE]
    found = model.transcribe(clip, TranscriptionOptions("en", hotwords="Anna", prompt="A call."), quiet)
    long = model.transcribe(clip, TranscriptionOptions("en", hotwords="Anna, " * 500), quiet)
    if chosen.real:
        assert found.warnings == ()
        assert ["words of hotwords were used" in warning for warning in long.warnings] == [True]
    else:
        assert found.warnings == long.warnings == (NO_PROMPT,)
        assert found.words == long.words == model.transcribe(clip, ENGLISH, quiet).words


def test_threads_do_not_disturb_each_other(model: Transcriber, samples: Samples) -> None:
    clips = [samples[: 8 * SAMPLE_RATE], samples[8 * SAMPLE_RATE : 16 * SAMPLE_RATE]] * 2
    alone = [model.transcribe(clip, ENGLISH, quiet) for clip in clips[:2]]
    with ThreadPoolExecutor(len(clips)) as pool:
        together = list(pool.map(lambda clip: model.transcribe(clip, ENGLISH, quiet), clips))
    assert together == alone * 2


def test_a_batch_that_finds_no_memory_is_halved(
    chosen: Weights, model: Transcriber, heard: ChannelTranscript, samples: Samples
) -> None:
    with no_memory(chosen.engine, above=1):
        found = model.transcribe(samples, ENGLISH, quiet)
    assert word_error_rate(said(heard), said(found)) <= 0.1


@pytest.mark.parametrize("options", [ENGLISH, ANY], ids=["named", "detected"])
def test_a_window_that_finds_no_memory_is_tried_again_later(
    chosen: Weights, model: Transcriber, samples: Samples, options: TranscriptionOptions
) -> None:
    with no_memory(chosen.engine), pytest.raises(Transient, match="no memory"):
        model.transcribe(samples, options, quiet)


def test_a_model_says_what_it_is(chosen: Weights, model: Transcriber) -> None:
    assert model.info.name == chosen.model
    assert len(model.info.digest) == 64
    assert model.info.compute_type not in ("", "default")

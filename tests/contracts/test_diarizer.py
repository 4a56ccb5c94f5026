"""One suite for every engine that tells speakers apart: what a stage may rely on, whichever library is behind it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.engines.checkpoints import StoredCheckpoints
from gpu_consumers.engines.protocols import Diarizer, SpeakerBounds
from schemas.errors import NotOwner, Transient
from sink.memory import MemoryObjectStore
from tests.contracts.engines import Weights, no_memory, until, weights

pytestmark = pytest.mark.models
ANY = SpeakerBounds()
EVERY = 6.0  # seconds of audio between two checkpoints


@pytest.fixture(scope="module", params=weights("diarizer"))
def loaded(request: pytest.FixtureRequest) -> tuple[Weights, Diarizer]:
    chosen: Weights = request.param
    return chosen, chosen.engines().diarizer()


@pytest.fixture(scope="module")
def answers(loaded: tuple[Weights, Diarizer]) -> MemoryObjectStore:
    """What the networks of a model answered to the recording."""
    return MemoryObjectStore()


@pytest.fixture(scope="module")
def turns(
    model: Diarizer, samples: Samples, reports: list[float], answers: MemoryObjectStore
) -> Iterator[tuple[Turn, ...]]:
    yield model.diarize(samples, ANY, reports.append, kept_in(answers))
    reports.clear()


def kept_in(store: MemoryObjectStore) -> StoredCheckpoints:
    return StoredCheckpoints(store, "t/j/", EVERY, EVERY)


def quiet(_: float) -> None:
    """Progress that nobody looks at."""


def speakers(turns: tuple[Turn, ...]) -> int:
    return len({turn.speaker for turn in turns})


def test_turns_are_in_order_within_the_recording_and_do_not_overlap(turns: tuple[Turn, ...], samples: Samples) -> None:
    """Plain numbers; where a voice is heard beside others reaches no less far than its turn."""
    assert turns
    assert all(0 <= turn.start < turn.end <= len(samples) / SAMPLE_RATE for turn in turns)
    assert all(before.end <= after.start for before, after in pairwise(turns))
    assert all(type(turn.start) is type(turn.end) is float and type(turn.speaker) is str for turn in turns)
    assert all(turn.since is None or turn.since <= turn.start for turn in turns)
    assert all(turn.until is None or turn.until >= turn.end for turn in turns)


def test_most_of_the_speech_has_a_turn(turns: tuple[Turn, ...], chosen: Weights) -> None:
    spoken = sum(turn.end - turn.start for turn in chosen.said)
    found = sum(
        max(0.0, min(turn.end, said.end) - max(turn.start, said.start)) for turn in turns for said in chosen.said
    )
    assert found >= 0.8 * spoken


@pytest.mark.usefixtures("turns")
@pytest.mark.parametrize(
    ("bounds", "least", "most"),
    [
        (SpeakerBounds(exactly=2), 2, 2),
        (SpeakerBounds(at_most=1), 1, 1),
        (SpeakerBounds(at_least=2), 2, 99),
        (SpeakerBounds(exactly=1, at_least=2, at_most=3), 1, 1),
    ],
    ids=str,
)
def test_the_number_of_speakers_is_as_it_was_given(
    model: Diarizer, samples: Samples, answers: MemoryObjectStore, bounds: SpeakerBounds, least: int, most: int
) -> None:
    """By what is made of the networks' answers, which do not depend on it."""
    assert least <= speakers(model.diarize(samples, bounds, quiet, kept_in(answers))) <= most


@pytest.mark.usefixtures("turns")
def test_progress_grows_to_the_length(reports: list[float], samples: Samples) -> None:
    assert reports == sorted(reports)
    assert reports[0] >= 0
    assert reports[-1] == len(samples) / SAMPLE_RATE
    assert len(reports) > 4


def test_silence_has_no_turns(model: Diarizer) -> None:
    assert model.diarize(np.zeros(12 * SAMPLE_RATE, np.float32), ANY, quiet) == ()


@pytest.mark.parametrize("length", [0, 1, 160, 8000])
def test_a_recording_may_be_empty_or_short(model: Diarizer, samples: Samples, length: int) -> None:
    reports: list[float] = []
    turns = model.diarize(samples[SAMPLE_RATE : SAMPLE_RATE + length], ANY, reports.append)
    assert all(0 <= turn.start < turn.end <= length / SAMPLE_RATE for turn in turns)
    assert reports[-1] == length / SAMPLE_RATE


def test_work_stops_when_the_job_goes_to_another(model: Diarizer, samples: Samples) -> None:
    """At once: the report of progress that says so is the last one."""
    reports: list[float] = []
    stop = until(2)

    def progress(done: float) -> None:
        reports.append(done)
        stop(done)

    with pytest.raises(NotOwner):
        model.diarize(samples, ANY, progress)
    assert len(reports) == 3


def test_work_goes_on_where_an_earlier_try_came_to(
    chosen: Weights, model: Diarizer, turns: tuple[Turn, ...], samples: Samples
) -> None:
    """To the same turns as in one go; networks are not asked again for what was kept."""
    store = MemoryObjectStore()
    with pytest.raises(NotOwner):
        model.diarize(samples, ANY, until(5), kept_in(store))
    assert list(store.listing("t/j/"))
    assert model.diarize(samples, ANY, quiet, kept_in(store)) == turns
    with no_memory(chosen.engine):
        assert model.diarize(samples, ANY, quiet, kept_in(store)) == turns


def test_threads_do_not_disturb_each_other(model: Diarizer, samples: Samples) -> None:
    clips = [samples[: 8 * SAMPLE_RATE], samples[8 * SAMPLE_RATE : 16 * SAMPLE_RATE]]
    alone = [model.diarize(clip, ANY, quiet) for clip in clips]
    with ThreadPoolExecutor(len(clips)) as pool:
        assert list(pool.map(lambda clip: model.diarize(clip, ANY, quiet), clips)) == alone


def test_a_lack_of_memory_is_tried_again_later(chosen: Weights, model: Diarizer, samples: Samples) -> None:
    with no_memory(chosen.engine), pytest.raises(Transient, match="no memory"):
        model.diarize(samples, ANY, quiet)


def test_a_model_says_what_it_is(chosen: Weights, model: Diarizer) -> None:
    assert model.info.name == chosen.model
    assert len(model.info.digest) == 64
    assert model.info.compute_type not in ("", "default")

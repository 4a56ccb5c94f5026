"""Checkpoints in an object store, and the real engine going on from them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from deploy.local.models.training.registry import FILE as MODELS
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.core.speech.checkpoints import decode as decode_words
from gpu_consumers.engines.checkpoints import PAUSE_SECONDS, NoCheckpoints, StoredCheckpoints
from gpu_consumers.engines.inference_cache import Answer, InferenceCache
from gpu_consumers.engines.inference_cache import decode as decode_answers
from gpu_consumers.engines.loader import LoadedEngines
from gpu_consumers.engines.protocols import SpeakerBounds, TranscriptionOptions
from gpu_consumers.engines.pyannote import PyannoteDiarizer
from gpu_consumers.engines.windowed.recognizer import Hypothesis
from gpu_consumers.engines.windowed.transcriber import WindowedTranscriber
from schemas.errors import NotOwner, Outage, Transient
from schemas.events import Channels
from schemas.models.registry import load_registry
from schemas.settings.gpu import GpuSettings, ModelSettings
from sink.memory import MemoryObjectStore
from tests.contracts.engines import STAND_INS, Weights
from tests.recordings import HEBREW, MONO

EVERY = 12.0  # seconds


def read(part: bytes) -> str | None:
    return part.decode() if part.isdigit() else None


def found(store: MemoryObjectStore, prefix: str = "t/j/") -> list[str]:
    return StoredCheckpoints(store, prefix, EVERY, EVERY).find(read)


def test_what_was_kept_is_found_by_the_next_one() -> None:
    store = MemoryObjectStore()
    first = StoredCheckpoints(store, "t/j/", EVERY, EVERY)
    assert first.find(read) == []
    for part in (b"0", b"1", b"2"):
        first.keep(part)
    second = StoredCheckpoints(store, "t/j/", EVERY, EVERY)
    assert second.find(read) == ["0", "1", "2"]
    second.keep(b"3")
    assert found(store) == ["0", "1", "2", "3"]
    assert found(store, "t/other/") == []


def test_it_is_told_what_goes_on_from_an_earlier_try_and_is_taken() -> None:
    store, told = Away(), []
    for number, expected in ((b"0", 0), (b"1", 1)):
        kept = StoredCheckpoints(store, "t/j/", EVERY, EVERY, lambda: told.append(1), clock=lambda: 0.0)
        kept.find(read)
        kept.keep(number)
        assert len(told) == expected
    store.away = True
    kept.keep(b"2")
    assert len(told) == 1


@pytest.mark.parametrize("damage", ["deleted", "foreign", "unreadable"])
def test_what_follows_a_hole_is_not_used(damage: str) -> None:
    """Not even when the hole is filled: the rest was the work of somebody else."""
    store = MemoryObjectStore()
    first = StoredCheckpoints(store, "t/j/", EVERY, EVERY)
    for part in (b"0", b"oops" if damage == "unreadable" else b"1", b"2"):
        first.keep(part)
    if damage != "unreadable":
        store.delete("t/j/000001")
    if damage == "foreign":
        store.put("t/j/000001", b"not ours", content_type="text/plain")
    again = StoredCheckpoints(store, "t/j/", EVERY, EVERY)
    assert again.find(read) == ["0"]
    again.keep(b"7")
    assert found(store) == ["0", "7"]


def test_what_a_former_owner_still_writes_spoils_nothing() -> None:
    """A process that was frozen goes on where it was, while the next owner is further."""
    store = MemoryObjectStore()
    frozen, following = StoredCheckpoints(store, "t/j/", EVERY, EVERY), StoredCheckpoints(store, "t/j/", EVERY, EVERY)
    frozen.keep(b"0")
    following.find(read)
    following.keep(b"5")
    following.keep(b"9")
    frozen.keep(b"1")
    assert found(store) == ["0", "1"]
    following.keep(b"12")
    assert found(store) == ["0", "1"]


class Away(MemoryObjectStore):
    """A store that can be away."""

    away = False
    tries = 0

    def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
        self.tries += 1
        if self.away:
            raise Outage("gone")
        return super().put(key, body, content_type=content_type, if_absent=if_absent)


def test_the_work_goes_on_while_the_store_is_away_and_nothing_is_missing_later() -> None:
    now = [0.0]
    store = Away()
    kept = StoredCheckpoints(store, "t/j/", EVERY, EVERY, clock=lambda: now[0])
    kept.keep(b"0")
    store.away = True
    kept.keep(b"1")
    kept.keep(b"2")
    assert store.tries == 2
    store.away = False
    now[0] = PAUSE_SECONDS
    kept.keep(b"3")
    assert found(store) == ["0", "1", "2", "3"]


@pytest.fixture(scope="module")
def transcriber() -> WindowedTranscriber:
    """On the engine that computes short windows fastest: it is the same with each, as tests/contracts has it."""
    chosen = Weights("ctranslate2-whisper", STAND_INS["ctranslate2-whisper"], real=False)
    made = chosen.engines().transcriber(chosen.model)
    assert isinstance(made, WindowedTranscriber)
    return made


@pytest.fixture(scope="module")
def long_talk(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """The same conversation again and again, with pauses."""
    folder = tmp_path_factory.mktemp("talk")
    decode(MONO.path, folder / "samples.npy", Channels.MIX, 600.0, lambda _: None)
    once = load(folder / "samples.npy")[:, 0]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    return np.concatenate([once, pause] * (60 * SAMPLE_RATE // len(once) + 1))


@pytest.fixture
def heard_seconds(transcriber: WindowedTranscriber, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How much audio the model was given, batch by batch."""
    seconds: list[float] = []
    recognizer = transcriber._recognizer
    recognize = recognizer.recognize

    def counted(
        windows: Sequence[Samples], options: TranscriptionOptions, *, rank_languages: bool
    ) -> Sequence[Hypothesis]:
        seconds.append(sum(map(len, windows)) / SAMPLE_RATE)
        return recognize(windows, options, rank_languages=rank_languages)

    monkeypatch.setattr(recognizer, "recognize", counted)
    return seconds


def test_a_worker_that_is_killed_costs_no_more_than_the_interval(
    transcriber: WindowedTranscriber, long_talk: Samples, heard_seconds: list[float], tmp_path: Path
) -> None:
    store = MemoryObjectStore()
    whole = transcriber.transcribe(
        long_talk, TranscriptionOptions(), lambda _: None, StoredCheckpoints(store, "t/whole/", EVERY, EVERY)
    )
    needed = sum(heard_seconds)
    heard_seconds.clear()
    kills = looks = 0

    def dying(_: float) -> None:
        nonlocal looks
        looks -= 1
        if looks < 0:
            raise NotOwner("killed")

    while True:
        looks = 3
        try:
            again = transcriber.transcribe(
                long_talk, TranscriptionOptions(), dying, StoredCheckpoints(store, "t/killed/", EVERY, EVERY)
            )
            break
        except NotOwner:
            kills += 1
    assert kills >= 3
    assert again == whole
    assert sum(heard_seconds) <= needed + kills * EVERY
    heard_seconds.clear()
    assert (
        transcriber.transcribe(
            long_talk, TranscriptionOptions(), lambda _: None, StoredCheckpoints(store, "t/killed/", EVERY, EVERY)
        )
        == whole
    )
    assert heard_seconds == []


def test_a_language_that_begins_later_is_told_also_after_a_kill(
    transcriber: WindowedTranscriber, tmp_path: Path
) -> None:
    """By the next worker, which hears nothing of it any more."""
    spoken = []
    for recording, seconds in ((MONO, 4), (HEBREW, 16)):
        decode(recording.path, tmp_path / "samples.npy", Channels.MIX, 600.0, lambda _: None)
        spoken.append(load(tmp_path / "samples.npy")[: seconds * SAMPLE_RATE, 0].copy())
    samples, store = np.concatenate(spoken), MemoryObjectStore()

    def transcribed() -> ChannelTranscript:
        kept = StoredCheckpoints(store, "t/j/", EVERY, EVERY)
        return transcriber.transcribe(samples, TranscriptionOptions("en"), lambda _: None, kept)

    assert transcribed().warnings == ("the recording seems to be in 'he', not in 'en'",)
    assert transcribed().warnings == ("the recording seems to be in 'he', not in 'en'",)


@pytest.fixture(scope="module")
def diarizer() -> PyannoteDiarizer:
    made = LoadedEngines(load_registry(MODELS), ModelSettings(), GpuSettings(device="cpu")).diarizer()
    assert isinstance(made, PyannoteDiarizer)
    return made


def test_a_diarization_that_is_killed_asks_its_networks_again_for_no_more_than_the_interval(
    diarizer: PyannoteDiarizer, long_talk: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, get_or_compute = MemoryObjectStore(), InferenceCache.get_or_compute
    asked: list[float] = []
    left = 10**9  # questions until it is killed

    def counted(self: InferenceCache, rows: int, seconds: float, compute: Callable[[], Answer]) -> Answer:
        def computing() -> Answer:
            nonlocal left
            left -= 1
            if left < 0:
                raise MemoryError("as sudden as a kill")
            asked.append(seconds)
            return compute()

        return get_or_compute(self, rows, seconds, computing)

    monkeypatch.setattr(InferenceCache, "get_or_compute", counted)
    whole = diarizer.diarize(long_talk, SpeakerBounds(), lambda _: None)
    needed = sum(asked)
    asked.clear()
    kills = 0
    while True:
        left = 8
        try:
            again = diarizer.diarize(
                long_talk, SpeakerBounds(), lambda _: None, StoredCheckpoints(store, "t/j/", EVERY, EVERY)
            )
            break
        except Transient:
            kills += 1
    assert kills >= 5
    assert again == whole
    assert needed < sum(asked) <= needed + kills * EVERY


def test_a_diarization_that_is_told_to_stop_leaves_all_that_was_answered(
    diarizer: PyannoteDiarizer, long_talk: Samples
) -> None:
    store = MemoryObjectStore()

    def stopping(done: float) -> None:
        if done > 20.0:
            raise NotOwner("drained")

    with pytest.raises(NotOwner):
        diarizer.diarize(long_talk, SpeakerBounds(), stopping, StoredCheckpoints(store, "t/j/", 10**6, 10**6))
    assert len(StoredCheckpoints(store, "t/j/", EVERY, EVERY).find(decode_answers)) == 1


def test_a_suspect_keeps_more_and_hears_the_same(
    transcriber: WindowedTranscriber, long_talk: Samples, heard_seconds: list[float]
) -> None:
    store = MemoryObjectStore()
    eager = StoredCheckpoints(store, "t/j/", EVERY, 1.0)
    heard = transcriber.transcribe(long_talk, TranscriptionOptions("en"), lambda _: None, eager)
    batches = list(heard_seconds)
    assert len(StoredCheckpoints(store, "t/j/", EVERY, 1.0).find(decode_words)) >= len(batches)
    heard_seconds.clear()
    assert transcriber.transcribe(long_talk, TranscriptionOptions("en"), lambda _: None, NoCheckpoints(EVERY)) == heard
    assert heard_seconds == batches


def test_batches_are_no_longer_than_what_may_be_done_again(
    transcriber: WindowedTranscriber, long_talk: Samples, heard_seconds: list[float]
) -> None:
    transcriber.transcribe(
        long_talk,
        TranscriptionOptions("en"),
        lambda _: None,
        StoredCheckpoints(MemoryObjectStore(), "t/j/", EVERY, EVERY),
    )
    assert max(heard_seconds) <= EVERY

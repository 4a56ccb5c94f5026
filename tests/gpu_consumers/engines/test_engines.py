"""The real engines with the stand-in models, on the checked-in recordings."""

import hashlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from faster_whisper import WhisperModel

from deploy.local.models.training.registry import FILE as MODELS
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.engines.faster_whisper import transcriber_with
from gpu_consumers.engines.loader import (
    LoadedEngines,
    checked_digest,
    choose_device,
    digest_of_all,
)
from gpu_consumers.engines.protocols import SpeakerBounds, TranscriptionOptions
from gpu_consumers.engines.pyannote import check_harmless, unpinned_checkpoints
from gpu_consumers.engines.windowed.decoding import Decoding
from gpu_consumers.engines.windowed.speech_regions import PIECE
from gpu_consumers.engines.windowed.transcriber import NO_PROMPT, UNKNOWN
from gpu_consumers.pipeline.stages import create_stages
from schemas.errors import Fatal, NotOwner
from schemas.events import Channels, ModelInfo
from schemas.models.registry import ModelRegistry, load_registry
from schemas.settings.gpu import GpuSettings, ModelSettings
from schemas.settings.processes import GpuProcess
from schemas.topics import DIARIZERS, TRANSCRIBERS
from schemas.wire.serde import Serde
from tests.recordings import HEBREW, MONO, STEREO, Recording
from tests.scoring import word_error_rate

ANY = TranscriptionOptions()
pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def registry() -> ModelRegistry:
    return load_registry(MODELS)


@pytest.fixture(scope="module")
def engines(registry: ModelRegistry) -> LoadedEngines:
    return LoadedEngines(registry, ModelSettings(), GpuSettings(device="cpu"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every attempt to connect fails and is remembered."""
    tried: list[Any] = []

    def refuse(_: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield tried
    assert tried == []


def samples_of(recording: Recording, folder: Path, channels: Channels = Channels.MIX) -> Samples:
    decode(recording.path, folder / "samples.npy", channels, 600.0, lambda _: None)
    samples: Samples = load(folder / "samples.npy")[:, 0]
    return samples


def heard(
    engines: LoadedEngines, registry: ModelRegistry, samples: Samples, wishes: TranscriptionOptions = ANY
) -> ChannelTranscript:
    return engines.transcriber(registry.default).transcribe(samples, wishes, lambda _: None)


@pytest.mark.parametrize("recording", [MONO, STEREO, HEBREW], ids=lambda recording: recording.path.name)
def test_recordings_are_understood(
    engines: LoadedEngines, registry: ModelRegistry, recording: Recording, tmp_path: Path
) -> None:
    """Words in order within the recording; the language is found without being told."""
    samples = samples_of(recording, tmp_path)
    found = heard(engines, registry, samples)
    assert found.language == recording.language
    assert found.probability is not None
    assert word_error_rate(recording.text, " ".join(word.text for word in found.words)) <= 0.15
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= len(samples) / SAMPLE_RATE for word in found.words)
    assert all(type(word.start) is float and type(word.probability) is float for word in found.words)


def test_two_people_are_told_apart(engines: LoadedEngines, tmp_path: Path) -> None:
    """Turns in order that do not overlap, within the recording; two voices have nearly all of them."""
    samples = samples_of(MONO, tmp_path)
    turns = engines.diarizer().diarize(samples, SpeakerBounds(), lambda _: None)
    seconds: Counter[str] = Counter()
    for turn in turns:
        seconds[turn.speaker] += turn.end - turn.start  # type: ignore[assignment]
    assert sum(share for _, share in seconds.most_common(2)) >= 0.95 * seconds.total()
    assert min(share for _, share in seconds.most_common(2)) >= 0.25 * seconds.total()
    assert all(before.end <= after.start for before, after in pairwise(turns))
    assert turns[0].start >= 0
    assert turns[-1].end <= len(samples) / SAMPLE_RATE


def test_the_number_of_speakers_can_be_given(engines: LoadedEngines, tmp_path: Path) -> None:
    samples = samples_of(MONO, tmp_path)
    turns = engines.diarizer().diarize(samples, SpeakerBounds(at_most=1), lambda _: None)
    assert len({turn.speaker for turn in turns}) == 1


@pytest.mark.parametrize("level", [0.0, 0.005, 0.1])
def test_silence_and_noise_have_no_words_and_no_turns(
    engines: LoadedEngines, registry: ModelRegistry, level: float
) -> None:
    """Whisper invents text for silence; nobody shall read it."""
    noise = np.random.default_rng(1).normal(0, level, 5 * SAMPLE_RATE).astype(np.float32)
    found = heard(engines, registry, noise)
    assert (found.language, found.probability, found.words, found.uncovered) == (UNKNOWN, None, (), 0.0)
    engines.diarizer().diarize(noise, SpeakerBounds(), lambda _: None)


def test_the_stand_in_takes_no_prompt_and_says_so(
    engines: LoadedEngines, registry: ModelRegistry, tmp_path: Path
) -> None:
    """It was never trained with one: it would hear nothing any more."""
    samples = samples_of(HEBREW, tmp_path)[: 9 * SAMPLE_RATE]
    found = heard(engines, registry, samples, TranscriptionOptions("he", hotwords="order", prompt="hello"))
    assert found.warnings == (NO_PROMPT,)
    assert found.words == heard(engines, registry, samples, TranscriptionOptions("he")).words


def test_a_recording_in_two_languages_is_heard_in_both(registry: ModelRegistry, tmp_path: Path) -> None:
    """Each word says its language; a language that was named is the one that all of it is heard in."""
    border = 11 * SAMPLE_RATE
    before = samples_of(MONO, tmp_path)[:border].copy()
    samples = np.concatenate([before, samples_of(HEBREW, tmp_path)[: 9 * SAMPLE_RATE]])
    entry = registry.models[registry.default]
    assert entry.path is not None
    whisper = WhisperModel(str(entry.path), device="cpu", compute_type=entry.compute_type)
    info = ModelInfo(name=entry.name, digest="", compute_type=entry.compute_type)
    model = transcriber_with(whisper, info, Decoding(languages=entry.languages, takes_prompt=False))
    found = model.transcribe(samples, ANY, lambda _: None)
    assert found.language == "en"
    english = [word.language for word in found.words if word.start * SAMPLE_RATE < border]
    hebrew = [word.language for word in found.words if word.start * SAMPLE_RATE >= border]
    assert english.count(None) >= 0.9 * len(english) > 10
    assert hebrew.count("he") >= 0.9 * len(hebrew) > 10
    named = model.transcribe(samples, TranscriptionOptions("en"), lambda _: None)
    assert [word.language for word in named.words].count(None) > 0.8 * len(named.words)


def test_speech_over_the_border_of_two_pieces_is_heard_once(
    engines: LoadedEngines, registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long recordings go through speech detection in pieces; a sentence is not cut where one ends."""
    samples = samples_of(MONO, tmp_path)[: 19 * SAMPLE_RATE]
    whole = heard(engines, registry, samples, TranscriptionOptions("en"))
    assert len(samples) < PIECE
    monkeypatch.setattr("gpu_consumers.engines.windowed.speech_regions.PIECE", 9 * SAMPLE_RATE)
    pieces = heard(engines, registry, samples, TranscriptionOptions("en"))
    text = " ".join(word.text for word in whole.words)
    assert word_error_rate(text, " ".join(word.text for word in pieces.words)) <= 0.1


def test_both_engines_stop_when_they_are_told(engines: LoadedEngines, registry: ModelRegistry, tmp_path: Path) -> None:
    """At a report of progress, which is between two batches."""
    samples = samples_of(MONO, tmp_path)
    for work in (
        lambda progress: engines.transcriber(registry.default).transcribe(
            samples, TranscriptionOptions("en"), progress
        ),
        lambda progress: engines.diarizer().diarize(samples, SpeakerBounds(), progress),
    ):
        reports: list[float] = []

        def progress(done: float, reports: list[float] = reports) -> None:
            reports.append(done)
            if len(reports) > 2:
                raise NotOwner("gone")

        with pytest.raises(NotOwner):
            work(progress)
        assert len(reports) == 3


def test_progress_grows_to_the_end(engines: LoadedEngines, registry: ModelRegistry, tmp_path: Path) -> None:
    samples = samples_of(MONO, tmp_path)
    reports: list[float] = []
    engines.transcriber(registry.default).transcribe(samples, TranscriptionOptions("en"), reports.append)
    assert reports == sorted(reports)
    assert reports[-1] == len(samples) / SAMPLE_RATE
    reports.clear()
    engines.diarizer().diarize(samples, SpeakerBounds(), reports.append)
    assert reports[-1] == len(samples) / SAMPLE_RATE
    assert all(0 <= done <= reports[-1] for done in reports)


def test_threads_do_not_disturb_each_other(engines: LoadedEngines, registry: ModelRegistry, tmp_path: Path) -> None:
    """Two languages at once, words and turns: the same as one after the other."""
    english = samples_of(MONO, tmp_path)[: 12 * SAMPLE_RATE].copy()
    hebrew = samples_of(HEBREW, tmp_path)[: 12 * SAMPLE_RATE].copy()
    jobs = [(english, TranscriptionOptions("en")), (hebrew, TranscriptionOptions("he"))] * 2
    alone = [heard(engines, registry, *job) for job in jobs[:2]] * 2
    barrier = threading.Barrier(len(jobs))

    def run(job: tuple[Samples, TranscriptionOptions]) -> tuple[ChannelTranscript, int]:
        barrier.wait()
        turns = engines.diarizer().diarize(job[0], SpeakerBounds(), lambda _: None)
        return heard(engines, registry, *job), len(turns)

    with ThreadPoolExecutor(len(jobs)) as pool:
        together = list(pool.map(run, jobs))
    assert [found for found, _ in together] == alone
    assert together[0][1] == together[2][1]


@pytest.mark.usefixtures("no_network")
def test_nothing_is_sent_anywhere(registry: ModelRegistry, tmp_path: Path) -> None:
    """Neither the hub nor the libraries' telemetry is called, from loading to the end of a job."""
    fresh = LoadedEngines(registry, ModelSettings(), GpuSettings(device="cpu"))
    samples = samples_of(HEBREW, tmp_path)[: 9 * SAMPLE_RATE]
    heard(fresh, registry, samples, TranscriptionOptions("he"))
    fresh.diarizer().diarize(samples, SpeakerBounds(), lambda _: None)


def test_a_model_is_loaded_once(engines: LoadedEngines, registry: ModelRegistry) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: engines.transcriber(registry.default), range(8)))
    assert all(model is found[0] for model in found)
    assert found[0].info.name == "whisper-tiny-espeak"
    assert found[0].info.compute_type.startswith("int8")
    assert len(found[0].info.digest) == 64


def test_stages_are_made_with_their_models_ready(tmp_path: Path) -> None:
    """What the command does before it joins its groups; a registry with a wrong digest ends it."""
    settings = GpuProcess(
        models_file=MODELS,
        audio_cache_dir=tmp_path / "audio",
        device="cpu",
        transcribe_workers=3,
        s3_access_key="k",
        s3_secret_key="s",
    )
    transcribe, diarize = create_stages(["transcribe", "diarize"], Serde(), settings, Policies())
    assert (transcribe.group, transcribe.workers) == (TRANSCRIBERS, 3)
    assert (diarize.group, diarize.workers) == (DIARIZERS, 1)
    moved = MODELS.read_text().replace('path = "', f'path = "{MODELS.parent}/')
    (tmp_path / "models.toml").write_text(re.sub(r'("config.json" = ").{4}', r"\g<1>0000", moved))
    with pytest.raises(Fatal, match=r"config\.json"):
        create_stages(
            ["transcribe"], Serde(), settings.model_copy(update={"models_file": tmp_path / "models.toml"}), Policies()
        )


def test_a_changed_file_is_not_loaded(registry: ModelRegistry, tmp_path: Path) -> None:
    """What the registry pins must be there, byte for byte."""
    entry = registry.models[registry.default]
    (tmp_path / "model.bin").write_bytes(b"another model")
    with pytest.raises(Fatal, match=r"is missing|is [0-9a-f]{64}"):
        checked_digest(entry, tmp_path)


def test_pinned_checkpoints_are_vouched_for(registry: ModelRegistry) -> None:
    entry = registry.models[registry.diarizer]
    assert entry.path is not None
    assert unpinned_checkpoints(entry, entry.path) == ()
    unpinned = entry.model_copy(update={"sha256": {}})
    checkpoints = unpinned_checkpoints(unpinned, entry.path)
    assert [path.parent.name for path in checkpoints] == ["embedding", "segmentation"]
    for path in checkpoints:
        check_harmless(path)


class Evil:
    """What a checkpoint of a stranger may hold."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (Path("harm"),))  # type: ignore[return-value]


def test_a_checkpoint_that_runs_code_is_not_loaded(tmp_path: Path) -> None:
    """pyannote would unpickle it."""
    path = tmp_path / "pytorch_model.bin"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(Fatal, match="holds more than weights"):
        check_harmless(path)


def test_devices(registry: ModelRegistry) -> None:
    assert choose_device("auto", available=False) == "cpu"
    assert choose_device("auto", available=True) == "cuda"
    assert choose_device("cpu", available=True) == "cpu"
    with pytest.raises(Fatal, match="SCRIBE_DEVICE"):
        choose_device("cuda", available=False)


def test_digests_name_content_and_place() -> None:
    one, other = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    assert digest_of_all({"a": one, "b": other}) == digest_of_all({"b": other, "a": one})
    assert digest_of_all({"a": one, "b": other}) != digest_of_all({"a": other, "b": one})

"""The diarizer that needs no hub, on real voices; skipped where nobody has fetched it."""

from collections import defaultdict
from pathlib import Path

import pytest

from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.engines.loader import LoadedEngines
from gpu_consumers.engines.protocols import SpeakerBounds
from schemas.events import Channels
from schemas.models.registry import load_registry
from schemas.settings.gpu import GpuSettings, ModelSettings
from tests.fetched import DIARIZER, TRANSCRIBER, require_fetched
from tests.recordings import CONVERSATION

pytestmark = pytest.mark.models
SECONDS = 29  # two voices


def test_two_real_voices_are_told_apart(tmp_path: Path) -> None:
    """Each has its label for most of what it says, and there is no third one; weights are checked, no hub is asked."""
    require_fetched(DIARIZER)
    registry = load_registry(default=TRANSCRIBER, diarizer=DIARIZER)
    decode(CONVERSATION.path, tmp_path / "samples.npy", Channels.MIX, 600.0, lambda _: None)
    samples = load(tmp_path / "samples.npy")[: SECONDS * SAMPLE_RATE, 0]
    turns = (
        LoadedEngines(registry, ModelSettings(), GpuSettings(device="cpu"))
        .diarizer()
        .diarize(samples, SpeakerBounds(), lambda _: None)
    )
    shared: defaultdict[tuple[str, str], float] = defaultdict(float)
    said = [turn for turn in CONVERSATION.said if turn.end <= SECONDS]
    for person in said:
        for turn in turns:
            shared[person.speaker, turn.speaker] += max(0.0, min(person.end, turn.end) - max(person.start, turn.start))
    people = {person.speaker for person in said}
    labels = {person: max(turns, key=lambda turn: shared[person, turn.speaker]).speaker for person in people}
    assert len(people) == len(set(labels.values())) == len({turn.speaker for turn in turns}) == 2
    assert sum(shared[pair] for pair in labels.items()) >= 0.8 * sum(person.end - person.start for person in said)

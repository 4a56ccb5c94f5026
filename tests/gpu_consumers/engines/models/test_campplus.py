"""CAM++ as it is written here against 3D-Speaker's own code on the same weights; skipped where nobody has fetched them.

The reference was computed once, away from this project: kaldi-native-fbank's features of the pieces, their mean taken off,
through the CAMPPlus of 3D-Speaker. Only the decoded recording is the same.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.engines.models.store import fetched_folder
from gpu_consumers.engines.pyannote import load_pipeline
from schemas.events import Channels
from schemas.models.registry import load_registry
from schemas.settings.gpu import ModelSettings
from tests.fetched import DIARIZER, require_fetched
from tests.recordings import LANGUAGES

pytestmark = pytest.mark.models
REFERENCE = json.loads((Path(__file__).parent / "campplus_reference.json").read_text())
VOICES = (0, 0, 1, 1, 2, 2)  # who speaks in each piece


@pytest.fixture(scope="module")
def network() -> Any:
    """The embedding of the diarizer as it is fetched, converted and loaded here."""
    require_fetched(DIARIZER)
    folder = fetched_folder(load_registry().models[DIARIZER], ModelSettings().models_cache)
    return load_pipeline(folder, "cpu")._embedding.model_


def test_embeddings_are_those_of_the_original(network: Any, tmp_path: Path) -> None:
    decode(LANGUAGES.path, tmp_path / "samples.npy", Channels.MIX, 600.0, lambda _: None)
    sound = torch.from_numpy(np.array(load(tmp_path / "samples.npy"))[:, 0])
    pieces = [
        sound[round(piece["start"] * SAMPLE_RATE) : round(piece["end"] * SAMPLE_RATE)] for piece in REFERENCE["pieces"]
    ]
    with torch.inference_mode():
        found = torch.cat([network(piece[None, None]) for piece in pieces])
    wanted = torch.tensor([piece["embedding"] for piece in REFERENCE["pieces"]])
    assert found.shape == wanted.shape == (len(VOICES), 192)
    assert cosine_similarity(found, wanted).min() > 0.9999
    assert (found - wanted).abs().max() < 0.01


def test_the_reference_tells_voices_apart() -> None:
    """Else it would say little that ours agrees with it."""
    wanted = torch.tensor([piece["embedding"] for piece in REFERENCE["pieces"]])
    alike = cosine_similarity(wanted[:, None], wanted[None], dim=2)
    same = torch.tensor(VOICES)[:, None] == torch.tensor(VOICES)[None]
    assert alike[same].min() > 0.6
    assert alike[~same].max() < 0.5

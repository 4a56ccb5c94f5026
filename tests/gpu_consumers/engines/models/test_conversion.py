"""Bare weights become a diarizer that pyannote loads offline; here they are random, so it knows no voice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpu_consumers.audio.samples import SAMPLE_RATE
from gpu_consumers.engines.models.conversion import convert_pyannote_campplus, embedding_network, segmentation_network
from gpu_consumers.engines.models.errors import NotGenuine
from gpu_consumers.engines.models.store import files_of
from gpu_consumers.engines.protocols import SpeakerBounds
from gpu_consumers.engines.pyannote import load_diarizer
from schemas.events import ModelInfo

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def network() -> Any:
    """Random, but with a norm that fits: without, numbers shrink from layer to layer to what processors are slow with."""
    torch.manual_seed(0)
    network = embedding_network()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(4, 1, SAMPLE_RATE // 2))
    return network.eval()


@pytest.fixture(scope="module")
def taken(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights as the wheels hold them."""
    folder = tmp_path_factory.mktemp("taken")
    torch.save(network.state_dict(), folder / "embedding.pt")
    torch.save({"state_dict": segmentation_network().state_dict()}, folder / "segmentation.pt")
    return folder


def test_the_same_weights_make_the_same_files_which_load_and_run(taken: Path, tmp_path: Path) -> None:
    """To the last bit, else the registry could not pin them; nothing asks a hub for what is missing."""
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        convert_pyannote_campplus(taken, tmp_path / name)
    assert files_of(tmp_path / "once") == files_of(tmp_path / "again")
    diarizer = load_diarizer(tmp_path / "once", ModelInfo(name="m", digest="d", compute_type="float32"), "cpu")
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    diarizer.diarize(noise, SpeakerBounds(), lambda _: None)


class Trap:
    """What a pickle runs when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.path,)


def trapped(folder: Path) -> None:
    torch.save({"state_dict": {}, "more": Trap(folder / "ran")}, folder / "segmentation.pt")


def another(folder: Path) -> None:
    torch.save({"state_dict": {"lstm.weight": torch.zeros(1)}}, folder / "segmentation.pt")


def empty(folder: Path) -> None:
    (folder / "segmentation.pt").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "says"),
    [(trapped, "holds more than weights"), (another, "of another network"), (empty, "holds more than weights")],
)
def test_what_is_no_weights_is_refused_and_not_run(damage: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    damage(tmp_path)
    with pytest.raises(NotGenuine, match=says):
        convert_pyannote_campplus(tmp_path, tmp_path / "made")
    assert not (tmp_path / "ran").exists()


def test_voices_of_one_window_share_its_frames(network: Any) -> None:
    """The embedding of each is the one that it has by itself."""
    chance = torch.Generator().manual_seed(1)
    windows = torch.randn(2, 1, SAMPLE_RATE // 4, generator=chance)[[0, 0, 1, 0]]
    weights = torch.rand(4, 12, generator=chance)
    with torch.inference_mode():
        together = network(windows, weights=weights)
        alone = torch.cat([network(windows[i : i + 1], weights=weights[i : i + 1]) for i in range(4)])
    # batches of another size add up in another order
    assert (together - alone).abs().max() < 2e-3
    assert (together[0] - together[1]).abs().max() > 2e-2


@pytest.mark.parametrize("samples", [400, 719, 720, 16_000])
def test_frames_are_as_many_as_are_promised(network: Any, samples: int) -> None:
    with torch.inference_mode():
        assert network.frames(torch.zeros(1, 1, samples)).shape[2] == network.num_frames(samples)

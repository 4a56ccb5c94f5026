"""Conversion of bare weights into a loadable model: checkpoints of tensors and plain values, and their configuration.

The same weights make the same files to the last bit, so that the registry can pin them.
"""

import copyreg
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from gpu_consumers.engines.models.errors import NotGenuine

with warnings.catch_warnings():
    # torchcodec does not load without FFmpeg's libraries; no file is handed to pyannote
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    from gpu_consumers.campplus import CamPlusPlus
    from gpu_consumers.engines.pyannote import check_harmless

# Python 3.11.0 to 3.11.3 pickle the members of an enumeration by another way, which is refused when they are loaded
for _kind in (Problem, Resolution):
    copyreg.pickle(_kind, lambda member: (type(member), (member.value,)))

WINDOW_SECONDS = 10.0
MOST_VOICES, MOST_AT_ONCE = 3, 2  # in a window, that segmentation-3.0 tells apart
# found by tests.bench.clustering on real voices: 0.7 makes the fewest errors whatever the smallest cluster is, and voices of
# few seconds stay apart with 4 windows, where 12 give them to others
THRESHOLD = 0.7  # of the distance between two voices
SMALLEST_CLUSTER = 4  # windows that a voice must be heard in
BATCH = 24  # windows at once; of embeddings a multiple of the voices in a window, which share their frames
LSTM = {"hidden_size": 128, "num_layers": 4, "bidirectional": True, "monolithic": True, "dropout": 0.5}
LINEAR = {"hidden_size": 128, "num_layers": 2}


def convert_pyannote_campplus(taken: Path, folder: Path) -> None:
    """pyannote's segmentation.pt and 3D-Speaker's embedding.pt as a SpeakerDiarization; raises NotGenuine."""
    _save(segmentation_network(), _weights(taken / "segmentation.pt")["state_dict"], folder / "segmentation")
    _save(embedding_network(), _weights(taken / "embedding.pt"), folder / "embedding")
    _save_calibration(folder / "plda")
    (folder / "config.yaml").write_text(yaml.safe_dump(_configuration()))


def _weights(path: Path) -> Mapping[str, Any]:
    try:
        weights: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise NotGenuine(f"{path.name} holds more than weights: {error}") from error
    return weights


def segmentation_network() -> Any:
    """The network of segmentation-3.0, without its weights."""
    model = PyanNet(sincnet={"stride": 10}, lstm=LSTM, linear=LINEAR)
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=WINDOW_SECONDS,
        min_duration=None,
        warm_up=(0.0, 0.0),
        classes=[f"speaker#{number}" for number in range(1, MOST_VOICES + 1)],
        powerset_max_classes=MOST_AT_ONCE,
        permutation_invariant=True,
    )
    model.build()
    return model


def embedding_network() -> Any:
    """CAM++, without its weights."""
    model = CamPlusPlus()
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION,
        resolution=Resolution.CHUNK,
        duration=WINDOW_SECONDS,
        min_duration=None,
        warm_up=(0.0, 0.0),
        classes=None,
    )
    return model


def _save(model: Any, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise NotGenuine(f"{folder.name}: these weights are of another network: {error}") from error
    folder.mkdir(parents=True)
    path = folder / "pytorch_model.bin"
    torch.save(
        {
            # in the order of the network, whatever that of the weights was
            "state_dict": {name: value.detach().clone() for name, value in model.state_dict().items()},
            "hyper_parameters": dict(model.hparams),
            "pytorch-lightning_version": "2.6.0",
            "epoch": 0,
            "global_step": 0,
            "pyannote.audio": {
                "versions": {"torch": "2.11.0", "pyannote.audio": "4.0.7"},
                "architecture": {"module": type(model).__module__, "class": type(model).__name__},
                "specifications": model.specifications,
            },
        },
        path,
    )
    check_harmless(path)


def _save_calibration(folder: Path) -> None:
    """Save an identity calibration for a clustering that uses none: without a file pyannote would query its hub."""
    folder.mkdir(parents=True)
    np.savez(folder / "xvec_transform.npz", mean1=np.zeros(1), mean2=np.zeros(1), lda=np.eye(1))
    np.savez(folder / "plda.npz", mu=np.zeros(1), tr=np.eye(1), psi=np.ones(1))


def _configuration() -> Mapping[str, object]:
    return {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "clustering": "AgglomerativeClustering",
                "segmentation": "$model/segmentation",
                "segmentation_batch_size": BATCH,
                "segmentation_step": 0.1,
                "embedding": "$model/embedding",
                "embedding_batch_size": BATCH,
                "embedding_exclude_overlap": True,
                "plda": "$model/plda",
            },
        },
        "params": {
            "clustering": {"method": "centroid", "min_cluster_size": SMALLEST_CLUSTER, "threshold": THRESHOLD},
            "segmentation": {"min_duration_off": 0.0},
        },
    }

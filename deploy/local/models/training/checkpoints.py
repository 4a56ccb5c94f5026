"""Checkpoints in pyannote's form that hold weights and plain values only, so that loading them runs nothing."""

from pathlib import Path
from typing import Any

import torch
from pyannote.audio import __version__ as pyannote_version

from gpu_consumers import standins
from gpu_consumers.engines.pyannote import HARMLESS, check_harmless


def save(model: Any, path: Path) -> None:
    """Write a stand-in network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            "state_dict": {name: weights.detach().clone() for name, weights in model.state_dict().items()},
            "hyper_parameters": dict(model.hparams),
            "pytorch-lightning_version": "2.6.0",
            "epoch": 0,
            "global_step": 0,
            "pyannote.audio": {
                "versions": {"torch": str(torch.__version__), "pyannote.audio": str(pyannote_version)},
                "architecture": {"module": standins.__name__, "class": type(model).__name__},
                "specifications": model.specifications,
            },
        },
        path,
    )
    check_harmless(path)


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint that `save` wrote."""
    check_harmless(path)
    with torch.serialization.safe_globals(list(HARMLESS)):
        weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return weights

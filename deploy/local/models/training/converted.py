"""Weights of a converted (CTranslate2) Whisper, back under the names that training uses."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

Weights = dict[str, torch.Tensor]
_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "encoder": {"self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")},
    "decoder": {
        "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "attention/linear_0": ("encoder_attn.q_proj",),
        "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
        "attention/linear_2": ("encoder_attn.out_proj",),
    },
}
_SAME: dict[str, tuple[str, ...]] = {
    "self_attention/linear_1": ("self_attn.out_proj",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "ffn/layer_norm": ("final_layer_norm",),
}


class _File:
    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from("<" + form, self._body, self._at)
        self._at += struct.calcsize("<" + form)
        return int(value)

    def text(self) -> str:
        length = self.number("H")
        self._at += length
        return self._body[self._at - length : self._at].rstrip(b"\0").decode()

    def array(self) -> npt.NDArray[np.float32]:
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = _TYPES[self.number("B")]
        size = self.number("I")
        self._at += size
        return np.frombuffer(self._body[self._at - size : self._at], kind).astype(np.float32).reshape(shape)


def weights_of(model: Path) -> Weights:
    """The weights in `model.bin`, 8-bit numbers scaled back, by the names of transformers' Whisper."""
    file = _File(model.read_bytes())
    file.number("I")
    file.text()
    file.number("I")
    raw = {}
    for _ in range(file.number("I")):
        name = file.text()
        raw[name] = file.array()
    for name in [name for name in raw if name.endswith("_scale")]:
        scaled = name.removesuffix("_scale")
        raw[scaled] = raw[scaled] / raw[name].reshape(-1, *([1] * (raw[scaled].ndim - 1)))
    return dict(pair for name, values in raw.items() for pair in _renamed(name, torch.from_numpy(values)))


def _renamed(name: str, values: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    side, _, rest = name.partition("/")
    rest = rest.replace("/gamma", "/weight").replace("/beta", "/bias")
    owner, _, kind = rest.rpartition("/")
    if kind not in ("weight", "bias", "encodings"):
        return []
    if owner.startswith("layer_") and owner != "layer_norm":
        layer, _, part = owner.partition("/")
        targets = ({**_SAME, **_PARTS[side]})[part]
        prefix = f"model.{side}.layers.{layer.removeprefix('layer_')}"
        pieces = zip(targets, values.chunk(len(targets)), strict=True)
        # keys have no bias there; the converter wrote zeros
        return [
            (f"{prefix}.{target}.{kind}", piece)
            for target, piece in pieces
            if (target[-6:], kind) != ("k_proj", "bias")
        ]
    owner = {"position_encodings": "embed_positions", "embeddings": "embed_tokens"}.get(owner, owner)
    return [(f"model.{side}.{owner}.{kind.replace('encodings', 'weight')}", values)]

"""CAM++, the speaker embedding of 3D-Speaker, in pyannote's Model form; converted checkpoints name this module.

The network is that of "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking"
(https://arxiv.org/abs/2303.00332), for inference. Submodules are called as in the published weights.
"""

from collections import OrderedDict
from functools import partial

import torch
from pyannote.audio.core.model import Model
from pyannote.audio.models.blocks.pooling import StatsPool
from torch import Tensor, nn
from torch.nn import functional
from torchaudio.compliance import kaldi

WINDOW, HOP = 400, 160  # samples at 16 kHz: 25 ms every 10 ms
MEL_BANDS = 80
FRONT_CHANNELS = 32
WIDTH, GROWTH = 128, 32  # channels of the first time-delay layer, and what each dense layer adds
STAGES = ((12, 1), (24, 2), (16, 2))  # dense layers of each block and their dilation; all have kernels of 3
CONTEXT = 100  # frames of the stretch that a mask looks at besides the whole


def _normalised(channels: int, *, affine: bool = True) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels, affine=affine), relu=nn.ReLU()))


class _Residual(nn.Module):
    """Two convolutions with a shortcut connection; `stride` applies to the mel bands, the number of frames stays."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, bands, frames] to the same with fewer bands."""
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.shortcut(x))


class _Front(nn.Module):
    """Convolutions over bands and frames, which reduce the bands to an eighth."""

    def __init__(self) -> None:
        super().__init__()
        channels = FRONT_CHANNELS
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.layer2 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, bands: Tensor) -> Tensor:
        """[batch, bands, frames] to [batch, features, frames]."""
        x = functional.relu(self.bn1(self.conv1(bands.unsqueeze(1))))
        x = self.layer2(self.layer1(x))
        return functional.relu(self.bn2(self.conv2(x))).flatten(1, 2)


class _ContextAwareMask(nn.Module):
    """A convolution whose output is masked by the context: the whole utterance and the surrounding segment."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(inputs, inputs // 2, 1)
        self.linear2 = nn.Conv1d(inputs // 2, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, inputs, frames] to [batch, outputs, frames]."""
        stretches = functional.avg_pool1d(x, CONTEXT, ceil_mode=True)
        context = x.mean(dim=2, keepdim=True) + stretches
        # the same for all frames of a stretch, so the mask is made once for each
        mask = torch.sigmoid(self.linear2(functional.relu(self.linear1(context))))
        masked: Tensor = self.linear_local(x) * mask.repeat_interleave(CONTEXT, dim=2)[..., : x.shape[2]]
        return masked


class _DenseLayer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        inner = 4 * GROWTH
        self.nonlinear1 = _normalised(channels)
        self.linear1 = nn.Conv1d(channels, inner, 1, bias=False)
        self.nonlinear2 = _normalised(inner)
        self.cam_layer = _ContextAwareMask(inner, GROWTH, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """The channels that the layer adds to its input channels."""
        added: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return added


class _DenseBlock(nn.Sequential):
    """Layers that each receive the output of all earlier layers."""

    def __init__(self, layers: int, channels: int, dilation: int) -> None:
        super().__init__(
            OrderedDict((f"tdnnd{i + 1}", _DenseLayer(channels + i * GROWTH, dilation)) for i in range(layers))
        )

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, frames] to the same with more channels."""
        for layer in self:
            x = torch.cat([x, layer(x)], dim=1)
        return x


def _time_delay(inputs: int) -> nn.Sequential:
    linear = nn.Conv1d(inputs, WIDTH, 5, stride=2, padding=2, bias=False)
    return nn.Sequential(OrderedDict(linear=linear, nonlinear=_normalised(WIDTH)))


def _transition(channels: int) -> nn.Sequential:
    linear = nn.Conv1d(channels, channels // 2, 1, bias=False)
    return nn.Sequential(OrderedDict(nonlinear=_normalised(channels), linear=linear))


def _dense(channels: int, dimension: int) -> nn.Sequential:
    linear = nn.Conv1d(channels, dimension, 1, bias=False)
    norm = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(dimension, affine=False)))
    return nn.Sequential(OrderedDict(linear=linear, nonlinear=norm))


def _embedder(dimension: int) -> nn.ModuleDict:
    layers: dict[str, nn.Module] = {"tdnn": _time_delay(FRONT_CHANNELS * MEL_BANDS // 8)}
    width = WIDTH
    for number, (count, dilation) in enumerate(STAGES, 1):
        layers[f"block{number}"] = _DenseBlock(count, width, dilation)
        width += count * GROWTH
        layers[f"transit{number}"] = _transition(width)
        width //= 2
    layers["out_nonlinear"] = _normalised(width)
    layers["dense"] = _dense(2 * width, dimension)
    return nn.ModuleDict(layers)


class CamPlusPlus(Model):  # type: ignore[misc]
    """Waveforms [batch, 1, samples] to speaker embeddings [batch, dimension], pooled over weighted frames."""

    def __init__(
        self, sample_rate: int = 16000, num_channels: int = 1, dimension: int = 192, task: object = None
    ) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.save_hyperparameters("sample_rate", "num_channels", "dimension")
        self._mel = partial(kaldi.fbank, num_mel_bins=MEL_BANDS, sample_frequency=float(sample_rate), dither=0.0)
        self.head = _Front()
        self.xvector = _embedder(dimension)
        self.pool = StatsPool()

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        return int(self.hparams.dimension)

    def num_frames(self, num_samples: int) -> int:
        """Number of frames from so many samples."""
        return ((num_samples - WINDOW) // HOP) // 2 + 1

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Number of samples covered by so many frames."""
        return WINDOW + (num_frames - 1) * 2 * HOP

    def receptive_field_center(self, frame: int = 0) -> int:
        """Sample in the middle of a frame."""
        return WINDOW // 2 + frame * 2 * HOP

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:
        """Embeddings; `weights` [batch, frames] says how much each frame counts.

        pyannote asks for each voice of a window by itself, one after the other: what they share is computed once.
        """
        distinct, rows = torch.unique_consecutive(waveforms, dim=0, return_inverse=True)
        pooled = self.pool(self.frames(distinct)[rows], weights=weights)
        embeddings: Tensor = self.xvector["dense"](pooled.unsqueeze(2)).squeeze(2)
        return embeddings

    def frames(self, waveforms: Tensor) -> Tensor:
        """Features of each moment for all speakers: [batch, features, frames]."""
        bands = torch.vmap(self._mel)(waveforms)
        x = self._front((bands - bands.mean(dim=1, keepdim=True)).transpose(1, 2))
        for name, layer in self.xvector.items():
            if name != "dense":
                x = layer(x)
        return x

    def _front(self, bands: Tensor) -> Tensor:
        """See _Front; on a CPU one window at a time, whose layers fit into its caches: a third of the time of eight."""
        windows = torch.split(bands, 1) if bands.device.type == "cpu" else (bands,)
        return torch.cat([self.head(window) for window in windows])

"""The two small networks of the stand-in diarizer, in pyannote's Model form; the checkpoints name this module.

They exist so that the real pyannote pipeline runs in seconds on a laptop; see deploy/local/models.
"""

import torch
import torchaudio
from pyannote.audio.core.model import Model
from pyannote.audio.models.blocks.pooling import StatsPool
from torch import Tensor, nn
from torch.nn import functional

WINDOW, HOP = 400, 160  # samples at 16 kHz: 25 ms every 10 ms
CONTEXT = 51  # frames of the moving average that tells a frame who speaks around it


def _mel(sample_rate: int) -> nn.Module:
    mel: nn.Module = torchaudio.transforms.MelSpectrogram(
        sample_rate, n_fft=512, win_length=WINDOW, hop_length=HOP, n_mels=64
    )
    return mel


def _time_delay_net(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, kernel, dilation in ((64, 5, 1), (channels, 3, 2), (channels, 3, 3)):
        padding = dilation * (kernel // 2)
        layers += [
            nn.Conv1d(inputs, channels, kernel, dilation=dilation, padding=padding),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class SpeakerNet(Model):  # type: ignore[misc]
    """Waveforms [batch, 1, samples] to speaker embeddings [batch, dimension], pooled over weighted frames."""

    def __init__(
        self,
        sample_rate: int = 16000,
        num_channels: int = 1,
        channels: int = 96,
        dimension: int = 64,
        task: object = None,
    ) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.save_hyperparameters("sample_rate", "num_channels", "channels", "dimension")
        self.mel = _mel(sample_rate)
        self.tdnn = _time_delay_net(channels)
        self.pool = StatsPool()
        self.out = nn.Linear(2 * channels, dimension)

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        return int(self.hparams.dimension)

    def num_frames(self, num_samples: int) -> int:
        """Number of frames from so many samples."""
        return 1 + num_samples // HOP

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Number of samples covered by so many frames."""
        return WINDOW + (num_frames - 1) * HOP

    def receptive_field_center(self, frame: int = 0) -> int:
        """Sample in the middle of a frame."""
        return frame * HOP

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:
        """Embeddings; `weights` [batch, frames] says how much each frame counts."""
        x = torch.log(self.mel(waveforms.squeeze(1)) + 1e-5)
        x = x - x.mean(dim=(1, 2), keepdim=True)
        embeddings: Tensor = self.out(self.pool(self.tdnn(x), weights=weights))
        return embeddings


class SegmentationNet(Model):  # type: ignore[misc]
    """Waveforms [batch, 1, samples] to speech activity [batch, frames, classes], one frame every 20 ms."""

    def __init__(
        self,
        sample_rate: int = 16000,
        num_channels: int = 1,
        channels: int = 96,
        hidden: int = 96,
        task: object = None,
    ) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.save_hyperparameters("sample_rate", "num_channels", "channels", "hidden")
        self.mel = _mel(sample_rate)
        self.tdnn = _time_delay_net(channels)
        self.down = nn.Conv1d(2 * channels, hidden, 7, stride=2, padding=3)
        self.lstm = nn.LSTM(hidden, hidden, 2, bidirectional=True, batch_first=True)

    @property
    def dimension(self) -> int:
        """Number of classes per frame."""
        specifications = self.specifications
        return int(specifications.num_powerset_classes if specifications.powerset else len(specifications.classes))

    def build(self) -> None:
        """Build the output layer; called by pyannote when the classes are known."""
        self.classifier = nn.Linear(2 * self.hparams.hidden, self.dimension)
        self.activation = self.default_activation()

    def num_frames(self, num_samples: int) -> int:
        """Number of frames from so many samples."""
        return (num_samples // HOP + 2) // 2

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Number of samples covered by so many frames."""
        return WINDOW + (num_frames - 1) * 2 * HOP

    def receptive_field_center(self, frame: int = 0) -> int:
        """Sample in the middle of a frame."""
        return frame * 2 * HOP

    def forward(self, waveforms: Tensor) -> Tensor:
        """Log-probabilities of the classes."""
        x = torch.log(self.mel(waveforms.squeeze(1)) + 1e-5)
        x = x - x.mean(dim=(1, 2), keepdim=True)
        frames = self.tdnn(x)
        around = functional.avg_pool1d(frames, CONTEXT, 1, CONTEXT // 2, count_include_pad=False)
        frames = torch.relu(self.down(torch.cat([frames, around], 1))).transpose(1, 2)
        activity: Tensor = self.activation(self.classifier(self.lstm(frames)[0]))
        return activity

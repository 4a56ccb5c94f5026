"""Synthetic voices: eSpeak NG through its C library, which a wheel brings along with its data."""

import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional

from deploy.local.models.training.sentences import Sentence

SAMPLE_RATE = 16_000  # Hz
PEAK = 0.7
SILENCE = 0.005
Samples = npt.NDArray[np.float32]

_ACCENTS = {"en": "en-us", "he": "he"}
_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _PITCH = 1, 3
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True, order=True)
class Voice:
    """A speaker: a variant of eSpeak NG, its pitch (0 to 99) and its speed in words a minute."""

    variant: str
    pitch: int = 50
    speed: int = 155


class Synthesizer:
    """One for the process: the library has global state, so one sentence is spoken at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: list[npt.NDArray[np.int16]] = []
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(Path(espeakng_loader.get_data_path())).encode()
        self._rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0))
        if self._rate <= 0:
            raise OSError("eSpeak NG could not be initialised")
        self._callback = _CALLBACK(self._take)  # kept: the library calls it later
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, sentence: Sentence, voice: Voice) -> Samples:
        """The sentence in that voice, 16 kHz, with the same peak always; raises ValueError for an unknown variant."""
        with self._lock:
            self._heard.clear()
            if self._library.espeak_SetVoiceByName(f"{_ACCENTS[sentence.language]}+{voice.variant}".encode()):
                raise ValueError(f"no voice {voice.variant}")
            self._library.espeak_SetParameter(_RATE, voice.speed, 0)
            self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)
            self._library.espeak_ng_SetRandSeed(1)  # the flutter of a voice is drawn from there
            text = sentence.text.encode() + b"\0"
            self._library.espeak_Synth(text, len(text), 0, 1, 0, _UTF8, None, None)
            self._library.espeak_Synchronize()
            spoken = np.concatenate(self._heard).astype(np.float32) / 32768
        resampled: Samples = torchaudio.functional.resample(torch.from_numpy(spoken), self._rate, SAMPLE_RATE).numpy()
        return _trimmed(resampled / (np.abs(resampled).max() + 1e-6) * np.float32(PEAK))

    def _take(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: object) -> int:
        if samples and count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def _trimmed(samples: Samples) -> Samples:
    """Without the silence around it, so that the truth about who speaks when is the truth."""
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


@cache
def synthesizer() -> Synthesizer:
    """The one of this process."""
    return Synthesizer()

"""Sentences spoken once by many voices and used again and again while training; and what a telephone makes of them."""

from collections import defaultdict
from dataclasses import dataclass
from random import Random

import numpy as np

from deploy.local.models.training.sentences import Sentence, sentence
from deploy.local.models.training.speech import SAMPLE_RATE, Samples, Voice, synthesizer

# the variants that the diarizer learns to tell apart; the Whisper hears only the first six
WHISPER_VARIANTS = ("m1", "m3", "m7", "f1", "f2", "f4")
VARIANTS = (*WHISPER_VARIANTS, "m2", "m4", "m6", "f3", "f5", "Andy", "Annie", "Alex", "Michael", "linda")
PITCHES = (35, 45, 55, 65)
TELEPHONE_HZ = (3400, 3900, 6000)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as somebody said it."""

    sentence: Sentence
    voice: Voice
    samples: Samples


def bank(
    count: int, seed: int, variants: tuple[str, ...] = VARIANTS, pitches: tuple[int, ...] = PITCHES
) -> list[Spoken]:
    """So many sentences, half of them Hebrew, in voices drawn at random."""
    random = Random(seed)
    found = []
    for index in range(count):
        words = sentence("he" if index % 2 else "en", random)
        voice = Voice(random.choice(variants), random.choice(pitches), random.randint(135, 178))
        found.append(Spoken(words, voice, synthesizer().say(words, voice)))
    return found


def by_speaker(spoken: list[Spoken]) -> dict[tuple[str, int], list[Samples]]:
    """Samples by speaker: who speaks slower is still the same."""
    speakers: dict[tuple[str, int], list[Samples]] = defaultdict(list)
    for item in spoken:
        speakers[item.voice.variant, item.voice.pitch].append(item.samples)
    return dict(speakers)


def telephone(samples: Samples, hertz: int) -> Samples:
    """Nothing above so many Hz."""
    spectrum = np.fft.rfft(samples)
    spectrum[int(len(spectrum) * hertz / (SAMPLE_RATE / 2)) :] = 0
    limited: Samples = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    return limited


def noise(length: int, random: Random) -> Samples:
    """Noise of a level between hardly and clearly heard."""
    generator = np.random.default_rng(random.randrange(1 << 30))
    return generator.normal(0, 10 ** random.uniform(-4.5, -2.3), length).astype(np.float32)

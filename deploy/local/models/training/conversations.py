"""Conversations of synthetic voices with the truth about them: who says which sentence when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from deploy.local.models.training.sentences import Sentence, sentence
from deploy.local.models.training.speech import SAMPLE_RATE, Samples, Voice, synthesizer

PAUSE = (0.4, 1.0)  # seconds between two sentences
CHANGE = (0.1, 0.5)  # more of it when another one speaks

Accept = Callable[[Sentence, Voice], bool]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A sentence in a conversation; seconds, `speaker` is an index into its voices."""

    start: float
    end: float
    speaker: int
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Samples [samples, speakers] at 16 kHz, one track a speaker, and what is said in them."""

    language: str
    tracks: Samples
    utterances: tuple[Utterance, ...]

    @property
    def mono(self) -> Samples:
        """All speakers in one channel."""
        mixed: Samples = self.tracks.sum(axis=1)
        return mixed

    @property
    def duration(self) -> float:
        """In seconds."""
        return len(self.tracks) / SAMPLE_RATE


def conversation(
    language: str, voices: Sequence[Voice], seconds: float, random: Random, accept: Accept = lambda *_: True
) -> Conversation:
    """Voices that take turns, with pauses and some noise, for about so many seconds; `accept` may refuse sentences."""
    spoken: list[tuple[Utterance, Samples]] = []
    clock, speaker = random.uniform(0.2, 0.8), random.randrange(len(voices))
    while clock < seconds - 1.0:
        for _ in range(random.choice((1, 1, 2))):
            words = _acceptable(language, voices[speaker], random, accept)
            samples = synthesizer().say(words, voices[speaker]) * np.float32(random.uniform(0.6, 1.0))
            end = clock + len(samples) / SAMPLE_RATE
            spoken.append((Utterance(clock, end, speaker, words.text), samples))
            clock = end + random.uniform(*PAUSE)
        speaker = _other(speaker, len(voices), random)
        clock += random.uniform(*CHANGE)
    return Conversation(language, _tracks(spoken, len(voices), clock, random), tuple(said for said, _ in spoken))


def _acceptable(language: str, voice: Voice, random: Random, accept: Accept) -> Sentence:
    while not accept(found := sentence(language, random), voice):
        pass
    return found


def _other(speaker: int, count: int, random: Random) -> int:
    return random.choice([index for index in range(count) if index != speaker] or [speaker])


def _tracks(spoken: Sequence[tuple[Utterance, Samples]], speakers: int, seconds: float, random: Random) -> Samples:
    length = round(seconds * SAMPLE_RATE)
    noise = np.random.default_rng(random.randrange(1 << 30))
    level = 10 ** random.uniform(-4.0, -3.0)
    tracks: Samples = noise.normal(0, level, (length, speakers)).astype(np.float32)
    for said, samples in spoken:
        begin = round(said.start * SAMPLE_RATE)
        tracks[begin : begin + len(samples), said.speaker] += samples[: length - begin]
    return tracks

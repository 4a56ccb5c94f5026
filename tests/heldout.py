"""Conversations that no stand-in was trained on, the same in every run; more than three minutes in all."""

from dataclasses import dataclass
from functools import cache
from random import Random

from deploy.local.models.training.bank import WHISPER_VARIANTS
from deploy.local.models.training.conversations import Conversation, conversation
from deploy.local.models.training.heard import is_new
from deploy.local.models.training.speech import Voice

SECONDS = 26.0
PLAN = (("en", 2), ("en", 2), ("he", 2), ("en", 3), ("en", 2), ("en", 2), ("he", 2), ("en", 3))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A conversation and the voices in it."""

    name: str
    conversation: Conversation
    voices: tuple[Voice, ...]


@cache
def held_out() -> tuple[HeldOut, ...]:
    """All of them."""
    return tuple(_make(index, language, speakers) for index, (language, speakers) in enumerate(PLAN))


def _make(index: int, language: str, speakers: int) -> HeldOut:
    random = Random(f"held out {index}")
    variants = random.sample(WHISPER_VARIANTS, speakers)
    voices = tuple(Voice(variant, random.randint(45, 55), random.randint(145, 170)) for variant in variants)
    spoken = conversation(language, voices, SECONDS, random, accept=is_new)
    return HeldOut(f"{index}-{language}-{speakers}", spoken, voices)

"""The training material of the stand-ins: a digest of every sentence in every voice, so that tests can keep away from it."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from deploy.local.models.training.sentences import Sentence
from deploy.local.models.training.speech import Voice

FILE = Path(__file__).with_name("heard.bin")
BYTES = 6  # of each digest


def digest(sentence: Sentence, voice: Voice) -> bytes:
    """A sentence as a voice says it, at its pitch and speed."""
    text = f"{voice.variant}|{voice.pitch}|{voice.speed}|{sentence.language}|{sentence.text}"
    return hashlib.sha256(text.encode()).digest()[:BYTES]


@cache
def heard(file: Path = FILE) -> frozenset[bytes]:
    """All digests in the file."""
    body = file.read_bytes() if file.exists() else b""
    return frozenset(body[at : at + BYTES] for at in range(0, len(body), BYTES))


def is_new(sentence: Sentence, voice: Voice) -> bool:
    """Whether no stand-in was trained on it."""
    return digest(sentence, voice) not in heard()


def remember(spoken: Iterable[tuple[Sentence, Voice]], file: Path = FILE) -> None:
    """Add what a training uses; called before it begins."""
    digests = heard(file) | {digest(sentence, voice) for sentence, voice in spoken}
    file.write_bytes(b"".join(sorted(digests)))
    heard.cache_clear()

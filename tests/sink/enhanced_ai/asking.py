"""Questions to the enhanced-AI service, and answers that are kept in memory as PostgreSQL would keep them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from deploy.local.extractive_ai import MODEL, ExtractiveService
from schemas.ports import EnhancementQuery, Enhancer, KeptAnswer
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from schemas.transcript import Segment, Transcript, Word
from sink.enhanced_ai.service import enhancer_for

SAID = (
    "hello this is anna speaking",
    "my order number is four five six seven",
    "the order will arrive on monday",
    "please check my order",
)


@dataclass
class MemoryAnswers:
    """Kept answers; `crash_after` that many the process is as good as dead."""

    kept: dict[str, KeptAnswer] = field(default_factory=dict)
    crash_after: int | None = None

    async def find(self, step: str) -> KeptAnswer | None:
        return self.kept.get(step)

    async def keep(self, step: str, answer: KeptAnswer) -> None:
        self.kept[step] = answer
        if self.crash_after is not None and len(self.kept) >= self.crash_after:
            raise ConnectionAbortedError("on purpose")


def transcript(texts: Sequence[str] = SAID, *, words: bool = True, language: str = "en") -> Transcript:
    """One segment a text, three seconds each, a word every 0.2 seconds."""
    segments = tuple(
        Segment(
            start=3.0 * n,
            end=3.0 * n + 2.5,
            text=text,
            speaker=f"SPEAKER_{n % 2:02}",
            words=tuple(
                Word(start=round(3 * n + 0.2 * i, 3), end=round(3 * n + 0.2 * i + 0.1, 3), text=word)
                for i, word in enumerate(text.split() if words else ())
            ),
        )
        for n, text in enumerate(texts)
    )
    return Transcript(language=language, duration=3.0 * max(1, len(texts)), segments=segments)


def ask(said: Transcript | None = None, **changes: Any) -> EnhancementQuery:
    values: dict[str, Any] = {
        "enhancement_id": uuid4(),
        "tenant": "acme",
        "job_id": uuid4(),
        "transcript": said or transcript(),
        "summarization": True,
        "entity_extraction": True,
    }
    return EnhancementQuery(**values | changes)


def enhancer(kind: str, service: ExtractiveService, **changes: Any) -> Enhancer:
    """The adapter of a kind on a running service."""
    settings = {
        "enhanced_ai_endpoint": service.url if kind == "json" else service.base,
        "enhanced_ai_api_key": service.key,
        "enhanced_ai_kind": kind,
        "enhanced_ai_models": (MODEL,),
        "enhanced_ai_timeout_seconds": 60,
    }
    made = enhancer_for(EnhancedAiSettings(**settings | changes), OutboundSettings(), "development")
    assert made is not None
    return made

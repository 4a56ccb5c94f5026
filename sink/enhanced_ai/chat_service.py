"""Enhancement through any OpenAI-compatible chat endpoint: long transcripts by map and reduce, in sequence."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from schemas.ports import Answers, EnhancementOutput, EnhancementQuery
from schemas.transcript import Segment
from sink.enhanced_ai import prompts
from sink.enhanced_ai.calls import EnhancedAiEndpoint
from sink.enhanced_ai.completions import Completions, Question
from sink.enhanced_ai.parts import groups_of, lines_of, parts_of
from sink.enhanced_ai.shapes import EntitiesAnswer, PartAnswer, Quoted, SummaryAnswer
from sink.enhanced_ai.spans import Quote, entities_of
from sink.postgres.sanitize import sanitize_text

M = TypeVar("M", bound=BaseModel)
_PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """Tokens that a model can process in one call, input and output together, and the share reserved for its answer."""

    tokens: int
    answer: int

    @property
    def part(self) -> int:
        """Tokens available for a part of a transcript; leaves room for a second answer, if the first is repaired."""
        return self.tokens - prompts.OVERHEAD_TOKENS - 2 * self.answer


class ChatService:
    """Enhances by chat completions at `base`/chat/completions."""

    def __init__(self, service: EnhancedAiEndpoint, base: str, default_model: str, window: ContextWindow) -> None:
        self._completions = Completions(service, completions_url(base), window.answer)
        self._default_model = default_model
        self._window = window

    async def enhance(self, ask: EnhancementQuery, answers: Answers) -> EnhancementOutput:
        """See schemas.ports.Enhancer; each question is asked only once, even after crashes."""
        work = _Work(self._completions, ask, answers, ask.model or self._default_model)
        quoted, summaries = await work.map(self._window.part)
        summary = await work.reduce(summaries, self._window.part) if ask.summarization else None
        # in a thread: quotes are looked for in hours of words
        quotes = list(_quotes(quoted, ask.transcript.segments))
        entities = await asyncio.to_thread(entities_of, quotes, ask.transcript)
        return EnhancementOutput(
            summary=None if summary is None else sanitize_text(summary),
            entities=entities,
            model=work.model,
            tokens=work.tokens,
        )


class _Work:
    """One enhancement in progress."""

    def __init__(self, completions: Completions, ask: EnhancementQuery, answers: Answers, model: str) -> None:
        self._completions = completions
        self._ask = ask
        self._answers = answers
        self._mark = prompts.mark_of(ask.enhancement_id)
        self.model = model
        self.tokens = 0

    async def map(self, room: int) -> tuple[list[Quoted], list[str]]:
        """The quotes and partial summaries of all parts, in order."""
        ask, form = self._ask, _form(self._ask)
        quoted, summaries = list[Quoted](), list[str]()
        for number, part in enumerate(parts_of(lines_of(ask.transcript.segments, room), room)):
            messages = prompts.part(
                part,
                self._mark,
                ask.transcript.language,
                form,
                summary=ask.summarization,
                entities=ask.entity_extraction,
            )
            found = await self._answer(Question(f"part/{number}", messages, form))
            quoted += getattr(found, "entities", [])
            summaries += [found.summary] if isinstance(found, PartAnswer | SummaryAnswer) else []
        return quoted, summaries

    async def reduce(self, summaries: list[str], room: int) -> str:
        """One summary of many."""
        level = 0
        while len(summaries) > 1:
            groups = groups_of(summaries, room)
            summaries = [await self._reduced(f"reduce/{level}/{n}", group) for n, group in enumerate(groups)]
            level += 1
        return summaries[0] if summaries else ""

    async def _reduced(self, name: str, group: tuple[str, ...]) -> str:
        if len(group) == 1:
            return group[0]
        messages = prompts.reduce(group, self._mark, self._ask.transcript.language, SummaryAnswer)
        return (await self._answer(Question(name, messages, SummaryAnswer))).summary

    async def _answer(self, question: Question[M]) -> M:
        found, tokens = await self._completions.answer(self._ask, self.model, question, self._answers)
        self.tokens += tokens
        return found


def completions_url(base: str) -> str:
    """The address of the completions endpoint, from the base or the whole address; a query is kept."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/").removesuffix(_PATH) + _PATH))


def _quotes(quoted: Iterable[Quoted], segments: tuple[Segment, ...]) -> Iterator[Quote]:
    """The quotes with the times of their lines; no times where the line does not exist."""
    for item in quoted:
        line = segments[item.line] if 0 <= item.line < len(segments) else None
        yield Quote(item.quote, item.kind, (line.start, line.end) if line else None)


def _form(ask: EnhancementQuery) -> type[PartAnswer] | type[SummaryAnswer] | type[EntitiesAnswer]:
    if ask.summarization and ask.entity_extraction:
        return PartAnswer
    return SummaryAnswer if ask.summarization else EntitiesAnswer

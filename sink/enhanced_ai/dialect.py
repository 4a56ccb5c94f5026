"""Optional fields of a chat completion that a service supports, learned from the requests that it refuses. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from sink.enhanced_ai.prompts import Message
from sink.enhanced_ai.shapes import outline_of
from sink.enhanced_ai.verdicts import ServiceRefusal

_UNKNOWN_FIELD = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class Dialect:
    """Fields that are sent beside model and messages; the prompt contains the schema in every dialect."""

    structured: bool = True
    limit: str = "max_tokens"  # newer models of OpenAI know it by another name only
    temperature: bool = True

    def body(self, model: str, messages: list[Message], form: type[BaseModel], most_tokens: int) -> dict[str, Any]:
        """The request for one completion."""
        body: dict[str, Any] = {"model": model, "messages": messages, self.limit: most_tokens}
        if self.temperature:
            body["temperature"] = 0
        if self.structured:
            schema = {"name": form.__name__, "strict": True, "schema": outline_of(form)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def simpler(self, refusal: ServiceRefusal) -> "Dialect | None":
        """The dialect to try after a refusal; None when the refusal is not about the optional fields."""
        if refusal.status not in _UNKNOWN_FIELD:
            return None
        if self.structured and any(name in refusal.said for name in ("response_format", "json_schema")):
            return replace(self, structured=False)
        if self.limit == "max_tokens" and "max_completion_tokens" in refusal.said:
            return replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in refusal.said:
            return replace(self, temperature=False)
        return None

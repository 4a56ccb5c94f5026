"""A small enhanced-AI service that invents nothing: summaries are the recording's own sentences, entities are patterns.

It speaks the generic JSON form and OpenAI's chat completions, on any laptop, for the demo and for tests. It is no
language model: TextRank (Mihalcea and Tarau, 2004) chooses sentences, regular expressions find the rest.

python -m deploy.local.extractive_ai --port 8081
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Annotated, Any, Self

import typer

from deploy.local.ports import HOST

MODEL = "extractive-1"
SENTENCES = 3
DAMPING = 0.85
ROUNDS = 30
MAX_BODY_BYTES = 20_000_000
_LINE = re.compile(r"^\[(\d+)\] ([^:\n]*): (.*)$", re.MULTILINE)
_DATA = re.compile(r"<(transcript-[0-9a-f]+)>\n(.*)\n</\1>", re.DOTALL)
_WORD = re.compile(r"\w+")
_DIGITS = "zero|one|two|three|four|five|six|seven|eight|nine|אפס|אחת|שתיים|שלוש|ארבע|חמש|שש|שבע|שמונה|תשע"
# fmt: off
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("email", r"\b[\w.+-]+@[\w-]+\.[\w.]*\w"),
        ("date", r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b"),
        ("date", r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\btoday\b|\btomorrow\b|\byesterday\b|\bהיום\b|\bמחר\b|\bיום (?:ראשון|שני|שלישי|רביעי|חמישי|שישי)\b"),
        ("time", r"\b\d{1,2}:\d{2}\b"),
        ("money", r"[$€£₪]\s?\d[\d,.]*\d|\b\d[\d,.]*\s?(?:dollars|euros|shekels|שקל(?:ים)?)\b"),
        ("number", rf"\b(?:(?:{_DIGITS})\b\s?){{3,}}|\b\d[\d -]{{3,}}\d\b"),
        ("person", r"(?<=\bthis is )\w+|(?<=\bmorning )\w+|(?<=\bthank you )(?!very)\w+|(?<=\bמדבר )\w+|(?<=\bמדברת )\w+"),
    )
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of speech with its number."""

    number: int
    text: str
    start: float | None = None
    end: float | None = None


def summary_of(lines: Sequence[Line], sentences: int = SENTENCES) -> str:
    """The sentences that share most with all others, in the order in which they were said."""
    said = list(dict.fromkeys(part.strip(" .") for line in lines for part in line.text.split(". ") if part.strip(" .")))
    ranks = _ranks(said)
    chosen = sorted(range(len(said)), key=lambda n: -ranks[n])[:sentences]
    return " ".join(f"{said[n]}." for n in sorted(chosen))


def _ranks(said: Sequence[str]) -> list[float]:
    """PageRank over sentences; an edge weighs how many words two of them share."""
    bags = [set(_words(text)) for text in said]
    weights = [[_shared(a, b) if i != j else 0.0 for j, b in enumerate(bags)] for i, a in enumerate(bags)]
    sums = [sum(row) or 1.0 for row in weights]
    ranks = [1.0] * len(said)
    for _ in range(ROUNDS):
        ranks = [
            (1 - DAMPING) + DAMPING * sum(ranks[j] * weights[j][i] / sums[j] for j in range(len(said)) if weights[j][i])
            for i in range(len(said))
        ]
    return ranks


def _shared(a: set[str], b: set[str]) -> float:
    return len(a & b) / (math.log(len(a) + 1) + math.log(len(b) + 1)) if a and b else 0.0


def entities_of(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """What the patterns find, with the number of its line."""
    found = []
    for line in lines:
        for kind, pattern in PATTERNS:
            found += [{"quote": m[0].strip(), "kind": kind, "line": line.number} for m in pattern.finditer(line.text)]
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def enhanced(request: dict[str, Any]) -> dict[str, Any]:
    """The answer in the generic form."""
    segments = request["segments"]
    lines = [Line(n, s["text"], s["start"], s["end"]) for n, s in enumerate(segments)]
    entities = [
        {"text": e["quote"], "kind": e["kind"], "start": lines[e["line"]].start, "end": lines[e["line"]].end}
        for e in entities_of(lines)
    ]
    tasks = request["tasks"]
    summary = summary_of(lines) if "summary" in tasks else None
    return {
        "summary": summary,
        "entities": entities if "entities" in tasks else [],
        "model": request.get("model") or MODEL,
        "tokens": sum(len(_words(line.text)) for line in lines) + len(_words(summary or "")),
    }


def completed(request: dict[str, Any]) -> dict[str, Any]:
    """The answer as a chat completion; the wanted properties are read from the schema of the request."""
    question = request["messages"][-1]["content"]
    data = _DATA.search("\n".join(message["content"] for message in request["messages"]))
    lines = [Line(int(n), text) for n, _, text in _LINE.findall(data[2])] if data else []
    wanted = request.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    answer: dict[str, Any] = {}
    if "summary" in wanted or (not wanted and '"summary"' in question):
        answer["summary"] = summary_of(lines)
    if "entities" in wanted or (not wanted and '"entities"' in question):
        answer["entities"] = entities_of(lines)
    content = json.dumps(answer, ensure_ascii=False)
    tokens = {"prompt_tokens": len(_words(question)), "completion_tokens": len(_words(content))}
    return {
        "id": "chatcmpl-extractive",
        "object": "chat.completion",
        "model": request.get("model") or MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {**tokens, "total_tokens": sum(tokens.values())},
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that goes wrong on purpose: bytes as they are, or a change to what would be answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[dict[str, Any]], Any] | None = None


class ExtractiveService:
    """Answers while it is entered; `faults` are met by the first calls, one each, `key` is asked for if it is set."""

    def __init__(self, port: int = 0, *, faults: Iterable[Fault | None] = (), key: str | None = None) -> None:
        self.faults = list(faults)
        self.key = key
        self.paid: Counter[str] = Counter()
        """Calls that were worked on, by Idempotency-Key; one sent again is answered from memory and costs nothing."""
        self.questions: list[dict[str, Any]] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._lock = Lock()
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The address of the generic form."""
        return f"http://{HOST}:{self._server.server_port}/enhance"

    @property
    def base(self) -> str:
        """The address of the chat form."""
        return f"http://{HOST}:{self._server.server_port}/v1"

    def serve(self) -> None:
        """Answer until the process ends."""
        self._server.serve_forever()

    def __enter__(self) -> Self:
        """Answer in a thread of its own."""
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one call."""
        work = {"/enhance": enhanced, "/v1/chat/completions": completed}.get(path)
        if work is None:
            return _json(404, {"error": {"message": f"no {path} here"}})
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return _json(401, {"error": {"message": "wrong key"}})
        with self._lock:
            fault = self.faults.pop(0) if self.faults else None
            if fault is not None and (fault.body is not None or fault.status != 200):
                return fault.status, fault.headers, fault.body or b""
            found = self._worked(work, headers.get("idempotency-key", ""), json.loads(body))
        return _json(200, fault.change(json.loads(json.dumps(found))) if fault and fault.change else found)

    def _worked(
        self, work: Callable[[dict[str, Any]], dict[str, Any]], key: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        if not key or key not in self._answers:
            self.questions.append(request)
            self.paid[key] += 1
            self._answers[key] = work(request)
        return self._answers[key]

    def _handler(service) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*_json(200 if self.path == "/readyz" else 404, {"calls": sum(service.paid.values())}))

            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", 0)), MAX_BODY_BYTES)
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    answer = service.answer(self.path, headers, self.rfile.read(length))
                except (ValueError, KeyError, TypeError) as error:
                    answer = _json(400, {"error": {"message": f"not understood: {type(error).__name__}: {error}"}})
                self._send(*answer)

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler


def _json(status: int, body: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json"}, json.dumps(body, ensure_ascii=False).encode()


def main(
    port: Annotated[
        int, typer.Option(envvar="SCRIBE_METRICS_PORT", help="Port to listen on, on the loopback address.")
    ] = 8081,
) -> None:
    """Answer until Ctrl-C: POST /enhance (the generic form) and /v1/chat/completions (model extractive-1)."""
    service = ExtractiveService(port)
    print(f"generic form: {service.url}\nchat form:    {service.base}", flush=True)
    service.serve()


if __name__ == "__main__":
    typer.run(main)

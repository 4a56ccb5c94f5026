"""A small enhanced-AI service without a language model: summaries quote the recording, entities come from patterns.

It speaks the generic JSON form and OpenAI's chat completions, on any laptop, for the demo and for tests. It is no
language model: see deploy/local/extraction.py.

python -m deploy.local.extractive_ai --port 8081 --faults throttled,html
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Annotated, Any, Self

import typer

from deploy.local.extraction import Line, entities_of, summary_of, words
from deploy.local.ports import HOST

MODEL = "extractive-1"
MAX_BODY_BYTES = 20_000_000
_LINE = re.compile(r"^\[(\d+)\] ([^:\n]*): (.*)$", re.MULTILINE)
_DATA = re.compile(r"<(transcript-[0-9a-f]+)>\n(.*)\n</\1>", re.DOTALL)


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
        "tokens": sum(len(words(line.text)) for line in lines) + len(words(summary or "")),
    }


def completed(request: dict[str, Any]) -> dict[str, Any]:
    """The answer as a chat completion; the requested properties are read from the schema in the request."""
    question = "\n".join(message["content"] for message in request["messages"])
    data = _DATA.search(question)
    instruction = question.replace(data[2], "") if data else question
    lines = [Line(int(n), text) for n, _, text in _LINE.findall(data[2])] if data else []
    wanted = request.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    answer: dict[str, Any] = {}
    if "summary" in wanted or (not wanted and '"summary"' in instruction):
        answer["summary"] = summary_of(lines)
    if "entities" in wanted or (not wanted and '"entities"' in instruction):
        answer["entities"] = entities_of(lines)
    content = json.dumps(answer, ensure_ascii=False)
    tokens = {"prompt_tokens": len(words(question)), "completion_tokens": len(words(content))}
    return {
        "id": "chatcmpl-extractive",
        "object": "chat.completion",
        "model": request.get("model") or MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {**tokens, "total_tokens": sum(tokens.values())},
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty answer for tests: late, raw bytes, or a change to the regular answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[dict[str, Any]], Any] | None = None
    seconds: float = 0


FAULTS: dict[str, Fault] = {
    "html": Fault(headers={"content-type": "text/html"}, body=b"<!doctype html><title>Sign in</title>"),
    "cut-off": Fault(body=b'{"summary": "all is w'),
    "wrong-shape": Fault(change=lambda _: {"choices": [{"message": {"content": "[]"}}], "summary": 7}),
    "slow": Fault(seconds=30),
    "throttled": Fault(status=429, headers={"retry-after": "2"}, body=b"{}"),
    "away": Fault(status=503, body=b"{}"),
    "broken": Fault(status=500, body=b"{}"),
}
"""Faults by the names that the command knows."""


class ExtractiveService:
    """HTTP service that runs within a `with` block; first calls get one of `faults` each; `key` is checked if set."""

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
        """Start answering in a thread."""
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering."""
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
        if fault is not None:
            time.sleep(fault.seconds)
            if fault.body is not None or fault.status != 200:
                return fault.status, fault.headers, fault.body or b""
        with self._lock:
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
        class ExtractiveHandler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

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
                """Suppress the access log."""

        return ExtractiveHandler


def _json(status: int, body: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json"}, json.dumps(body, ensure_ascii=False).encode()


def main(
    port: Annotated[
        int,
        typer.Option(envvar="SCRIBE_METRICS_PORT", help="Port to listen on, on the loopback address; 0: any free one."),
    ] = 8081,
    key: Annotated[str | None, typer.Option(help="Bearer token that is asked for.")] = None,
    faults: Annotated[str, typer.Option(help=f"What goes wrong first, one call each, of: {', '.join(FAULTS)}.")] = "",
) -> None:
    """Answer until Ctrl-C: POST /enhance (the generic form) and /v1/chat/completions (model extractive-1)."""
    names = [name.strip() for name in faults.split(",") if name.strip()]
    if unknown := [name for name in names if name not in FAULTS]:
        raise typer.BadParameter(f"no such fault: {', '.join(unknown)}", param_hint="--faults")
    service = ExtractiveService(port, faults=[FAULTS[name] for name in names], key=key)
    print(f"generic form: {service.url}\nchat form:    {service.base}", flush=True)
    service.serve()


if __name__ == "__main__":
    typer.run(main)

"""Requests that nobody thought of, drawn by schemathesis from the OpenAPI document, sent to a shim with real data."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from producers.api.jobs.uploads.tus import PIECE
from producers.api.openai.errors import is_openai
from producers.api.requests.media_types import LINES
from producers.api.web.contract.registry_errors import MEDIA_TYPE as REGISTRY_MEDIA_TYPE
from producers.api.web.contract.registry_errors import is_registry
from schemas.ports import ObjectStore
from schemas.requests.limits import MAX_ID_CHARS
from schemas.settings.outbound import OutboundSettings
from schemas.tenants.scopes import Scope
from schemas.webhooks.deliveries import MAX_WAIT_SECONDS
from sink.tenants.api_keys import create_key
from sink.webhooks.secrets import SecretBox, new_key
from tests.integration.rest import URL, request_of
from tests.integration.shim import RunningShim, in_database, serving

TENANTS = ("acme", "globex")
SCOPES: tuple[frozenset[Scope], ...] = (
    frozenset({Scope.READ, Scope.WRITE}),
    frozenset({Scope.READ}),
    frozenset({Scope.WRITE}),
    frozenset({Scope.ADMIN}),
    frozenset({Scope.OPERATOR, Scope.READ, Scope.WRITE}),
)
PLAUSIBLE = {
    "url": URL,
    "webhook_url": "https://hooks.example/acme",
    "engine": "faster-whisper",
    "model": "any",
    "language": "he",
    "llm_model": "small",
}
STREAMS = ("followJobs", "followJob")
PATIENCE_SECONDS = 0.05  # that requests wait for what does not come here: no job ends and no webhook is sent
STREAM_SECONDS, STREAM_EVENTS = 20, 1  # a stream is left at its first event, which comes at once
PHASES = ("examples", "coverage", "fuzzing", "stateful")
Ids = Mapping[str, Collection[str]]
"""Ids of things that are there, by the name of the parameter that takes them."""


@schemathesis.serializer(LINES, PIECE)
def _lines(context: Any, value: Any) -> bytes:
    """A body of the media type that schemathesis has no serializer for: it is drawn as text."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@dataclass(slots=True)
class Explored:
    """Outcome of an exploration: how many requests there were, the statuses, and all that was not as documented."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)

    def add(self, title: str, detail: str) -> None:
        """Note a finding; the first of its kind is shown."""
        self.findings.setdefault(title, detail)

    def include(self, other: "Explored") -> None:
        """Add the outcome of another exploration."""
        self.cases += other.cases
        self.statuses += other.statuses
        self.operations += other.operations
        self.findings = {**other.findings, **self.findings}

    def __str__(self) -> str:
        shown = "\n\n".join(f"## {title}\n{detail}" for title, detail in self.findings.items())
        return f"{self.cases} requests, {len(self.findings)} findings, {dict(sorted(self.statuses.items()))}\n{shown}"


@contextmanager
def explored_shim(dsn: str, store: ObjectStore) -> Iterator[RunningShim]:
    """A shim that offers all that it can, and keeps nobody waiting."""
    box = SecretBox.from_settings(OutboundSettings.model_validate({"webhook_key": new_key()}))
    with serving(dsn, store, secrets=box, llm_models=("small",), wait_seconds=PATIENCE_SECONDS) as running:
        yield running


def filled(shim: RunningShim) -> dict[str, list[str]]:
    """Ids of jobs in every state, of uploads, endpoints and deliveries, of both tenants."""
    ids: dict[str, list[str]] = {name: [] for name in ("job_id", "endpoint_id", "delivery_id")}
    for tenant in TENANTS:
        with shim.client(shim.key_of(tenant)) as client:
            _fill(shim, client, tenant, ids)
    return ids


def _fill(shim: RunningShim, client: httpx.Client, tenant: str, ids: dict[str, list[str]]) -> None:
    hook = f"https://hooks.example/{tenant}"
    waiting, completed, failed, cancelled = (request_of(client, webhook_url=hook) for _ in range(4))
    if tenant == TENANTS[0]:
        shim.complete(completed)
        shim.fail(failed)
        shim.cancel(cancelled)
    ids["job_id"] += [str(request.job_id) for request in (waiting, completed, failed, cancelled)]
    uploaded = client.post("/api/v1/transcribe/upload", files={"file": ("call.wav", b"RIFF" + bytes(400))})
    ids["job_id"] += [uploaded.json()["job_id"]] if uploaded.status_code == 202 else []
    test = client.post("/api/v1/webhook/test", json={"url": hook, "wait_seconds": 0}).json()
    ids["endpoint_id"].append(test["endpoint_id"])
    ids["delivery_id"].append(test["delivery_id"])


def explore(
    shim: RunningShim,
    tenant: str,
    scopes: frozenset[Scope],
    ids: Ids,
    *,
    examples: int,
    phases: Collection[str] = PHASES,
    seed: int = 1,
) -> Explored:
    """Send drawn requests with a key of a tenant; `examples` are those drawn for each operation."""
    keys = _Keys(shim, tenant, scopes)
    found = Explored()
    schema = schemathesis.openapi.from_url(
        f"{shim.url}/openapi.json", config=_config(examples, phases, seed), timeout=90
    )

    @schema.auth(refresh_interval=None)
    class Key:
        def get(self, case: Any, context: Any) -> str:
            return keys.text

        def set(self, case: Any, data: str, context: Any) -> None:
            if case.operation.path.startswith(("/api/", "/v1/")):
                case.headers["X-API-Key"] = data
            _wait_less(case.body)

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        return {name: _known(name, value, ids) for name, value in (path_parameters or {}).items()}

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        return _plausible(body, ids) if isinstance(body, dict) else body

    for event in from_schema(schema).execute():
        _note(found, event)
        keys.renew()
    return found


def _note(found: Explored, event: Any) -> None:
    match event:
        case events.ScenarioFinished():
            for case_id, interaction in event.recorder.interactions.items():
                _note_answer(found, event.recorder.cases[case_id].value, interaction.response)
            for checks in event.recorder.checks.values():
                for check in checks:
                    if (info := check.failure_info) is not None:
                        found.add(
                            f"{info.failure.operation}: {info.failure.title}", f"{info.failure}\n{info.code_sample}"
                        )
        case events.NonFatalError():
            found.add(f"{event.label}: {type(event.value).__name__}", str(event.value)[:2000])
        case events.FatalError():
            raise event.exception


def _note_answer(found: Explored, case: Any, answer: Any) -> None:
    found.cases += 1
    if answer is None:
        found.add(f"{case.operation.label}: no answer", case.as_curl_command())
        return
    found.statuses[answer.status_code] += 1
    found.operations[case.operation.label] += 1
    is_head = case.method.upper() == "HEAD"
    if answer.status_code >= 400 and not is_head and (wrong := _wrong_error(answer, case.operation.path)):
        found.add(f"{case.operation.label}: no problem document", f"{answer.status_code}: {wrong}")


def _wrong_error(response: Any, path: str) -> str | None:
    """The reason why an answer is no error as all are, None if it is one."""
    kind = (response.headers.get("content-type") or [""])[0]
    try:
        body = response.json()
    except ValueError:
        return f"{kind} without JSON"
    if is_registry(path):
        fine = kind == REGISTRY_MEDIA_TYPE and body.keys() == {"error_code", "message"}
    elif is_openai(path):
        fine = kind == "application/json" and body.get("error", {}).keys() == {"message", "type", "param", "code"}
    else:
        fine = kind == "application/problem+json" and body.get("status") == response.status_code and body.get("code")
    return None if fine else f"{kind} {str(body)[:300]}"


@dataclass(slots=True)
class _Keys:
    """The key of an exploration, another one when it was revoked on the way."""

    shim: RunningShim
    tenant: str
    scopes: frozenset[Scope]
    text: str = ""

    def __post_init__(self) -> None:
        self._make()

    def renew(self) -> None:
        """Make a new key if this one was revoked on the way."""
        probe = httpx.get(f"{self.shim.url}/api/v1/keys", headers={"X-API-Key": self.text}, trust_env=False, timeout=90)
        if probe.status_code == 401:
            self._make()

    def _make(self) -> None:
        self.text = in_database(self.shim.dsn, lambda db: create_key(db, self.tenant, "", self.scopes))


def _known(name: str, value: Any, ids: Ids) -> Any:
    """An id that is there in place of most drawn ones."""
    known = list(ids.get(name, ()))
    try:
        number = UUID(str(value)).int
    except ValueError:
        return value
    return known[number % len(known)] if known and number % 4 else value


def _plausible(body: dict[str, Any], ids: Ids) -> dict[str, Any]:
    """A body with values that this shim knows in place of most drawn texts, so that it gets past the first check."""
    known = {**PLAUSIBLE, "transcription_job_id": next(iter(ids["job_id"]))}
    return {
        name: known[name] if name in known and _is_plain(value) and len(value) % 4 else value
        for name, value in body.items()
    }


def _wait_less(body: Any) -> None:
    """Let nobody wait for a webhook that is not sent here; a time that is not valid stays as it is."""
    if isinstance(body, dict) and type(wait := body.get("wait_seconds", 1.0)) in (int, float):
        body["wait_seconds"] = PATIENCE_SECONDS if PATIENCE_SECONDS < wait <= MAX_WAIT_SECONDS else wait


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS


def _config(examples: int, phases: Collection[str], seed: int) -> SchemathesisConfig:
    accepted = ["2xx", "3xx", "401", "403", "404", "409", "410", "415", "416", "422", "429"]
    # those that the library counts as refused, and 413 for one that is larger than its operation reads
    refused = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"X-Request-ID": uuid4().hex},
            "continue-on-failure": True,
            "request-timeout": 2 * MAX_WAIT_SECONDS,  # edge cases wait as long as one may
            "cache": {"enabled": False},
            "max-redirects": 0,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {name: {"enabled": name in phases} for name in PHASES},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": accepted},
                "negative_data_rejection": {"expected-statuses": refused},
            },
            "operations": [
                # before OpenAPI 3.2 the schema of a stream is that of its whole text: its events are looked at here
                {
                    "include-operation-id": list(STREAMS),
                    "request-timeout": STREAM_SECONDS,
                    "max-stream-events": STREAM_EVENTS,
                    "checks": {"response_schema_conformance": {"enabled": False}},
                },
                # its body is text, whose lines have outcomes of their own: none is wrong as a whole
                {"include-operation-id": "transcribeBulk", "checks": {"negative_data_rejection": {"enabled": False}}},
            ],
        }
    )


def explore_all(shim: RunningShim, *, cases: int, examples: int, seed: int = 1) -> Explored:
    """Explore with keys of every scope and of both tenants, again with other seeds until there were so many requests."""
    ids, whole = filled(shim), Explored()
    while whole.cases < cases:
        for tenant, scopes in (*((TENANTS[0], scopes) for scopes in SCOPES), (TENANTS[1], SCOPES[0])):
            whole.include(explore(shim, tenant, scopes, ids, examples=examples, seed=seed))
        seed += 1
    return whole

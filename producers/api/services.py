"""The services that the handlers use, opened once per process and injected by FastAPI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from producers.api.access.rate_limits import count_request
from producers.api.events.hub import EventHub
from producers.api.http.concurrency_limiter import TenantConcurrencyLimiter
from producers.api.http.middleware import traceparent_of
from producers.api.openai.ends import EndWatcher
from producers.api.requests.query import check_parameters
from producers.api.web.session_cookie import session_of
from producers.jobs.kept_policies import KeptPolicies
from producers.jobs.submit import JOB_TOPICS, Trace
from producers.jobs.totals import TotalsCounter
from producers.waiting.forecast_cache import ForecastCache
from schemas.errors import Rejected
from schemas.events import Priority
from schemas.models.registry import ModelRegistry
from schemas.ports import ObjectStore
from schemas.settings.kafka import KafkaSettings
from schemas.tenants.permissions import UnknownTenant
from schemas.tenants.scopes import check_scope, scope_for
from schemas.wire.catalog import ManifestCatalog, SchemaCatalog
from schemas.wire.headers import TRACESTATE
from schemas.wire.serde import Serde
from sink.http.url import CheckedUrl
from sink.jobs.intake.acceptance import SharedCommits
from sink.postgres.database import Database
from sink.postgres.replica import ReplicaRouter
from sink.postgres.statement_timeout import SECONDS
from sink.tenants.api_keys import ApiKey, KeyCache
from sink.tenants.rate_limits import RateLimiter
from sink.tenants.sessions import SessionCache
from sink.webhooks.secrets import SecretBox

MAX_TRACESTATE = 512
UPLOADS = 16  # at a time, of one tenant half as many; others wait for one to end
UPLOAD_WAIT_SECONDS = 30.0
STREAMS = 4096  # of events, of one tenant half as many: each keeps a connection, so `scribe-api` has fewer
WAITS = 512  # requests that wait for the end of their jobs, of one tenant half as many: each keeps a connection
CATALOG_CALLS = 4  # questions about schemas at a time
LISTENERS = 16  # pieces of recordings that are read at a time, of one tenant half as many


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The external systems and rules behind the REST shim; `upload_max_bytes` limits one upload."""

    database: Database
    reading: ReplicaRouter
    store: ObjectStore
    serde: Serde
    registry: ModelRegistry
    check_address: Callable[[str], CheckedUrl]
    upload_max_bytes: int
    upload_life: timedelta = timedelta(hours=24)
    """Until an upload in pieces, or a presigned one, must be a job."""
    upload_max_unfinished: int = 100  # of a tenant
    public_store: ObjectStore | None = None
    """The same store under the address that clients reach, None where there is none."""
    secrets: SecretBox | None = None  # without a key there are no webhooks
    webhook_max_endpoints: int = 1000  # of a tenant
    llm_models: tuple[str, ...] | None = None
    """Models of the enhanced-AI service that may be named, None when there is no such service."""
    unknown_tenant: UnknownTenant = "allow"
    most_wait_seconds: float | None = None
    """Estimated time until a new job begins beyond which it is refused, None for no limit."""
    wait_seconds: float = 570.0
    """How long a request waits for the end of its job."""
    dead_letters: KafkaSettings | None = None
    """The broker whose dead letters operators may read, None where the shim reads none."""
    public_url: str = "http://127.0.0.1:8000"
    requests_per_minute: int = 0
    """Of a key without a limit of its own; 0: no limit."""
    catalog: SchemaCatalog = field(default_factory=ManifestCatalog)
    # its questions may wait for a registry, and come without a key: nothing else waits for them
    catalog_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(CATALOG_CALLS))
    keys: KeyCache = field(default_factory=KeyCache)
    sessions: SessionCache = field(default_factory=SessionCache)
    rates: RateLimiter = field(default_factory=RateLimiter)
    commits: SharedCommits = field(default_factory=SharedCommits)
    policies: KeptPolicies = field(default_factory=KeptPolicies)
    totals: TotalsCounter = field(default_factory=TotalsCounter)
    forecasts: ForecastCache = field(default_factory=ForecastCache)
    topics: Mapping[Priority, str] = field(default_factory=lambda: JOB_TOPICS)
    now: Callable[[], datetime] = utc_now
    # each upload holds a thread and one part of the object store's multipart upload
    upload_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADS))
    uploads: TenantConcurrencyLimiter = field(
        default_factory=lambda: TenantConcurrencyLimiter(UPLOADS, UPLOADS // 2, UPLOAD_WAIT_SECONDS)
    )
    bulks: TenantConcurrencyLimiter = field(
        default_factory=lambda: TenantConcurrencyLimiter(UPLOADS, UPLOADS // 2, UPLOAD_WAIT_SECONDS)
    )
    listeners: TenantConcurrencyLimiter = field(
        default_factory=lambda: TenantConcurrencyLimiter(LISTENERS, LISTENERS // 2, UPLOAD_WAIT_SECONDS)
    )
    dead_letter_reads: TenantConcurrencyLimiter = field(default_factory=lambda: TenantConcurrencyLimiter(2, 2))
    searches: TenantConcurrencyLimiter = field(default_factory=TenantConcurrencyLimiter)
    events: EventHub = field(default_factory=EventHub)
    catch_ups: TenantConcurrencyLimiter = field(default_factory=lambda: TenantConcurrencyLimiter(seconds=30.0))
    streams: TenantConcurrencyLimiter = field(default_factory=lambda: TenantConcurrencyLimiter(STREAMS, STREAMS // 2))
    ends: EndWatcher = field(default_factory=EndWatcher)
    waits: TenantConcurrencyLimiter = field(default_factory=lambda: TenantConcurrencyLimiter(WAITS, WAITS // 2))
    query_seconds: float = SECONDS  # a statement that a client shapes may take so long

    async def count_request(self, request: Request, key: ApiKey) -> None:
        """Count a request of a key; raises RateLimited."""
        await count_request(request.scope, self.rates, self.database, key, self.requests_per_minute)

    def stop_waiting(self) -> None:
        """End all answers that wait for something to happen, since the process ends."""
        self.ends.stop()
        self.events.stop()


# FastAPI runs what is not async in a thread, which takes longer than all that these do
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]
KEY_HEADER = "X-API-Key"
KEYS = "keys"
OPERATORS = "operators"
"""Tags of operations that check the scopes that they need themselves."""
_OWN_SCOPES = frozenset({KEYS, OPERATORS})
KEY_IN_SCOPE = "api_key"


async def authenticate(request: Request) -> ApiKey:
    """The API key of a request, or that of its session, whose requests are counted.

    Raises Rejected. A route that reads a body calls it first, and the result is kept for the request.
    """
    if (known := request.scope.get(KEY_IN_SCOPE)) is not None:
        return cast(ApiKey, known)
    services: Services = request.app.state.services
    key = await _verified(services, request)
    await services.count_request(request, key)
    request.scope[KEY_IN_SCOPE] = key
    return key


async def authenticate_again(request: Request) -> ApiKey:
    """The same for a request that is still being answered, whose key may work no more by now; it is not counted twice."""
    return await _verified(request.app.state.services, request)


async def _verified(services: Services, request: Request) -> ApiKey:
    """The key of a request; checks its query parameters too, since each further dependency would cost time."""
    text = credentials_in(request, KEY_HEADER)
    key = await (_logged_in(services, request) if text is None else services.keys.verify(services.database, text))
    if key is None:
        raise Rejected("unauthorized")
    if _OWN_SCOPES.isdisjoint(request.scope["route"].tags):
        check_scope(key.scopes, scope_for(request.method))
    check_parameters(request)
    return key


def credentials_in(request: Request, header: str) -> str | None:
    """The text of a header with credentials, None where there is none; raises Rejected for more than one."""
    lines = request.headers.getlist(header)
    if len(lines) > 1:
        raise Rejected("unauthorized", f"{header} is given more than once")
    return lines[0] if lines else None


async def _logged_in(services: Services, request: Request) -> ApiKey | None:
    """The key of the page's session; raises Rejected(cross_site)."""
    session = await session_of(request, services.database, services.sessions, services.public_url)
    return session.key if session else None


class _KeyHeader(APIKeyHeader):
    """The header of the key in the OpenAPI document, and its check: in one, since each dependency takes its time."""

    async def __call__(self, request: Request) -> ApiKey:  # type: ignore[override]
        return await authenticate(request)


_header = _KeyHeader(name=KEY_HEADER, scheme_name="APIKeyHeader", description="A key made with `scribe keys create`.")
Authenticated = Security(_header)
KeyDep = Annotated[ApiKey, Authenticated]


async def _trace(request: Request) -> Trace:
    parent = traceparent_of(request.scope)
    if parent is None:
        return Trace()
    state = ",".join(request.headers.getlist(TRACESTATE))  # which is a list, in one header or more
    return Trace(parent, state if state and state.isprintable() and len(state) <= MAX_TRACESTATE else None)


TraceDep = Annotated[Trace, Depends(_trace)]

"""The REST shim as one FastAPI application."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from producers.api.access import dead_letters, keys, stuck_jobs, usage
from producers.api.events import streams
from producers.api.http import health
from producers.api.http.middleware import RequestContext
from producers.api.jobs import bulk, erasures, listing, models, operations, search, waiting
from producers.api.jobs.results import audio, enhanced_ai, revisions, transcripts
from producers.api.jobs.uploads import form, pieces, presigned
from producers.api.openai import models as openai_models
from producers.api.openai import transcriptions
from producers.api.problems import install
from producers.api.requests.idempotency import CheckedIdempotencyKey
from producers.api.requests.media_types import CheckedBody
from producers.api.requests.query import known_parameters
from producers.api.services import Services
from producers.api.web import cross_origin, documentation, login, page
from producers.api.web.contract import registry
from producers.api.web.contract.document import completed
from producers.api.webhooks import deliveries, endpoints

DESCRIPTION = """Recordings in, transcripts with speakers out.

Submit a recording, then poll its job or name a `webhook_url`. Every error is a problem document (RFC 9457) whose
`code` is stable. Send `X-Request-ID` and `traceparent` to find your request in logs and traces.
"""
STRICT = (CheckedBody, CheckedIdempotencyKey)


def create_app(services: Services, origins: Sequence[str] = ()) -> FastAPI:
    """The application over services that are open and stay open while it runs; pages of `origins` may call it."""
    app = FastAPI(
        title="Scribe Rabbit",
        version=version("scribe-rabbit"),
        description=DESCRIPTION,
        # a redirect would name the host that the client named, and send key and body there
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.upload_max_bytes = getattr(services, "upload_max_bytes", 0)  # the document is made without services
    install(app)
    app.add_middleware(RequestContext, streaming=transcriptions.PATHS | {form.PATH, bulk.PATH})
    cross_origin.allow(app, origins)  # outside of all else, so that their scripts may read errors too
    app.include_router(health.router)  # the first, for routes are looked at in their order and probes come often
    modules = (
        *(operations, transcripts, revisions, bulk, waiting, listing, streams),
        *(form, pieces, presigned),
        *(erasures, search, enhanced_ai, models, audio),
        *(endpoints, deliveries, keys, usage, dead_letters, stuck_jobs),
    )
    app.state.parameters = known_parameters(module.router for module in modules)
    for module in modules:
        app.include_router(module.router, dependencies=STRICT)
    app.include_router(registry.router)
    for router in (transcriptions.router, openai_models.router):  # not so strict: clients send what others understand
        app.include_router(router)
    for pages in (documentation, page, login):
        app.include_router(pages.router)
    app.openapi = _documented(app)  # type: ignore[method-assign]
    return app


def _documented(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document, built on first use."""
    generate = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        return completed(generate())

    return openapi

"""Answers to scripts of other sites' pages (CORS), for the origins that the operator has named.

They come with a key in a header. The cookie of our own page works for them in no case: browsers do not send it, and the
answers do not let scripts read what came with it.
"""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from producers.api.jobs.uploads import tus
from producers.api.openai.accepting import JOB_ID_HEADER
from producers.api.problems import METHODS

_READ = (
    *("Content-Disposition", "Content-Range", "ETag", "Link", "Location", "RateLimit", "RateLimit-Policy"),
    *("Retry-After", "WWW-Authenticate", "X-Request-ID", JOB_ID_HEADER),
    *(tus.OFFSET, tus.LENGTH, tus.METADATA, tus.EXPIRES, *tus.ANSWERED),
)
_REMEMBERED_SECONDS = 600  # by browsers, which else ask before each request


def allow(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of `origins` call the operations of an application; `*` stands for all."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],  # clients add their own, such as OpenAI's x-stainless-os
            expose_headers=_READ,
            max_age=_REMEMBERED_SECONDS,
        )

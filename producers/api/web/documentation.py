"""The pages /docs and /redoc with all their assets, so that they need no internet and no foreign host."""

from importlib.resources import files
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from producers.api.web.assets import whole_file
from schemas.errors import Rejected
from schemas.wire.asyncapi import document

router = APIRouter(include_in_schema=False)
_OURS = Path(str(files("producers.api") / "pages"))
_THEIRS = Path(fastapi_offline.__file__).parent / "static"
_FOLDER_OF = {
    "docs.js": _OURS,
    "redoc.css": _OURS,
    "favicon.png": _THEIRS,
    "redoc.standalone.js": _THEIRS,
    "swagger-ui-bundle.js": _THEIRS,
    "swagger-ui.css": _THEIRS,
}
_STATIC = {folder: StaticFiles(directory=folder) for folder in (_OURS, _THEIRS)}
_CLOSED = (
    "default-src 'none'",
    "script-src 'self'",
    "img-src 'self' data:",  # icons are data in their styles
    "connect-src 'self'",  # openapi.json, and the calls that are tried out
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_POLICIES = {
    "docs.html": (*_CLOSED, "style-src 'self'"),
    # it makes its styles while it runs, and searches in a worker that it makes; its logo would come from a foreign host
    "redoc.html": (*_CLOSED, "style-src 'self' 'unsafe-inline'", "worker-src blob:"),
}


@router.get("/docs")
async def swagger_ui() -> HTMLResponse:
    """The interface to try out."""
    return _page("docs.html")


@router.get("/redoc")
async def redoc() -> HTMLResponse:
    """The interface to read."""
    return _page("redoc.html")


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> JSONResponse:
    """The topics for tools that read AsyncAPI."""
    return JSONResponse(document(request.app.version))


@router.get("/docs/assets/{name}")
async def asset(name: str, request: Request) -> Response:
    """A script or style of these pages; a copy that is a day old is asked about before it is used."""
    if (folder := _FOLDER_OF.get(name)) is None:
        raise Rejected("not_found", "the pages have no such file")
    return await whole_file(_STATIC[folder], name, request, "public, max-age=86400")


def _page(name: str) -> HTMLResponse:
    headers = {
        "Content-Security-Policy": "; ".join(_POLICIES[name]),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse((_OURS / name).read_text(), headers=headers)

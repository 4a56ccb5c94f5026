"""The page at /: one document, its scripts and styles, and a policy that lets it load nothing else."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from producers.api.web.assets import whole_file
from schemas.errors import Rejected

router = APIRouter(include_in_schema=False)
FOLDER = Path(str(files("producers.api") / "pages" / "app"))
_FILES = StaticFiles(directory=FOLDER)
_SERVED = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in (".js", ".css", ".svg")}
POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "media-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
)
_HEADERS = {
    "Content-Security-Policy": "; ".join(POLICY),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@router.get("/")
async def page() -> HTMLResponse:
    """The page, the same for everybody: what it shows comes over REST."""
    return HTMLResponse((FOLDER / "index.html").read_text(), headers=_HEADERS)


@router.get("/app/{name:path}")
async def asset(name: str, request: Request) -> Response:
    """A script or style; browsers ask each time whether theirs is the newest, so that an upgrade mixes none."""
    if name not in _SERVED:
        raise Rejected("not_found", "the page has no such file")
    return await whole_file(_FILES, name, request, "no-cache")

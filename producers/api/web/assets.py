"""Files of pages, whole or not at all."""

from fastapi import Request, Response
from starlette.staticfiles import StaticFiles

_OF_PARTS = (b"range", b"if-range")


async def whole_file(folder: StaticFiles, name: str, request: Request, cached: str) -> Response:
    """A file with its Cache-Control; 304 where the browser has it."""
    # a part of a script is of no use, and what is wrong with a wish for one would be told in plain text
    request.scope["headers"] = [header for header in request.scope["headers"] if header[0] not in _OF_PARTS]
    response = await folder.get_response(name, request.scope)
    response.headers["Accept-Ranges"] = "none"
    response.headers["Cache-Control"] = cached
    return response

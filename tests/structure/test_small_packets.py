"""No HTTP server of the standard library here waits with a small packet until the one before is acknowledged."""

import ast

from tests.structure.test_layout import ROOT, SOURCES

HANDLERS = {"BaseHTTPRequestHandler", "SimpleHTTPRequestHandler"}


def waiting(tree: ast.AST) -> list[str]:
    """The handlers whose sockets wait, by which every second packet of a kept connection takes 40 ms longer."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    handlers = [each for each in classes if HANDLERS & {ast.unparse(base).rpartition(".")[2] for base in each.bases}]
    return [each.name for each in handlers if "disable_nagle_algorithm = True" not in ast.unparse(each)]


def test_no_handler_waits() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in SOURCES}
    found = {path: waiting(ast.parse(text)) for path, text in texts.items() if "HTTPRequestHandler" in text}
    assert {path: names for path, names in found.items() if names} == {}


def test_one_that_waits_is_found() -> None:
    assert waiting(ast.parse("class Handler(http.server.BaseHTTPRequestHandler):\n    timeout = 1")) == ["Handler"]

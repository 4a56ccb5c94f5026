"""Who ends tasks and who may swallow a cancellation: one module, so that no end rests on one `cancel()`."""

import ast
from functools import cache

import pytest

from tests.structure.test_layout import OURS, PACKAGES, ROOT, calls

CANCELLATION = "sink/process/cancellation.py"
POOL = "sink/postgres/database.py"
# each way, and who may go it beside the module of cancellations
WAYS: dict[str, dict[str, str]] = {
    ".cancel": {
        "streams/runtime/group_commit.py": "futures, for which their callers wait",
        "streams/runtime/isolation.py": "a timer of the loop, which only opens what is closed",
        "producers/messages/patience.py": "a timer in a thread, which only writes a line",
    },
    "wait_for": {},
    "shield": {},
    "TaskGroup": {},
    "create_task_group": {},
    "CancelScope": {"sink/http/exchange.py": "the end of a socket whose handshake was cancelled"},
    "AsyncConnectionPool": {
        POOL: "the one place that takes connections, and hears what the pool swallows",
        "sink/http/exchange.py": "the one of httpcore",
    },
}
PRODUCT = [path for path in OURS if path.relative_to(ROOT).parts[0] in PACKAGES]


@cache
def made() -> dict[str, list[tuple[str, ast.Call]]]:
    """The calls of each module."""
    return {str(path.relative_to(ROOT)): calls(ast.parse(path.read_text())) for path in PRODUCT}


def goes(made: list[tuple[str, ast.Call]], way: str) -> bool:
    """Whether it is among a module's calls, however it was imported; `cancel` of a task or future takes no argument."""
    if way == ".cancel":
        return any(name.endswith(way) and not call.args for name, call in made)
    return any(name.rpartition(".")[2] == way for name, _ in made)


@pytest.mark.parametrize("way", WAYS)
def test_only_who_is_named_here_goes_it(way: str) -> None:
    found = {path for path, calls_of_it in made().items() if goes(calls_of_it, way)}
    assert found - {CANCELLATION} == set(WAYS[way])


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("task.cancel()", ".cancel"),
        ("for t in tasks:\n    t.cancel()", ".cancel"),
        ("await asyncio.wait_for(work(), 1)", "wait_for"),
        ("await wait_for(work(), 1)", "wait_for"),
        ("await asyncio.shield(task)", "shield"),
        ("async with TaskGroup() as group: pass", "TaskGroup"),
        ("with anyio.CancelScope(shield=True): pass", "CancelScope"),
        ("pool = AsyncConnectionPool(dsn)", "AsyncConnectionPool"),
    ],
)
def test_a_way_is_seen(text: str, way: str) -> None:
    assert goes(calls(ast.parse(f"async def work():\n    {text}".replace("\n    t", "\n        t"))), way)

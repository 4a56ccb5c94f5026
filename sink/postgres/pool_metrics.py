"""Metrics of a connection pool, asked at a scrape: connections in use, idle, and the tasks that wait for one."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from psycopg_pool import AsyncConnectionPool

from schemas.metrics import DATABASE_CONNECTIONS, DATABASE_WAITING

Pool = AsyncConnectionPool[Any]


def watch(pool: Pool, role: str) -> None:
    """Show a pool until another one of the same role is shown; `role` is primary or replica."""
    found = ref(pool)

    def of_pool(count: Callable[[dict[str, int]], int]) -> Callable[[], float]:
        return lambda: 0 if (alive := found()) is None else count(alive.get_stats())

    counts: dict[str, Callable[[dict[str, int]], int]] = {
        "used": lambda stats: stats["pool_size"] - stats["pool_available"],
        "idle": lambda stats: stats["pool_available"],
        "most": lambda stats: stats["pool_max"],
    }
    for state, count in counts.items():
        DATABASE_CONNECTIONS.labels(role, state).set_function(of_pool(count))
    DATABASE_WAITING.labels(role).set_function(of_pool(lambda stats: stats["requests_waiting"]))

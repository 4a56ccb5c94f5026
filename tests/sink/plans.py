"""What a statement reads when it runs, as PostgreSQL itself counts it."""

from collections.abc import Iterator, Mapping
from typing import Any

from sink.postgres.database import Connection


async def rows_read(connection: Connection, statement: str, values: Mapping[str, Any]) -> dict[str, int]:
    """How many rows of each table are touched, those too that a filter leaves out; the statement takes effect."""
    cursor = await connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), values)
    row = await cursor.fetchone()
    assert row is not None
    read: dict[str, int] = {}
    for node in _scans(row["QUERY PLAN"][0]["Plan"]):
        touched = (
            node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        )
        table = node["Relation Name"]
        read[table] = read.get(table, 0) + round(touched * node["Actual Loops"])
    return read


def _scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in node and "Scan" in node["Node Type"]:
        yield node
    for child in node.get("Plans", ()):
        yield from _scans(child)

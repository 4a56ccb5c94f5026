"""Look-up of ids by their beginning in the database, for operators."""

from collections.abc import Iterable
from uuid import UUID

from producers.cli.clients.ids import short_words
from producers.inputs.id_prefix import IdPrefix, only_one
from sink.postgres.database import Connection
from sink.postgres.id_lookup import Kind, ids_between


async def id_of(connection: Connection, prefix: IdPrefix, *kinds: Kind, tenant: str | None = None) -> UUID:
    """The id of one of these kinds that a prefix names; raises Rejected when none or several match."""
    if prefix.whole is not None:
        return prefix.whole
    found: dict[UUID, str] = {}
    for kind in kinds:
        found |= await ids_between(connection, kind, prefix.first, prefix.last, tenant)
    return only_one(prefix, {each: short_words(found[each]) for each in sorted(found)}, kinds[0])


async def ids_of(
    connection: Connection, prefixes: Iterable[IdPrefix], *kinds: Kind, tenant: str | None = None
) -> tuple[UUID, ...]:
    """The ids that several prefixes name, without duplicates; raises as `id_of`."""
    found = [await id_of(connection, prefix, *kinds, tenant=tenant) for prefix in prefixes]
    return tuple(dict.fromkeys(found))

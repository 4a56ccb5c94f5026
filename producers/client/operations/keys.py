"""API keys: making, listing and revoking them; and what was done for a tenant."""

from collections.abc import Iterable
from datetime import date, datetime

from ..models.keys import Key, NewKey
from ..models.usage import UsageReport
from ..protocol.calls import Call, Operation, plain
from .session import Session, nothing, one


class KeyOperations(Session):
    """Operations of keys, for keys with the scope `admin`; those of other tenants need `operator`."""

    async def create_key(
        self,
        *,
        label: str | None = None,
        scopes: Iterable[str] | None = None,
        tenant: str | None = None,
        expires_at: datetime | str | None = None,
        requests_per_minute: int | None = None,
    ) -> NewKey:
        """Make a key; its text is in this answer and nowhere else."""
        wanted = {
            "label": label,
            "scopes": scopes and list(scopes),
            "tenant": tenant,
            "expires_at": expires_at,
            "requests_per_minute": requests_per_minute,
        }
        operation = Operation.CREATE_KEY
        return await self._sent(Call(operation=operation, path=operation.path(), read=one(NewKey), body=plain(wanted)))

    async def keys(self, *, tenant: str | None = None) -> list[Key]:
        """The keys of a tenant, oldest first, with those that work no more."""
        query = {"tenant": tenant}
        return await self._got(Operation.LIST_KEYS, lambda body: [Key(item) for item in body["keys"]], query)

    async def usage(self, *, since: date | str | None = None, until: date | str | None = None) -> UsageReport:
        """The usage of the tenant by day (UTC), both days included; the last 30 if none is named."""
        query = {"since": since and str(since), "until": until and str(until)}
        return await self._got(Operation.GET_USAGE, UsageReport, query)

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key by its id; it works for a few more seconds at most."""
        operation = Operation.REVOKE_KEY
        await self._sent(Call(operation=operation, path=operation.path(key_id=key_id), read=nothing))

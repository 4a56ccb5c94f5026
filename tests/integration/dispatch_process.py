"""The dispatcher as a process that looks for work often: `python -m tests.integration.dispatch_process`."""

import asyncio

from schemas.process import logs
from schemas.settings.loading import load
from schemas.settings.outbound import OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import PostgresSettings
from sink.http.client import AsyncOutboundClient
from sink.postgres.database import Database
from sink.process.termination import Termination
from sink.webhooks.secrets import SecretBox
from streams.__main__ import Dispatchers, run_dispatchers
from streams.webhooks.dispatcher import Dispatcher, DispatcherLimits

LEASE_SECONDS = 300  # none runs out because the machine is busy; a test says itself when one is over


def main() -> None:
    service, postgres, outbound = load(ServiceSettings), load(PostgresSettings), load(OutboundSettings)
    logs.configure(service, "dispatch")
    limits = DispatcherLimits(lease_seconds=LEASE_SECONDS, poll_seconds=0.1, time_scale=outbound.time_scale)
    client = AsyncOutboundClient(outbound, service.environment)
    secrets = SecretBox.from_settings(outbound)
    termination = Termination(60).install()

    def make(database: Database) -> Dispatchers:
        return (Dispatcher(database, client, secrets, limits),)

    asyncio.run(run_dispatchers(service, postgres, make, termination))


if __name__ == "__main__":
    main()

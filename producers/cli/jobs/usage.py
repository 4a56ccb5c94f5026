"""`scribe usage`: what was done for the tenant, by day."""

from datetime import datetime
from typing import Any

from producers.cli.clients.rest import rest_client
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_rows
from schemas.settings.api import ClientSettings
from schemas.settings.loading import load

_NUMBERS = ("completed", "failed", "cancelled", "audio_seconds", "gpu_seconds", "bytes", "tokens")
_TITLES = ("COMPLETED", "FAILED", "CANCELLED", "AUDIO, S", "WORKERS, S", "BYTES", "TOKENS")


def usage(since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Implements `scribe usage`."""
    first, last = (at and at.date() for at in (since, until))
    with rest_client(load(ClientSettings)) as client:
        found = client.usage(since=first, until=last).raw
    if as_json:
        print_json({**found})
        return
    shown = make_table("DAY (UTC)", *_TITLES, whole=("DAY (UTC)",))
    for day in found["days"]:
        add_row(shown, [day["day"], *_numbers(day)])
    if len(found["days"]) > 1:
        add_row(shown, ["in all", *_numbers(found["total"])])
    show_rows(shown, f"nothing was done from {found['since']} to {found['until']}")


def _numbers(values: dict[str, Any]) -> list[str]:
    return [f"{round(values[name]):,}" for name in _NUMBERS]

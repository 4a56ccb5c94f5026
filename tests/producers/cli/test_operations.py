"""The operations of REST and the command line: each for users has a command, or stands here with its reason."""

import re
from pathlib import Path

import pytest

from producers import cli
from producers.client import Client
from producers.client.sync_client import Blocking, Listing

SOURCES = "\n".join(path.read_text("utf-8") for path in Path(cli.__file__).parent.rglob("*.py"))
OPERATIONS = {name for name, value in vars(Client).items() if isinstance(value, Blocking | Listing)}
CALLED = set(re.findall(r"\bclient\.(\w+)\(", SOURCES))
WITHOUT_COMMAND = {
    **dict.fromkeys(
        (
            "register_webhook",
            "webhooks",
            "webhook",
            "change_webhook",
            "delete_webhook",
            "webhook_secret",
            "rotate_webhook_secret",
            "test_webhook",
            "deliveries",
            "delivery",
            "redeliver",
            "redeliver_since",
        ),
        "`scribe webhooks` does it for any tenant, with the database",
    ),
    **dict.fromkeys(("create_key", "keys", "revoke_key"), "`scribe keys` does it for any tenant, with the database"),
    **dict.fromkeys(("erase", "erasure"), "`scribe erase` does it for any tenant, with the database"),
    **dict.fromkeys(("dead_letters", "dead_letter"), "`scribe dlq` reads them, with Kafka"),
    "explain": "`scribe why --direct` does it, with database and Kafka",
    **dict.fromkeys(
        ("create_upload", "write_upload", "upload_state", "delete_upload", "submit_uploaded"),
        "`scribe submit` sends a large file so, by `upload`",
    ),
    "presign_upload": "`scribe submit` sends pieces, which go on where they broke off",
    "submit_many": "`scribe bulk` sends the lines as they stand in the file, by `submit_lines`",
    "search": "`scribe search` reads page by page, by `search_page`",
    "transcript": "`scribe result` takes the JSON, by `transcript_file`",
    "wait": "`scribe watch` shows the progress meanwhile, by `job`",
}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_has_a_command_or_a_reason(operation: str) -> None:
    """What the client can do is what REST offers: tests/producers/client/test_openapi.py."""
    assert (operation in CALLED) != (operation in WITHOUT_COMMAND)


def test_reasons_are_of_operations() -> None:
    assert set(WITHOUT_COMMAND) <= OPERATIONS

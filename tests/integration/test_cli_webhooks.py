"""`scribe webhooks` over a real database: what an operator sees and changes."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from deploy.local.receiver import Receiver
from producers.cli.app import create_cli
from producers.inputs.id_prefix import Ambiguous
from schemas.errors import Permanent, Rejected
from sink.postgres.database import Connection
from sink.webhooks.deliveries import NewDelivery, add, delivery_id, endpoint_id
from sink.webhooks.endpoints import ensure_endpoint
from sink.webhooks.secrets import new_key
from tests.integration.commands import lines
from tests.integration.dispatching import BOX, KEY, dispatching
from tests.integration.shim import in_transaction

URL = "https://acme.example/hook"
ID = str(endpoint_id("acme", URL))
Webhooks = Callable[..., Result]


@pytest.fixture
def webhooks(database: str) -> Webhooks:
    """`scribe webhooks ...` on a fresh database with one endpoint."""
    in_transaction(database, lambda connection: ensure_endpoint(connection, BOX, "acme", URL))

    def run(*words: str, key: str = KEY) -> Result:
        environment = {"SCRIBE_POSTGRES_DSN": database, "SCRIBE_WEBHOOK_KEY": key, "COLUMNS": "200", "NO_COLOR": "1"}
        return CliRunner().invoke(create_cli(), ["webhooks", *words], env=environment)

    return run


def shown(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_endpoints_are_listed_and_shown(webhooks: Webhooks) -> None:
    assert f"acme    {URL}  enabled" in shown(webhooks("list"))
    (endpoint,) = lines(shown(webhooks("list", "--tenant", "acme", "--json")))
    assert endpoint == json.loads(shown(webhooks("show", ID, "--json")))
    assert endpoint == json.loads(shown(webhooks("show", URL, "--tenant", "acme", "--json")))
    assert endpoint["state"] == "enabled"
    assert shown(webhooks("list", "--tenant", "globex", "--json")) == ""
    assert "state            enabled" in shown(webhooks("show", ID))


def test_an_endpoint_is_added_changed_and_forgotten(webhooks: Webhooks) -> None:
    other = "https://acme.example/other"
    made = shown(
        webhooks("add", other, "--tenant", "acme", "--description", "the [/CRM]\x1b[5m", "--max-per-second", "20")
    )
    assert made == f"{endpoint_id('acme', other)}\n"
    assert f"{other}  enabled  20" in (listed := shown(webhooks("list", "--tenant", "acme")))
    assert "the [/CRM][5m" in listed
    secret = shown(webhooks("secret", made.strip()))
    again = json.loads(shown(webhooks("add", other, "--tenant", "acme", "--max-per-second", "5", "--json")))
    assert (again["max_per_second"], again["description"]) == (5, "the [/CRM]\x1b[5m")
    assert shown(webhooks("secret", made.strip())) == secret
    whose = ("--tenant", "acme")
    assert shown(webhooks("set", other, *whose, "--max-per-second", "default")) == (
        f"{other}: the default pace, all events, the [/CRM][5m\n"
    )
    chosen = shown(webhooks("set", other, *whose, "--event", "job.failed", "--description", ""))
    assert chosen == f"{other}: the default pace, job.failed\n"
    assert shown(webhooks("set", other, *whose, "--event", "all")) == f"{other}: the default pace, all events\n"
    wrong = webhooks("set", other, *whose, "--event", "job.complete")
    assert isinstance(wrong.exception, Rejected)
    assert "job.completed" in str(wrong.exception)
    asked = webhooks("remove", other, *whose)
    assert (asked.exit_code, "--yes" in asked.output) == (2, True)
    assert shown(webhooks("remove", other, *whose, "--yes")) == f"{other} is forgotten\n"
    assert isinstance(webhooks("show", other, *whose).exception, Rejected)
    assert len(lines(shown(webhooks("list", "--json")))) == 1


def test_a_secret_is_shown_and_rotated(webhooks: Webhooks) -> None:
    first = shown(webhooks("secret", ID))
    assert first.startswith("whsec_")
    assert first == shown(webhooks("secret", URL, "--tenant", "acme"))
    second = shown(webhooks("rotate", ID, "--overlap", "2"))
    assert first != second == shown(webhooks("secret", ID))
    assert json.loads(shown(webhooks("show", ID, "--json")))["old_secret_until"]
    shown(webhooks("rotate", ID, "--overlap", "0"))
    assert json.loads(shown(webhooks("show", ID, "--json")))["old_secret_until"] is None


def test_the_key_is_changed(webhooks: Webhooks) -> None:
    before, key = shown(webhooks("secret", ID)), new_key()
    assert shown(webhooks("reencrypt", key=f"{key},{KEY}")) == "1 encrypted anew\n"
    assert shown(webhooks("secret", ID, key=key)) == before


def test_the_beginning_of_an_id_is_enough(webhooks: Webhooks, database: str) -> None:
    delivery = written(database)
    for written_so in (ID[:8], ID.upper(), ID.replace("-", ""), f" {ID} ", f"{ID[:13]}…"):
        assert json.loads(shown(webhooks("show", written_so, "--json")))["endpoint_id"] == ID
        assert shown(webhooks("secret", written_so)) == shown(webhooks("secret", ID))
    assert json.loads(shown(webhooks("show", delivery[:13], "--json")))["delivery_id"] == delivery
    assert [row.split()[0] for row in shown(webhooks("list")).splitlines()] == ["ID", ID]
    assert delivery in shown(webhooks("deliveries", "--endpoint", ID[:8]))
    assert shown(webhooks("redeliver", delivery[:13].upper())) == "1 to be sent again\n"

    async def alike(connection: Connection) -> None:
        """Another endpoint and a delivery of it, whose ids begin like the first one's."""
        other = f"{ID[:24]}{uuid4().hex[:12]}"
        for table, column in (("webhook_endpoints", "endpoint_id"), ("webhook_deliveries", "delivery_id")):
            cursor = await connection.execute(
                "SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL(%s)",
                [table, [column, "url", "event_id"]],
            )
            row = await cursor.fetchone()
            assert row
            unique = (
                ("url", "'https://other.example/'")
                if table == "webhook_endpoints"
                else ("event_id", "gen_random_uuid()")
            )
            await connection.execute(
                f"INSERT INTO {table} ({column}, {unique[0]}, {row['columns']})"
                f" SELECT '{other}', {unique[1]}, {row['columns']} FROM {table} LIMIT 1".encode()
            )

    in_transaction(database, alike)
    for words in (("show", ID[:8]), ("secret", ID[:8]), ("deliveries", "--endpoint", ID[:8]), ("disable", ID[:20])):
        several = webhooks(*words).exception
        assert isinstance(several, Ambiguous), words
        assert ID in str(several)
        assert "acme https://other.example/" in str(several)
    for words in (("show", "0000"), ("secret", "0000"), ("redeliver", "0000"), ("deliveries", "--job", "0000")):
        none = webhooks(*words).exception
        assert isinstance(none, Rejected), words
        assert "begins with '0000'" in str(none)


def test_an_endpoint_is_disabled_and_enabled(webhooks: Webhooks) -> None:
    shown(webhooks("disable", ID, "--reason", "too loud"))
    assert "disabled: too loud" in shown(webhooks("list"))
    refused = webhooks("redeliver", ID, "--since", "2020-01-01").exception
    assert isinstance(refused, Rejected)
    assert refused.code == "endpoint_disabled"
    shown(webhooks("enable", ID))
    assert json.loads(shown(webhooks("show", ID, "--json")))["state"] == "enabled"


def written(database: str, number: int = 1) -> str:
    """Deliveries that were only written down, as to a disabled endpoint; gives the id of the last one."""

    async def write(connection: Connection) -> str:
        for _ in range(number):
            new = NewDelivery(event_id=uuid4(), job_id=None, type="webhook.test", payload={"n": 1}, asked=None)
            await add(connection, endpoint_id("acme", URL), new)
        await connection.execute("UPDATE webhook_deliveries SET state = 'disabled'")
        return str(delivery_id(new.event_id, endpoint_id("acme", URL)))

    return in_transaction(database, write)


def test_deliveries_are_listed_shown_and_sent_again(webhooks: Webhooks, database: str) -> None:
    delivery = written(database)
    assert delivery in shown(webhooks("deliveries"))
    (listed,) = lines(shown(webhooks("deliveries", "--endpoint", ID, "--state", "disabled", "--json")))
    assert (listed["delivery_id"], listed["sequence"]) == (delivery, 1)
    assert json.loads(shown(webhooks("show", delivery, "--json"))) == listed | {"payload": {"n": 1}, "ledger": []}
    plain = shown(webhooks("show", delivery)).splitlines()
    assert plain[-1] == 'payload          {"n": 1}'
    assert shown(webhooks("redeliver", ID, "--since", "2020-01-01")) == "1 to be sent again\n"
    assert shown(webhooks("redeliver", ID, "--since", "2020-01-01T00:00:00+0100")) == "0 to be sent again\n"
    assert shown(webhooks("redeliver", delivery)) == "1 to be sent again\n"
    assert shown(webhooks("deliveries", "--state", "disabled", "--since", "2020-01-01", "--json")) == ""


def test_an_option_that_would_change_nothing_is_refused(webhooks: Webhooks, database: str) -> None:
    """--all without --since, and --tenant beside the id of a delivery that is another's."""
    delivery = written(database)
    refused = webhooks("redeliver", delivery, "--all")
    assert (refused.exit_code, "--all" in refused.stderr) == (2, True), refused.output
    for words in (("redeliver", delivery), ("redeliver", delivery[:13]), ("show", delivery), ("show", delivery[:13])):
        assert isinstance(webhooks(*words, "--tenant", "globex").exception, Rejected), words
        shown(webhooks(*words, "--tenant", "acme"))


def test_more_than_one_statement_takes_are_sent_again_to_the_last(
    webhooks: Webhooks, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.jobs.webhooks.MAX_REDELIVERED", 2)
    written(database, 5)
    assert shown(webhooks("redeliver", ID, "--since", "2020-01-01")) == "5 to be sent again\n"


def test_a_test_is_sent_and_its_outcome_told(webhooks: Webhooks, database: str) -> None:
    with Receiver(lambda _: 204) as taking, Receiver(lambda _: 500) as refusing, dispatching(database):
        assert shown(webhooks("test", taking.url, "--tenant", "acme", "--wait", "25")).endswith(": 204\n")
        (call,) = taking.calls
        secret = shown(webhooks("secret", taking.url, "--tenant", "acme")).strip()
        assert call.verified(secret)["type"] == "webhook.test"
        failed = webhooks("test", refusing.url, "--tenant", "acme", "--wait", "25")
        assert (failed.exit_code, len(refusing.calls)) == (1, 1)
        assert failed.stdout.startswith("exhausted ")
        delivery = failed.stdout.split()[1].rstrip(":")
        assert "answered  500" in shown(webhooks("show", delivery))


MISTAKES: list[tuple[str, ...]] = [
    ("show", str(uuid4())),
    ("show", URL),
    ("secret", "https://other.example/", "--tenant", "acme"),
    ("redeliver", str(uuid4())),
    ("redeliver", URL, "--tenant", "acme"),
    ("test", "ftp://acme.example/", "--tenant", "acme"),
    ("test", URL, "--tenant", "A B"),
    ("add", URL, "--tenant", "A B"),
    ("add", "https://10.0.0.1/", "--tenant", "acme"),
    ("add", URL, "--tenant", "acme", "--max-per-second", "fast"),
    ("add", URL, "--tenant", "acme", "--description", "x" * 501),
    ("set", ID),
    ("set", ID, "--max-per-second", "0"),
    ("set", str(uuid4()), "--max-per-second", "5"),
    ("remove", str(uuid4()), "--yes"),
    ("rotate", ID, "--overlap", "-1"),
    ("deliveries", "--since", "soon"),
]


@pytest.mark.parametrize("words", [("show",), ("secret",), ("redeliver",), ("deliveries", "--endpoint")])
def test_what_is_neither_an_id_nor_an_address_is_told_so(webhooks: Webhooks, words: tuple[str, ...]) -> None:
    done = webhooks(*words, "zz")
    assert (done.exit_code, "'zz' is neither an id, nor" in done.stderr) == (2, True), done.output


def test_mistakes_are_named(webhooks: Webhooks) -> None:
    for words in MISTAKES:
        done = webhooks(*words)
        assert isinstance(done.exception, Permanent) or done.exit_code == 2, words

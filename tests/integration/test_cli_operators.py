"""The `scribe` command of operators: keys, tenants, holds, tables, schemas, topics."""

import json
import re
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from deploy.local.stack import Stack
from producers.kafka.admin import TopicAdmin
from producers.kafka.topic_plan import Alter
from schemas.settings.kafka import KafkaSettings
from schemas.topics import DAY_MS, JOBS, TOPICS
from schemas.wire.serde import to_json
from tests.integration.commands import Run, lines, scribe
from tests.integration.faust_process import until
from tests.integration.shim import RunningShim
from tests.integration.waiting import wait_for
from tests.samples import BARE_REQUEST
from tests.sink.bulk import fill


def test_keys_are_made_listed_and_ended(shim: RunningShim, run_here: Run) -> None:
    values = {"SCRIBE_POSTGRES_DSN": shim.dsn}
    made = run_here("keys", "create", "--tenant", "globex", "--label", "nightly import", **values)
    assert (made.returncode, made.stderr) == (0, "")
    key = made.stdout.strip()
    with shim.client(key) as client:
        assert client.get("/api/v1/models").status_code == 200
        as_json = json.loads(run_here("keys", "create", "--tenant", "globex", "--json", **values).stdout)
        assert as_json["key"].split("_")[2] == as_json["key_id"]
        listed = run_here("keys", "list", "--tenant", "globex", **values)
        assert "nightly import" in listed.stdout
        assert key not in listed.stdout
        assert run_here("keys", "revoke", key.split("_")[2], **values).returncode == 0
        # a process may know a key for some seconds more
        wait_for(lambda: client.get("/api/v1/models").status_code == 401)
    everything = lines(run_here("keys", "list", "--json", **values).stdout)
    assert [item["revoked_at"] is not None for item in everything] == [False, True, False]


def test_a_tenants_policy_is_set_step_by_step_and_shown(stack: Stack, topic_admin: object, run_here: Run) -> None:
    values = stack.environment()
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    assert scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    tenant = f"t{uuid4().hex}"
    absent = run_here("tenants", "show", tenant, **values)
    assert (absent.returncode, "has no policy" in absent.stderr) == (2, True), absent.stderr
    first = run_here("tenants", "set", tenant, "--retention", "audio=7", "--llm-model", "small", **values)
    assert first.returncode == 0, first.stderr
    second = run_here("tenants", "set", tenant, "--enhanced-ai", "--retention", "transcripts=forever", **values)
    assert "transcripts=forever" in second.stdout
    shown = json.loads(run_here("tenants", "show", tenant, "--json", **values).stdout)
    assert (shown["enhanced_ai"], shown["llm_models"]) == (True, ["small"])
    assert shown["retention_days"] == {"audio": 7, "transcripts": -1}
    cleared = run_here("tenants", "set", tenant, "--retention", "audio=default", "--llm-model", "", **values)
    assert re.search(r"^models of enhanced AI +any$", cleared.stdout, re.MULTILINE)
    assert tenant in run_here("tenants", "list", **values).stdout
    for wrong in ("audio=soon", "sound=7", "audio=-1"):
        refused = run_here("tenants", "set", tenant, "--retention", wrong, **values)
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr


def test_a_direct_order_to_stop_is_printed_as_it_is_asked_for(stack: Stack, topic_admin: object, run_here: Run) -> None:
    """An order a line, as text or as JSON; without --run it counts for the first run."""
    values = stack.environment()
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    assert run_here("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    job, other = str(uuid4()), str(uuid4())
    call = ("cancel", job, other, job, "--direct", "--tenant", "acme")
    told = run_here(*call, **values)
    assert told.stdout == "".join(f"{each}  is asked to stop, up to run 1\n" for each in (job, other)), told.stderr
    orders = lines(run_here(*call, "--run", "2", "--json", **values).stdout)
    assert [(order["job_id"], order["tenant"], order["run"]) for order in orders] == [
        (job, "acme", 2),
        (other, "acme", 2),
    ]


def test_jobs_are_held_released_and_erased(database: str, run_here: Run) -> None:
    values = {"SCRIBE_POSTGRES_DSN": database}
    bulk = fill(database, None, 1, datetime.now(UTC))
    recording = ("erase", "--tenant", "acme", "--recording-id", f"{bulk.mark}{bulk.job_ids[0]}")
    hold = ("--tenant", "acme", "--job", str(bulk.job_ids[0]))
    assert run_here("hold", "set", *hold, "--reason", "case 17", **values).returncode == 0
    assert "case 17" in run_here("hold", "list", **values).stdout
    refused = run_here(*recording, **values)
    assert (refused.returncode, "A legal hold keeps it" in refused.stderr) == (2, True)
    assert run_here("hold", "release", *hold, **values).returncode == 0
    done = run_here(*recording, "--json", **values)
    assert [item["rows"]["jobs"] for item in lines(done.stdout)] == [1]
    assert run_here(*recording, **values).returncode == 2
    some = run_here("erase", str(uuid4()), str(bulk.job_ids[0]), "--tenant", "acme", **values)
    assert (some.returncode, "objects follow" in some.stdout) == (2, True)
    assert "There is no such thing" in some.stderr
    typo = run_here("hold", "set", "--tenant", "acmee", "--reason", "case 17", **values)
    assert (typo.returncode, "--force" in typo.stderr) == (2, True), typo.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("keys list", "no keys"),
        ("hold list", "no holds"),
        ("webhooks list", "no endpoints"),
        ("webhooks deliveries", "no deliveries"),
        ("database stalled", "no job stands still"),
    ],
)
def test_an_empty_list_says_so_and_has_no_head(database: str, run_here: Run, command: str, words: str) -> None:
    done = run_here(*command.split(), SCRIBE_POSTGRES_DSN=database)
    assert (done.returncode, done.stdout + done.stderr) == (0, f"{words}\n")
    as_json = run_here(*command.split(), "--json", SCRIBE_POSTGRES_DSN=database)
    assert (as_json.returncode, as_json.stdout, as_json.stderr) == (0, "", "")


def test_tables_are_made_when_they_are_missing(database: str, run_here: Run) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    values = {"SCRIBE_POSTGRES_DSN": database}
    missing = run_here("keys", "create", "--tenant", "acme", **values)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.endswith("the tables are missing or old: run `scribe database migrate`\n")
    assert "applied 0001_first.sql" in run_here("database", "migrate", **values).stdout
    assert run_here("database", "migrate", **values).stdout == "the database is up to date\n"
    assert run_here("keys", "create", "--tenant", "acme", **values).returncode == 0


def test_the_schemas_are_registered_and_then_current(registry_url: str, run_here: Run) -> None:
    values = {"SCRIBE_SCHEMA_REGISTRY_URL": registry_url}
    registered = run_here("schemas", "register", **values)
    assert registered.returncode == 0, registered.stderr
    assert f"{JOBS}-value" in registered.stdout
    assert run_here("schemas", "check", **values).returncode == 0


def test_topics_are_created_checked_and_never_shrunk(private_stack: Stack, run_here: Run) -> None:
    """On a broker of its own, since the names are the real ones."""
    values = private_stack.environment()
    few = ("--partitions", "2")
    missing = run_here("topics", "check", *few, **values)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith(f"missing ({len(TOPICS)} topics)\n  scribe.jobs, scribe.jobs.express, ")
    assert missing.stderr.endswith(
        f"To put it right: scribe topics apply --partitions 2\nIt creates {len(TOPICS)} topics.\n"
    )
    assert max(map(len, missing.stderr.splitlines())) <= 80
    impossible = run_here("topics", "apply", *few, "--replication-factor", "3", **values)
    assert impossible.returncode == 2
    assert "replication factor" in impossible.stderr.lower()
    assert run_here("topics", "apply", *few, "--replication-factor", "1", **values).stdout.count("created") == len(
        TOPICS
    )
    for command in ("apply", "check"):
        again = run_here("topics", command, *few, **values)
        assert (again.returncode, again.stdout) == (0, f"{len(TOPICS)} topics are as they should be\n")
    refused = run_here("topics", "apply", "--partitions", "3", **values)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"2 partitions, wanted 3 ({len(TOPICS)} topics)\n  scribe.jobs, ")
    assert refused.stderr.endswith(
        "Nothing was changed.\nTo put it right: scribe topics apply --partitions 3 --alter\n"
        f"It changes {len(TOPICS)} topics.\n"
    )
    for command in ("check", "apply"):
        small = run_here("topics", command, **values)
        assert (small.returncode, small.stdout) == (
            0,
            f"{len(TOPICS)} topics have the settings that they need, {len(TOPICS)} fewer partitions than the table\n",
        )
        assert re.search(r"^2 partitions, wanted 12 \(\d+ topics\)\n  scribe.jobs, ", small.stderr, re.MULTILINE)
        assert small.stderr.endswith("small broker; `scribe topics apply --alter` adds the partitions.\n")
    grown = run_here("topics", "apply", "--partitions", "3", "--alter", **values)
    assert (grown.returncode, grown.stdout.count("changed")) == (0, len(TOPICS))
    assert run_here("topics", "check", *few, **values).returncode == 0
    kafka = KafkaSettings.model_validate({"kafka_bootstrap": private_stack.kafka_bootstrap})
    week = str(7 * DAY_MS)  # the broker's own, which topics have that are older than the setting
    TopicAdmin(kafka).alter([Alter(JOBS, "segment.ms", "unset", week)])
    # the broker says what was changed a moment later
    until("it differs", lambda: run_here("topics", "check", *few, **values).returncode == 2)
    older = run_here("topics", "check", *few, **values)
    assert older.stderr.splitlines() == [
        f"segment.ms is {week}, wanted {DAY_MS} (1 topic)",
        "  scribe.jobs",
        "To put it right: scribe topics apply --partitions 2 --alter",
        "It changes 1 topic.",
    ]
    altered = run_here("topics", "apply", *few, "--alter", **values)
    assert f"changed scribe.jobs: segment.ms is {week}, wanted {DAY_MS}\n" in altered.stdout
    until("it does not differ", lambda: run_here("topics", "check", *few, **values).returncode == 0)
    early = run_here("topics", "check", *few, **{**values, "SCRIBE_OBJECT_RETENTION_DAYS": "29"})
    assert early.returncode == 2
    assert "scribe.results keeps records for 30 days, the object store keeps what they name for 29" in early.stderr


def test_jobs_that_stand_still_are_listed_and_ended(database: str, run_here: Run) -> None:
    values = {"SCRIBE_POSTGRES_DSN": database}
    job_id = str(uuid4())
    nothing = run_here("database", "stalled", **values)
    assert (nothing.returncode, nothing.stdout) == (0, "no job stands still\n"), nothing.stderr
    request = {**to_json(BARE_REQUEST), "job_id": job_id}
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO jobs (job_id, tenant, state, request, requested_at, updated_at)"
            " VALUES (%s, 'acme', 'transcribing', %s, now(), now() - interval '7 hours')",
            [job_id, Jsonb(request)],
        )
    assert job_id in run_here("database", "stalled", **values).stdout
    assert job_id not in run_here("database", "stalled", "--running-hours", "8", **values).stdout
    refused = run_here("database", "stalled", "--running-hours", "0", **values)
    assert (refused.returncode, "SCRIBE_STALLED_RUNNING_HOURS" in refused.stderr) == (2, True), refused.stderr
    ended = run_here("database", "stalled", "--fail", "--json", **values)
    (item,) = map(json.loads, ended.stdout.splitlines())
    assert (item["job_id"], item["state"], item["failed"]) == (job_id, "transcribing", True)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT topic, key FROM outbox").fetchall() == [("scribe.results", job_id.encode())]

"""The `scribe` command as a process: what it prints, where, and how it ends."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from deploy.local.stack import Stack
from producers.__main__ import main
from schemas.events import JobProgress, JobRequested, Stage
from schemas.serde import Serde
from schemas.topics import JOBS, TOPICS
from sink.postgres import Connection
from sink.results import apply_progress
from sink.s3 import S3ObjectStore
from tests.integration.shim import Shim, in_transaction, serving
from tests.integration.test_relay import read, wait_for
from tests.samples import TRANSCRIPT
from tests.sink.bulk import fill

Done = subprocess.CompletedProcess[str]
# what the developer has set must not decide a test
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}


def environment(**values: str) -> dict[str, str]:
    return {**CLEAN, "COLUMNS": "80", "NO_COLOR": "1", **values}


def scribe(*arguments: str, **values: str) -> Done:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "producers", *arguments],
        env=environment(**values),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


Run = Callable[..., Done]


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The same in this process, which spares the start of a new one for every mistake that can be made."""

    def run(*arguments: str, **values: str) -> Done:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("SCRIBE_")]:
                patch.delenv(name)
            for name, value in environment(**values).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["scribe", *arguments])
            with pytest.raises(SystemExit) as caught:
                main()
        shown = capfd.readouterr()
        return Done(arguments, int(caught.value.code or 0), shown.out, shown.err)

    return run


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore) -> Iterator[Shim]:
    with serving(database, object_store) as running:
        yield running


def for_shim(shim: Shim) -> dict[str, str]:
    return {"SCRIBE_API_URL": shim.url, "SCRIBE_API_KEY": shim.key}


def last_job(shim: Shim) -> JobRequested:
    """The job that was submitted last, as the persist app would see it."""
    with psycopg.connect(shim.dsn) as connection:
        row = connection.execute("SELECT value FROM outbox ORDER BY id DESC LIMIT 1").fetchone()
    assert row
    return Serde().decode(bytes(row[0]), JobRequested)


def work_on(shim: Shim) -> None:
    """What the GPU consumers and the persist app do, in short."""
    wait_for(lambda: _count(shim) > 0)
    request = last_job(shim)

    async def progress(connection: Connection) -> None:
        await apply_progress(
            connection,
            JobProgress(
                event_id=uuid4(),
                job_id=request.job_id,
                run=1,
                tenant="acme",
                stage=Stage.TRANSCRIBING,
                attempt=1,
                sequence=1,
                done_seconds=1.0,
                total_seconds=2.5,
                worker="w",
                at=datetime.now(UTC),
            ),
        )

    in_transaction(shim.dsn, progress)
    threading.Event().wait(1.5)  # so that whoever watches has looked
    shim.complete(request)


def _count(shim: Shim) -> int:
    with psycopg.connect(shim.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(row[0]) if row else 0


def test_a_file_is_submitted_watched_and_printed(shim: Shim, tmp_path: Path) -> None:
    """Through a pipe: the transcript alone on stdout, states on stderr."""
    recording = tmp_path / "call.opus"
    recording.write_bytes(b"OggS" * 100)
    worker = threading.Thread(target=work_on, args=[shim])
    worker.start()
    options = ("--language", "he", "--no-diarize", "--metadata", "crm=42", "--num-speakers", "2")
    done = scribe("submit", str(recording), "--watch", *options, **for_shim(shim))
    worker.join()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[00:00:00] SPEAKER_00: hello there\n[00:00:01] שלום\n"
    request = last_job(shim)
    assert done.stderr.splitlines() == [f"job {request.job_id}", "queued", "transcribing", "completed"]
    assert (request.options.language, request.options.diarize, request.options.num_speakers) == ("he", False, 2)
    assert request.metadata == {"crm": "42"}
    assert request.source.size_bytes == 400


def in_terminal(*arguments: str, **values: str) -> tuple[int, str]:
    """Run the command on a terminal of 80 columns; returns exit code and all that it showed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "producers", *arguments],
        env={**CLEAN, "COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color", **values},
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    return process.wait(60), shown.decode()


def test_on_a_terminal_there_is_a_bar_and_colours(shim: Shim, tmp_path: Path) -> None:
    recording = tmp_path / "call.opus"
    recording.write_bytes(b"OggS" * 100)
    worker = threading.Thread(target=work_on, args=[shim])
    worker.start()
    code, shown = in_terminal("submit", str(recording), "--watch", **for_shim(shim))
    worker.join()
    assert code == 0, shown
    assert "1 of 2 s" in shown
    assert "━" in shown
    assert "\x1b[1;36mSPEAKER_00" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert all(len(line) <= 80 for part in plain.split("\n") for line in part.split("\r")), plain
    assert plain.rstrip().splitlines()[-1].strip() == "a warning"


def test_an_address_is_submitted_and_read_later(shim: Shim, tmp_path: Path, run_here: Run) -> None:
    done = run_here("submit", "https://media.example/17.mp3", "--recording-id", "r-17", "--json", **for_shim(shim))
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    assert (job["state"], job["recording_id"]) == ("queued", "r-17")
    early = run_here("result", job["job_id"], **for_shim(shim))
    assert (early.returncode, early.stdout) == (2, "")
    assert "The job has not ended" in early.stderr
    shim.complete(last_job(shim))
    out = tmp_path / "call.vtt"
    assert run_here("result", job["job_id"], "-o", str(out), **for_shim(shim)).returncode == 0
    assert out.read_text().startswith("WEBVTT\n")
    as_json = run_here("result", job["job_id"], "--format", "json", **for_shim(shim))
    assert json.loads(as_json.stdout)["language_probability"] == TRANSCRIPT.language_probability
    watched = run_here("watch", job["job_id"], "--json", **for_shim(shim))
    assert (watched.returncode, json.loads(watched.stdout)["state"]) == (0, "completed")


def test_a_job_that_failed_or_was_cancelled(shim: Shim, run_here: Run) -> None:
    """The reason in a sentence; exit code 2 when the submitter can put it right."""
    run_here("submit", "https://media.example/1.mp3", **for_shim(shim))
    failed = last_job(shim)
    shim.fail(failed)
    done = run_here("watch", str(failed.job_id), **for_shim(shim))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["failed", f"Job {failed.job_id} failed: The file is empty."]
    run_here("submit", "https://media.example/2.mp3", **for_shim(shim))
    cancelled = last_job(shim)
    shim.cancel(cancelled)
    done = run_here("watch", str(cancelled.job_id), **for_shim(shim))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Job {cancelled.job_id} cancelled."


def test_mistakes_are_one_message_and_exit_code_2(shim: Shim, tmp_path: Path, run_here: Run) -> None:
    settings = for_shim(shim)
    calls: list[tuple[tuple[str, ...], dict[str, str], str]] = [
        (("submit", "nofile.wav"), settings, "'nofile.wav' is neither a file nor an address"),
        (("submit", "https://a.example/x", "--model", "gpt"), settings, "No such model: 'gpt'; known: any, hebrew."),
        (("submit", "https://a.example/x", "--num-speakers", "0"), settings, "num_speakers"),
        (("submit", "https://a.example/x", "--metadata", "crm"), settings, "'crm' is not KEY=VALUE"),
        (("submit", "https://a.example/x", "--tenant", "acme"), settings, "goes with --via kafka"),
        (("submit", "https://a.example/x", "--via", "kafka"), settings, "goes with --via kafka"),
        (("submit", "https://a.example/x", "--via", "kafka", "--tenant", "A B"), settings, "tenant must be"),
        (("submit", "ftp://a.example/x", "--via", "kafka", "--tenant", "acme"), settings, "it must be https://host"),
        (("submit", "https://a.example/x"), {**settings, "SCRIBE_API_KEY": "sr_live_x"}, "X-API-Key"),
        (("submit", "https://a.example/x"), {"SCRIBE_API_URL": shim.url}, "SCRIBE_API_KEY: is not set"),
        (
            ("submit", "https://a.example/x"),
            {"SCRIBE_API_URL": "nonsense"},
            "SCRIBE_API_URL: is not an http(s) address",
        ),
        (
            ("submit", "https://a.example/x", "--via", "kafka", "--tenant", "acme", "--watch"),
            {},
            "SCRIBE_API_KEY: is not",
        ),
        (("watch", "17"), settings, "should be a valid UUID"),
        (("watch", str(uuid4())), settings, "There is no such thing"),
        (
            ("result", str(uuid4()), "-o", str(tmp_path / "x.doc")),
            settings,
            "ends with none of .json, .txt, .srt, .vtt",
        ),
        (
            ("submit", "s3://other/acme/x", "--via", "kafka", "--tenant", "acme"),
            settings,
            "must begin with s3://scribe/",
        ),
        (
            (
                "submit",
                "https://a.example/x",
                "--via",
                "kafka",
                "--tenant",
                "acme",
                "--expires-at",
                "9999-12-31T23:59:59Z",
            ),
            settings,
            "The request is not valid: expires_at: must",
        ),
        (("topics", "check"), {"SCRIBE_KAFKA_OPTIONS": '{"no.such": "1"}'}, "SCRIBE_KAFKA_OPTIONS: No such config"),
        (("schemas", "check"), settings, "SCRIBE_SCHEMA_REGISTRY_URL: is not set"),
        (("keys", "create", "--tenant", "A B"), {"SCRIBE_POSTGRES_DSN": shim.dsn}, "tenant must be"),
        (("keys", "revoke", "nokey"), {"SCRIBE_POSTGRES_DSN": shim.dsn}, "no key 'nokey' that still works"),
        (
            ("topics", "check"),
            {"SCRIBE_KAFKA_BOOTSTRAP": "nonsense", "SCRIBE_S3_ENDPOINT": "nonsense"},
            "SCRIBE_S3_ENDPOINT: is not an http(s) address\nSCRIBE_KAFKA_BOOTSTRAP: 'nonsense' is not host:port\n",
        ),
    ]
    for arguments, values, message in calls:
        done = run_here(*arguments, **values)
        words = re.sub(r"[│╭╮╰╯─]+", " ", done.stderr) if "─" in done.stderr else done.stderr
        assert done.returncode == 2, (arguments, done.stderr)
        assert message in words or message in re.sub(r"\s+", " ", words), (arguments, done.stderr)
        assert done.stdout == ""
    assert _count(shim) == 0


def test_trouble_of_the_service_is_exit_code_1(run_here: Run) -> None:
    away = "127.0.0.1:9"
    calls = [
        (
            ("submit", "https://a.example/x"),
            {"SCRIBE_API_URL": f"http://{away}", "SCRIBE_API_KEY": "k"},
            "SCRIBE_API_URL",
        ),
        (("keys", "list"), {"SCRIBE_POSTGRES_DSN": f"postgresql://x@{away}/x"}, "PostgreSQL"),
        (("topics", "check"), {"SCRIBE_KAFKA_BOOTSTRAP": away}, f"is a broker at {away}?"),
        (
            ("submit", "https://a.example/x", "--via", "kafka", "--tenant", "acme"),
            {"SCRIBE_KAFKA_BOOTSTRAP": away},
            f"is a broker at {away}? See SCRIBE_KAFKA_BOOTSTRAP",
        ),
    ]
    for arguments, values, message in calls:
        done = run_here(*arguments, **values)
        assert (done.returncode, done.stdout) == (1, ""), (arguments, done.stderr)
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_file_goes_straight_to_kafka(
    kafka: str, stack: Stack, bucket: str, object_store: S3ObjectStore, topic_admin: object, tmp_path: Path
) -> None:
    """The record that upstream systems write, and the file where uploads lie."""
    values = {**stack.environment(), "SCRIBE_S3_BUCKET": bucket}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    assert scribe("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF" * 10)
    done = scribe("submit", str(recording), "--via", "kafka", "--tenant", "acme", "--language", "he", **values)
    assert done.returncode == 0, done.stderr
    job_id = UUID(done.stdout.strip())
    ours = [message for message in read(kafka, JOBS, 1) if message.key() == str(job_id).encode()]
    assert len(ours) == 1
    request = Serde().decode(ours[0].value(), JobRequested)
    assert (request.tenant, request.options.language, request.source.size_bytes) == ("acme", "he", 40)
    assert object_store.get(f"acme/uploads/{request.source.uri.removeprefix('upload://')}") == b"RIFF" * 10
    assert dict(ours[0].headers())["ce_source"] == b"/scribe-rabbit/cli"


def test_a_file_of_a_refused_request_is_not_sent(
    stack: Stack, bucket: str, object_store: S3ObjectStore, tmp_path: Path, run_here: Run
) -> None:
    """Whether the request itself is wrong, or Kafka does not answer."""
    recording = tmp_path / "call.wav"
    recording.write_bytes(b"RIFF" * 10)
    values = {**stack.environment(), "SCRIBE_S3_BUCKET": bucket}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    call = ("submit", str(recording), "--via", "kafka", "--tenant", "acme")
    wrong = run_here(*call, "--min-speakers", "5", "--max-speakers", "2", **values)
    assert (wrong.returncode, "min_speakers: must not be" in wrong.stderr) == (2, True), wrong.stderr
    away = run_here(*call, **{**values, "SCRIBE_KAFKA_BOOTSTRAP": "127.0.0.1:9"})
    assert away.returncode == 1, away.stderr
    assert list(object_store.keys("acme/")) == []


def test_keys_are_made_listed_and_ended(shim: Shim, run_here: Run) -> None:
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
        assert client.get("/api/v1/models").status_code == 401
    everything = json.loads(run_here("keys", "list", "--json", **values).stdout)
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
    assert [item["rows"]["jobs"] for item in json.loads(done.stdout)] == [1]
    assert run_here(*recording, **values).returncode == 2
    assert "objects follow" in run_here("erase", str(bulk.job_ids[0]), "--tenant", "acme", **values).stdout


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


def test_the_models_are_a_table_whose_names_are_whole(shim: Shim, run_here: Run) -> None:
    done = run_here("models", **for_shim(shim))
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["MODEL", "any", "hebrew"]
    local = run_here("models", "--local")
    assert "ivrit-ai/whisper-large-v3-turbo-ct2" in local.stdout
    assert max(len(line) for line in local.stdout.splitlines()) <= 80
    assert len(json.loads(run_here("models", "--local", "--json").stdout)) == 4


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
    assert (missing.returncode, missing.stderr.count("missing scribe.")) == (2, len(TOPICS))
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
    assert "differs scribe.jobs: 2 partitions, wanted 3" in refused.stderr
    assert refused.stderr.endswith("To put it right: scribe topics apply --partitions 3 --alter\n")
    small = run_here("topics", "check", **values)
    assert (small.returncode, small.stdout) == (0, f"{len(TOPICS)} topics are as they should be\n")
    assert "remark scribe.jobs: 2 partitions, wanted 12" in small.stderr
    grown = run_here("topics", "apply", "--partitions", "3", "--alter", **values)
    assert (grown.returncode, grown.stdout.count("changed")) == (0, len(TOPICS))
    assert run_here("topics", "check", *few, **values).returncode == 0
    early = run_here("topics", "check", *few, **{**values, "SCRIBE_OBJECT_RETENTION_DAYS": "29"})
    assert early.returncode == 2
    assert "scribe.results keeps records for 30 days, the object store keeps what they name for 29" in early.stderr

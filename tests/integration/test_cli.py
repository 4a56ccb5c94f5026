"""The `scribe` command as a process: what it prints, where, and how it ends."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from deploy.local.stack import Stack
from schemas.events import JobProgress, JobRequested, Stage
from schemas.metrics import HTTP_REQUESTS
from schemas.topics import JOBS
from schemas.wire.serde import Serde
from sink.jobs.results import apply_progress
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Connection
from tests.integration.commands import CLEAN, Run, for_shim, last_job, lines, outbox_rows, scribe
from tests.integration.gpu import headers, read_topic
from tests.integration.shim import RunningShim, in_transaction
from tests.integration.waiting import wait_for
from tests.samples import TRANSCRIPT


def work_on(shim: RunningShim) -> None:
    """What the GPU consumers and the persist app do, in short."""
    before = looks()
    wait_for(lambda: outbox_rows(shim) > 0 and looks() > before)
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
    told = looks()
    # the first may have been on its way, and a display needs its time between two
    wait_for(lambda: looks() >= told + 4)
    shim.complete(request)


def looks() -> float:
    """How often a job was looked at in the shim of this process."""
    return float(HTTP_REQUESTS.labels("GET", "/api/v1/jobs/{job_id}", "200")._value.get())


def test_a_file_is_submitted_watched_and_printed(shim: RunningShim, tmp_path: Path) -> None:
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


def test_on_a_terminal_there_is_a_bar_and_colours(shim: RunningShim, tmp_path: Path) -> None:
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


def test_an_address_is_submitted_and_read_later(shim: RunningShim, tmp_path: Path, run_here: Run) -> None:
    call = ("submit", "https://media.example/17.mp3", "--recording-id", "r-17", "--track", "2", "--json")
    done = run_here(*call, **for_shim(shim))
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    assert (job["state"], job["recording_id"], job["options"]["track"]) == ("queued", "r-17", "2")
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


def test_a_job_that_failed_or_was_cancelled(shim: RunningShim, run_here: Run) -> None:
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


def test_mistakes_are_one_message_and_exit_code_2(shim: RunningShim, tmp_path: Path, run_here: Run) -> None:
    settings = for_shim(shim)
    calls: list[tuple[tuple[str, ...], dict[str, str], str]] = [
        (("submit", "nofile.wav"), settings, "'nofile.wav' is neither a file nor an address"),
        (("submit", "https://a.example/x", "--model", "gpt"), settings, "No such model: 'gpt'; known: any, hebrew."),
        (("submit", "https://a.example/x", "--num-speakers", "0"), settings, "num_speakers"),
        (("submit", "https://a.example/x", "--track", "Hebrew"), settings, "did you mean `he`?"),
        (("submit", "https://a.example/x", "--metadata", "crm"), settings, "'crm' is not KEY=VALUE"),
        (("submit", "https://a.example/x", "--tenant", "acme"), settings, "goes with --via kafka"),
        (("submit", "https://a.example/x", "--via", "kafka"), settings, "goes with --via kafka"),
        (("submit", "https://a.example/x", "--via", "kafka", "--tenant", "A B"), settings, "tenant must be"),
        (("submit", "ftp://a.example/x", "--via", "kafka", "--tenant", "acme"), settings, "it must be https://host"),
        (
            ("submit", "https://localhost/x", "--via", "kafka", "--tenant", "acme"),
            settings,
            "not a public one (loopback)",
        ),
        (("submit", "https://localhost/x"), settings, "not a public one (loopback)"),
        (
            (*("submit", "https://a.example/x", "--via", "kafka", "--tenant", "acme"), "--webhook-url", "https://db/"),
            settings,
            "webhook_url: its host is not a public one",
        ),
        (("webhooks", "add", "https://a.local/", "--tenant", "acme"), settings, "its host is not a public one"),
        (("submit", "https://a.example/x"), {**settings, "SCRIBE_API_KEY": "sr_live_x"}, "; see SCRIBE_API_KEY\n"),
        (
            ("jobs",),
            {**settings, "SCRIBE_API_URL": f"{shim.url}/api/v1/"},
            "is /api/v1 of the service's address? See SCRIBE_API_URL\n",
        ),
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
        (("watch", "17"), settings, "is neither an id nor the first 4 or more hex digits of one"),
        (("watch", str(uuid4())), settings, "There is no such thing"),
        (
            ("result", str(uuid4()), "-o", str(tmp_path / "x.doc")),
            settings,
            "ends with none of .json, .txt, .srt, .vtt",
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
        (("keys", "revoke", "nokey"), {"SCRIBE_POSTGRES_DSN": shim.dsn}, "no key 'nokey' that still works\n"),
        (
            ("erase", "--tenant", "acme", "--recording-id", "none"),
            {"SCRIBE_POSTGRES_DSN": shim.dsn},
            "tenant 'acme' has no job of recording 'none'",
        ),
        (
            ("hold", "release", "--tenant", "acme"),
            {"SCRIBE_POSTGRES_DSN": shim.dsn},
            "no hold of this tenant, or of this job of it\n",
        ),
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
    assert outbox_rows(shim) == 0


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
    call = ("submit", str(recording), "--via", "kafka", "--tenant", "acme", "--language", "he", "--track", "2")
    done = scribe(*call, **values)
    assert done.returncode == 0, done.stderr
    job_id = UUID(done.stdout.strip())
    ours = [message for message in read_topic(kafka, JOBS) if message.key() == str(job_id).encode()]
    assert len(ours) == 1
    request = Serde().decode(ours[0].value(), JobRequested)
    assert (request.tenant, request.options.language, request.options.track) == ("acme", "he", "2")
    assert request.source.size_bytes == 40
    assert object_store.get(f"acme/uploads/{request.source.uri.removeprefix('upload://')}") == b"RIFF" * 10
    assert headers(ours[0])["ce_source"] == "/scribe-rabbit/cli"


def test_an_object_of_others_goes_to_kafka_only_below_an_allowed_prefix(
    stack: Stack, bucket: str, run_here: Run
) -> None:
    values = {**stack.environment(), "SCRIBE_S3_BUCKET": bucket}
    values.pop("SCRIBE_SCHEMA_REGISTRY_URL", None)
    assert run_here("topics", "apply", "--partitions", "4", "--replication-factor", "1", **values).returncode == 0
    tenant = f"t{uuid4().hex[:12]}"
    call = ("submit", "s3://archive/calls/x.wav", "--via", "kafka", "--tenant", tenant)
    refused = run_here(*call, **values)
    assert (refused.returncode, f"must begin with s3://{bucket}/" in refused.stderr) == (2, True), refused.stderr
    set_ = run_here("tenants", "set", tenant, "--allowed-prefix", "s3://archive/calls/", **values)
    assert set_.returncode == 0, set_.stderr
    done = run_here(*call, **values)
    assert done.returncode == 0, done.stderr


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


def test_the_models_are_a_table_whose_names_are_whole(shim: RunningShim, run_here: Run) -> None:
    done = run_here("models", **for_shim(shim))
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["MODEL", "any", "hebrew"]
    local = run_here("models", "--local")
    assert "ivrit-ai/whisper-large-v3-turbo-ct2" in local.stdout
    assert local.stdout.count("\n") == 7  # in a pipe each has a line of its own
    assert len(lines(run_here("models", "--local", "--json").stdout)) == 6

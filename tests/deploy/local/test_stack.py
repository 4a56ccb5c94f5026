"""The stack as a user and as a program meets it: real processes, killed, stopped, started again on their data."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.errors import StackError
from deploy.local.s3 import BUCKET
from deploy.local.stack import Stack
from deploy.local.state import read_state, state_file

ROOT = Path(__file__).parents[3]
TOPIC = "kept"


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m deploy.local` as a user does."""
    whole = [sys.executable, "-m", "deploy.local", *arguments, "--dir", str(folder)]
    return subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)


def write(stack: Stack) -> None:
    """Something in each part."""
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 1)], operation_timeout=90)[TOPIC].result()
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap})
    producer.produce(TOPIC, b"kept")
    assert producer.flush(20) == 0
    with psycopg.connect(stack.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'kept' AS value")
    client = stack.s3.client()
    client.put_object(Bucket=BUCKET, Key="a/kept", Body=b"kept")
    client.close()


def read(stack: Stack) -> list[bytes | str | None]:
    """What `write` left, from each part."""
    consumer = Consumer(
        {"bootstrap.servers": stack.kafka_bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([TOPIC])
    message = consumer.poll(30)
    consumer.close()
    with psycopg.connect(stack.postgres_dsn()) as connection:
        row = connection.execute("SELECT value FROM kept").fetchone()
    client = stack.s3.client()
    body = client.get_object(Bucket=BUCKET, Key="a/kept")["Body"].read()
    client.close()
    return [message.value() if message else None, row[0] if row else None, body]


def listening(stack: Stack) -> set[str]:
    """The addresses on which the processes of a stack listen, however they are written."""
    found = set()
    for component in stack.components.values():
        assert component.identity is not None
        for connection in psutil.Process(component.identity.pid).net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(connection.laddr.ip.removeprefix("::ffff:"))
    return found


def gone(stack: Stack) -> bool:
    """Whether no process of it lives."""
    return not any(component.running for component in stack.components.values())


@pytest.mark.timeout(600)
def test_a_stack_from_up_to_down(tmp_path: Path) -> None:
    """up, status, env, logs, a killed broker, down, up again on the same ports with all data, down for good."""
    folder = tmp_path / "stack"
    try:
        assert command("up", folder=folder).returncode == 0
        stack = Stack.attach(folder)
        assert command("up", folder=folder).returncode == 0
        assert Stack.attach(folder).kafka.identity == stack.kafka.identity
        assert listening(stack) == {"127.0.0.1"}
        assert f"export SCRIBE_KAFKA_BOOTSTRAP={stack.kafka_bootstrap}\n" in command("env", folder=folder).stdout
        assert "postgres |" in command("logs", "postgres", folder=folder).stdout
        write(stack)
        stack.kafka.kill()
        broken = command("status", folder=folder)
        assert (broken.returncode, "stopped" in broken.stdout) == (1, True)
        assert command("up", folder=folder).returncode == 0
        assert command("status", folder=folder).returncode == 0
        assert "run already" in command("up", "--fresh", folder=folder).stderr
        assert command("down", folder=folder).returncode == 0
        assert gone(stack)
        assert "no stack runs" in command("status", folder=folder).stderr
        assert command("up", folder=folder).returncode == 0
        again = Stack.attach(folder)
        assert again.environment() == stack.environment()
        assert read(again) == [b"kept", "kept", b"kept"]
    finally:
        assert command("down", "--delete", folder=folder).returncode == 0
    assert not folder.exists()


def test_each_part_comes_back_after_a_kill(private_stack: Stack) -> None:
    """SIGKILL and a start, a restart, and a pause, as the fault tests do them."""
    write(private_stack)
    for component in private_stack.components.values():
        component.kill()
        assert not component.running
        component.start()
        component.restart()
        component.pause()
        component.resume()
    assert read(private_stack) == [b"kept", "kept", b"kept"]


def test_everything_ends_with_a_killed_owner(tmp_path: Path) -> None:
    """SIGKILL leaves the owner no chance to clean up."""
    whole = [sys.executable, "-m", "deploy.local", "up", "--foreground", "--no-fsync", "--dir", str(tmp_path)]
    owner = subprocess.Popen(whole, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert any("Ctrl-C" in line for line in owner.stdout)
    stack = Stack.attach(tmp_path)
    assert not gone(stack)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 90
    while not gone(stack):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert read_state(tmp_path).running == {}


def test_a_stale_state_file_is_no_hindrance(tmp_path: Path) -> None:
    """After a power cut its pids belong to others, who are neither taken for ours nor stopped."""
    mine = psutil.Process()
    stale = {"pid": mine.pid, "started": mine.create_time() - 100}
    with Stack(tmp_path, durable=False) as stack:
        ports = read_state(tmp_path).ports
    data = json.loads(state_file(tmp_path).read_text())
    state_file(tmp_path).write_text(json.dumps(data | {"processes": {"kafka": stale}}))
    with pytest.raises(StackError, match="no stack runs"):
        Stack.attach(tmp_path)
    with Stack(tmp_path, durable=False) as stack:
        assert read_state(tmp_path).ports == ports
        with pytest.raises(StackError, match="run already"):
            Stack(tmp_path).start()
    assert gone(stack)


def test_a_taken_port_is_one_clear_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = command("up", "--kafka-port", str(port), folder=tmp_path)
    assert done.returncode == 1
    assert f"PortTaken: port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_without_room_or_network_is_one_clear_message(tmp_path: Path) -> None:
    """What is missing is named together with the folder where it belongs."""
    settings = tmp_path / "jgo.conf"
    settings.write_text("[repositories]\nnowhere = http://127.0.0.1:9\n")
    whole = [sys.executable, "-m", "deploy.local", "up", "--dir", str(tmp_path / "stack")]
    environment = {
        "SCRIBE_CACHE_DIR": str(tmp_path / "cache"),
        "JGO_CONFIG_FILE": str(settings),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=250, check=False)
    assert done.returncode == 1
    assert "DownloadFailed" in done.stderr
    assert str(tmp_path / "cache" / "artifacts") in done.stderr
    assert "Traceback" not in done.stderr

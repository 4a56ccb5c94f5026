"""Producers that are not ours: Kafka's Java client in a process of its own, and librdkafka by any settings."""

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from confluent_kafka import Producer

ROOT = Path(__file__).parents[3]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SENT_SECONDS = 60
Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Foreign:
    """A record as anybody may write it; `timestamp` in milliseconds, None: now."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int = 0
    timestamp: int | None = None


class ForeignClient(Protocol):
    """Writes records; `end` of a transaction: commit, abort, or open, which leaves it so."""

    def send(self, *records: Foreign, end: str | None = None, **settings: Any) -> None:
        """Return when the broker has them; settings with `_` for `.`, such as compression_type."""


class JavaClient:
    """org.apache.kafka.clients.producer.KafkaProducer; starts at its first order."""

    def __init__(self, bootstrap: str, log: Path) -> None:
        self._bootstrap = bootstrap
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def start(self) -> "subprocess.Popen[str]":
        """Its process, which takes a second or two to be there."""
        if self._process is None:
            command = [sys.executable, "-m", "tests.integration.foreign.java_process", self._bootstrap]
            pipe = subprocess.PIPE
            with self._log.open("a") as log:
                self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log, text=True)
        return self._process

    def send(self, *records: Foreign, end: str | None = None, **settings: Any) -> None:
        """See ForeignClient."""
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"settings": _dotted(settings), "records": list(map(_json, records)), "end": end}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"the JVM has ended: {self._log.read_text()[-2000:]}"
        assert json.loads(line) == {}, line


class Librdkafka:
    """confluent_kafka.Producer by the settings of whoever asks; open transactions keep their client."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._made: dict[str, Producer] = {}

    def send(self, *records: Foreign, end: str | None = None, **settings: Any) -> None:
        """See ForeignClient."""
        producer = self._producer(_dotted(settings))
        failed: list[object] = []
        if end:
            producer.begin_transaction()
        for record in records:
            producer.produce(
                *(record.topic, record.value, record.key, record.partition),
                headers=list(record.headers),
                on_delivery=lambda error, _: failed.append(error) if error else None,
                timestamp=record.timestamp or 0,  # which stands for now
            )
        assert producer.flush(SENT_SECONDS) == 0
        assert not failed, failed
        if end == "commit":
            producer.commit_transaction(SENT_SECONDS)
        elif end == "abort":
            producer.abort_transaction(SENT_SECONDS)

    def _producer(self, settings: dict[str, str]) -> Producer:
        name = json.dumps(settings, sort_keys=True)
        if name not in self._made:
            made = Producer({"bootstrap.servers": self._bootstrap, "linger.ms": 20, "log_level": 0, **settings})
            if "transactional.id" in settings:
                made.init_transactions(SENT_SECONDS)
            self._made[name] = made
        return self._made[name]


def _dotted(settings: dict[str, Any]) -> dict[str, str]:
    return {name.replace("_", "."): str(value) for name, value in settings.items()}


def _json(record: Foreign) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()

"""Whatever strangers write to the topics of the Faust apps: all three go on, neighbours are handled, the rest is listed."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import Message, Producer

from producers.kafka.topic_history import TopicHistory
from producers.replay.dead_letters import DeadLetter, DeadLetterFilter, contents, read
from schemas.events import EnhancementResult, Event, TenantPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.topics import ENHANCE, PERSIST, WEBHOOKS
from schemas.wire.headers import VALUE_ABSENT
from schemas.wire.serde import Serde
from tests.conftest import TopicFactory
from tests.integration.faust_process import committed, until
from tests.integration.test_faust_service import Service, made
from tests.samples import SAMPLES
from tests.streams.batches import HEAD, New, batch, compressed, sealed, varint, xerial, zstd
from tests.streams.jobs import new_job

SERDE = Serde()
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
HEADER = 5  # bytes of an event: the zero, and its schema's id
READ = ("jobs", "express", "progress", "results", "tenants", "enhanced")
READS = {"persist": READ, "enhance": ("results",), "webhooks": ("results", "enhanced")}
NAMES = {"persist": PERSIST, "enhance": ENHANCE, "webhooks": WEBHOOKS}
COMPRESSED_BY_BROKER = {"express": "zstd", "enhanced": "lz4", "tenants": "snappy"}
MANY = [(f"name {number % 700}", b"\xff" if number % 3 else None) for number in range(1000)]
Sent = dict[str, Any]

FOREIGN: dict[str, Sent] = {
    "nothing": {"value": None, "key": None},
    "nothing but headers": {"value": None, "key": None, "headers": [("a", b"1"), ("a", None), ("", b"")]},
    "nothing but a thousand headers": {"value": None, "key": None, "headers": MANY},
    "an empty key": {"value": None, "key": b""},
    "an empty value": {"value": b"", "key": None},
    "a tombstone": {"value": None, "key": str(uuid4()).encode()},
    "a key that is no text": {"value": b"nonsense", "key": b"\xff\xfe\x00"},
    "a thousand headers": {"value": b"nonsense", "key": b"key", "headers": MANY},
    "a key of a megabyte": {"value": None, "key": b"k" * 1_000_000},
    "a value of a megabyte": {"value": b"v" * 1_000_000, "key": None},
    "headers of a megabyte": {"value": None, "key": None, "headers": [("h" * 1000, b"x" * 999_000)]},
    "claims of being a copy": {
        "value": b"nonsense",
        "headers": [(VALUE_ABSENT, b"true"), ("scribe-orig-offset", b"x")],
    },
    "an unknown schema": {"value": b"\x00\x00\x00\x7f\xff" + b"x" * 50},
}


def bomb(size: int) -> bytes:
    body = b"\0\0\0" + varint(-1) + varint(size) + bytes(size) + varint(0)
    return compressed(batch(New()), 4, zstd(varint(len(body)) + body))


PLAIN = batch(New(b"nonsense"), New(b"more"))
RAW: dict[str, bytes] = {
    "snappy as Java frames it": compressed(PLAIN, 2, xerial(PLAIN[HEAD:])),
    "a kilobyte that becomes 100 MB": bomb(100_000_000),
    "an unknown codec": compressed(PLAIN, 7, PLAIN[HEAD:]),
    "zstd that is none": compressed(PLAIN, 4, b"nonsense" * 9),
    "a length that does not end": sealed(PLAIN[:HEAD] + b"\xff" * 20),
    "a header name that is no text": sealed(batch(New(headers=[("name", b"1")])).replace(b"name", b"\xff\xfe\xfd\xfc")),
    "a record with a rest": sealed(PLAIN + b"rest"),
    "a value of a negative length": sealed(
        batch(New(None, None))[:HEAD] + b"\x0e\0\0\0" + varint(-9) + varint(-9) + b"\0\0"
    ),
}


LARGE = 3_900_000  # bytes of a record that is read like any other; the next larger ones are cut
MANY_LARGE = 100
MOST_MEMORY = 450  # MB of an app, whose libraries take 150; to keep what is done would be 390 more


@dataclass
class Strangers:
    """What was sent to the topics of a service: `foreign` offsets by topic, where a dead letter must tell of each."""

    service: Service
    apps: dict[str, "Popen[bytes]"]
    foreign: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    ends: dict[str, int] = field(default_factory=dict)

    def producer(self, codec: str = "none") -> Producer:
        # as librdkafka does it when it is asked to, also where nothing is won by it
        options = {"compression.type": codec, "linger.ms": 20, "message.max.bytes": 1_200_000}
        return Producer({"bootstrap.servers": self.service.stack.kafka_bootstrap, **options})

    def send(self, producer: Producer, topic: str, *, foreign: bool, value: bytes | None, **how: Any) -> None:
        def delivered(error: object, message: Message) -> None:
            assert error is None, (topic, error)
            self._note(topic, message.offset() or 0, 1, foreign=foreign)

        producer.produce(self.service.topics[topic], value, on_delivery=delivered, **how)

    def send_transactions(self) -> None:
        """Compressed ones: what is aborted is nobody's business, what is committed is foreign."""
        options = {"transactional.id": uuid4().hex, "compression.type": "zstd", "retry.backoff.ms": 10}
        producer = Producer({"bootstrap.servers": self.service.stack.kafka_bootstrap, **options})
        producer.init_transactions(60)
        for commits in (False, True, False):
            producer.begin_transaction()
            for topic in READ:
                self.send(producer, topic, foreign=commits, value=b"nonsense" * 100)
            producer.flush()
            (producer.commit_transaction if commits else producer.abort_transaction)(60)

    def send_raw(self, topic: str, data: bytes) -> bool:
        """Whether the broker has taken it."""
        return asyncio.run(self._send_raw(topic, data))

    async def _send_raw(self, topic: str, data: bytes) -> bool:
        async with AIOKafkaProducer(bootstrap_servers=self.service.stack.kafka_bootstrap) as producer:
            made = producer.create_batch()
            made.append(key=None, value=b"", timestamp=None)
            made._build()
            made._buffer = bytearray(data)
            try:
                delivered = await (await producer.send_batch(made, self.service.topics[topic], partition=0))
            except KafkaError:
                return False
        (last,) = struct.unpack_from(">i", data, 23)
        for offset in range(delivered.offset, delivered.offset + last + 1):
            self._note(topic, offset, 1, foreign=True)
        return True

    def _note(self, topic: str, offset: int, count: int, *, foreign: bool) -> None:
        self.ends[topic] = max(self.ends.get(topic, 0), offset + count)
        if foreign:
            self.foreign[topic].add(offset)

    def all_passed(self) -> bool:
        """Whether every app has committed all that it reads; fails when one of them has ended."""
        assert {name: app.poll() for name, app in self.apps.items()} == dict.fromkeys(self.apps)
        return all(
            (self.committed(app, topic) or 0) >= self.ends.get(topic, 0)
            for app, names in READS.items()
            for topic in names
        )

    def committed(self, app: str, topic: str) -> int | None:
        return committed(self.service.stack.kafka_bootstrap, self.group(app), self.service.topics[topic])

    def group(self, app: str) -> str:
        return f"{app}.{self.service.topics['jobs']}"

    def letters(self) -> list[DeadLetter]:
        """As `scribe dlq list` finds them."""
        settings = KafkaSettings(kafka_bootstrap=self.service.stack.kafka_bootstrap)
        with TopicHistory.open(settings) as history:
            topics = {self.service.topics[f"dlq.{app}"]: group for app, group in NAMES.items()}
            return list(read(history, SERDE, DeadLetterFilter(), topics))

    def places(self, app: str) -> list[tuple[str, int]]:
        found = [letter.origin for letter in self.letters() if letter.group == NAMES[app]]
        assert None not in found
        return sorted((origin.topic, origin.offset) for origin in found if origin is not None)

    def expected(self, app: str) -> list[tuple[str, int]]:
        return sorted((self.service.topics[topic], offset) for topic in READS[app] for offset in self.foreign[topic])


def valid(topic: str, job: Any) -> Event:
    events: dict[str, Callable[[], Event]] = {
        "jobs": job.request,
        "express": job.request,
        "progress": lambda: job.progress(1, 1),
        "results": job.result,
        "tenants": lambda: TenantPolicy(tenant=f"t{uuid4().hex}", retention_days={"audio": 7}, at=datetime.now(UTC)),
        "enhanced": enhancement,
    }
    return events[topic]()


def enhancement() -> EnhancementResult:
    sample = next(event for event in SAMPLES.values() if isinstance(event, EnhancementResult))
    return replace(sample, job_id=uuid4())


@pytest.fixture
def strangers(stack: Any, database: str, bucket: str, fresh_topic: TopicFactory, tmp_path: Any) -> Iterator[Strangers]:
    topics = {f"dlq.{app}": fresh_topic(1, name=f"dlq.{app}") for app in READS}
    for name in READ:
        config = {"compression.type": COMPRESSED_BY_BROKER.get(name, "producer")}
        topics[name] = fresh_topic(1, name=name, config=config)
    service = made(stack, database, bucket, topics, tmp_path)
    names = [topics[n] for n in ("results", "jobs", "progress", "tenants", "express", "enhanced")]
    with ExitStack() as running:
        apps = {
            app: running.enter_context(
                service.process(
                    "tests.integration.streams_process", app, f"{app}.{topics['jobs']}", topics[f"dlq.{app}"], *names
                )
            )
            for app in READS
        }
        yield Strangers(service, apps)


def test_no_foreign_record_stops_an_app_or_a_neighbour(strangers: Strangers) -> None:
    jobs = []
    for codec in CODECS:  # each with all that is foreign between valid ones, in the same batches
        producer = strangers.producer(codec)
        job = new_job(webhook_url="https://receiver.example/hook")
        jobs.append(job)
        for topic in READ:
            strangers.send(producer, topic, foreign=False, value=SERDE.encode(valid(topic, job)))
            if codec in ("none", "zstd"):
                for foreign in FOREIGN.values():
                    strangers.send(producer, topic, foreign=True, **foreign)
            else:
                strangers.send(producer, topic, foreign=True, value=b"nonsense" * 100)
            strangers.send(producer, topic, foreign=False, value=SERDE.encode(valid(topic, new_job())))
            producer.flush()
    strangers.send_transactions()
    taken = {what for what, data in RAW.items() for topic in READ if strangers.send_raw(topic, data)}
    # a broker that takes none of them would leave nothing to be tested here
    assert taken >= {"snappy as Java frames it", "a header name that is no text", "a kilobyte that becomes 100 MB"}
    until("all is passed", strangers.all_passed)
    # requests and results of all jobs, whichever topic named them
    states = strangers.service.states()
    assert states["completed"] >= 2 * len(jobs)
    (scheduled,) = strangers.service.rows("SELECT count(*) FROM webhook_deliveries")
    assert scheduled == (len(jobs),)
    for app in READS:
        assert strangers.places(app) == strangers.expected(app)
    assert all(contents(letter)["code"] == "undecodable" for letter in strangers.letters())


def test_no_app_keeps_large_records_that_are_done(strangers: Strangers) -> None:
    head = SERDE.encode(new_job().result())[:HEADER]
    producer = Producer(
        {"bootstrap.servers": strangers.service.stack.kafka_bootstrap, "compression.type": "zstd"}
        | {"linger.ms": 0, "message.max.bytes": 2 * LARGE}
    )
    for _ in range(MANY_LARGE):
        strangers.send(producer, "results", foreign=True, value=head + bytes(LARGE))
        producer.flush()
    until("all is passed", strangers.all_passed)
    peaks = {name: peak_of(app) for name, app in strangers.apps.items()}
    assert max(peaks.values()) < MOST_MEMORY, peaks


def peak_of(app: "Popen[bytes]") -> int:
    """The most memory that a process has had, in MB; not ru_maxrss, which begins with what started it."""
    (peak,) = (line for line in Path(f"/proc/{app.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) // 1024

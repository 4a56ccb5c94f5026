"""Batches in every codec, by the Java client and librdkafka, to every topic; and topics that the broker compresses."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.integration.foreign.clients import CODECS, ForeignClient
from tests.integration.foreign.goods import FAUST_TOPICS, TOPICS, Good, Goods, settled
from tests.integration.foreign.service import WholeService

CLIENTS = ("java", "librdkafka")
BROKER = ("zstd", "lz4", "snappy", "gzip")
PADDING = [("padding", b"x" * 2000)]  # what does not get smaller is sent as it is
ATTRIBUTES, LENGTH, PREFIX = slice(21, 23), slice(8, 12), 12  # of a batch, in bytes


@dataclass(frozen=True)
class Written:
    """What was sent, how, and what is missing of its effect."""

    cases: dict[tuple[str, str, str], Good]
    missing: dict[tuple[str, str, str], str]


@pytest.fixture(scope="module")
def written(service: WholeService, clients: dict[str, ForeignClient], topic_admin: AdminClient) -> Written:
    """One good record a client, codec and topic."""
    goods = Goods(service)
    cases: dict[tuple[str, str, str], Good] = {}

    def padded(name: str) -> Good:
        good = goods.sample_for(name)
        return good.altered(headers=[*good.record.headers, *PADDING])

    for client, codec in product(CLIENTS, CODECS):
        made = {(client, codec, name): padded(name) for name in TOPICS}
        clients[client].send(*(good.record for good in made.values()), compression_type=codec)
        cases |= made
    for codec in BROKER:
        compress(topic_admin, service, codec)
        made = {("broker", codec, name): padded(name) for name in FAUST_TOPICS}
        clients["librdkafka"].send(*(good.record for good in made.values()))
        cases |= made
    compress(topic_admin, service, "producer")
    missing = settled(service, cases.values())
    return Written(cases, {case: missing[number] for number, case in enumerate(cases) if number in missing})


def compress(admin: AdminClient, service: WholeService, codec: str) -> None:
    """Let the broker write all that comes to the topics of the Faust apps in a codec."""
    entry = ConfigEntry("compression.type", codec, incremental_operation=AlterConfigOpType.SET)
    resources = [
        ConfigResource(ResourceType.TOPIC, service.topic(name), incremental_configs=[entry]) for name in FAUST_TOPICS
    ]
    for future in admin.incremental_alter_configs(resources).values():
        future.result()


def codecs_on_disk(service: WholeService, name: str) -> set[str]:
    """In which codecs the broker keeps the batches of a topic's first partition."""
    folder = Path(service.parts.stack.kafka.data) / "log" / f"{service.topic(name)}-0"
    return {codec for segment in folder.glob("*.log") for codec in codecs_of(segment.read_bytes())}


def codecs_of(segment: bytes) -> Iterator[str]:
    """The codec of each batch."""
    at = 0
    while at + PREFIX < len(segment) and (length := int.from_bytes(segment[at:][LENGTH])):
        yield CODECS[int.from_bytes(segment[at:][ATTRIBUTES]) & 7]
        at += PREFIX + length


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_batch_in_any_codec_is_read(written: Written, client: str, codec: str, name: str) -> None:
    assert (client, codec, name) in written.cases
    lack = written.missing.get((client, codec, name))
    assert lack is None


@pytest.mark.parametrize("name", FAUST_TOPICS)
@pytest.mark.parametrize("codec", BROKER)
def test_what_the_broker_compresses_is_read(written: Written, codec: str, name: str) -> None:
    lack = written.missing.get(("broker", codec, name))
    assert lack is None


@pytest.mark.parametrize("name", TOPICS)
def test_the_broker_keeps_batches_in_all_codecs(written: Written, service: WholeService, name: str) -> None:
    """The cases above were what they say."""
    assert codecs_on_disk(service, name) == set(CODECS)


def test_no_process_has_ended(written: Written, service: WholeService) -> None:
    assert service.ended_processes == {}
    assert service.parts.pids() == service.pids

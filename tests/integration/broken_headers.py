"""Writes what no client library agrees to write: a header whose name is not UTF-8."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

NAME, BROKEN = "header-name", b"header-\xff\xfe\xfd\xfc"
CRC, COUNTED = 17, 21  # where a batch holds its checksum, and what comes after it


def produce_with_broken_header(bootstrap: str, topic: str, *values: bytes, key: bytes | None = None) -> None:
    """Records with these values, in partition 0; returns when the broker has them."""
    asyncio.run(_produce(bootstrap, topic, values, key))


async def _produce(bootstrap: str, topic: str, values: Sequence[bytes], key: bytes | None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        batch = producer.create_batch()
        for value in values:
            batch.append(key=key, value=value, timestamp=None, headers=[(NAME, b"1")])
        _break(batch)
        await (await producer.send_batch(batch, topic, partition=0))


def _break(batch: BatchBuilder) -> None:
    """Replace the name in the finished bytes, and the checksum."""
    assert len(NAME) == len(BROKEN)
    body = bytearray(bytes(batch._build()).replace(NAME.encode(), BROKEN))
    body[CRC:COUNTED] = calc_crc32c(bytes(body[COUNTED:])).to_bytes(4, "big")
    batch._buffer = body

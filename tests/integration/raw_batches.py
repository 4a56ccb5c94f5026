"""Record batches as bytes on a real broker, among them such as it takes though nobody's client library can open them."""

import asyncio

from aiokafka import AIOKafkaProducer

from tests.streams.batches import HEAD, New, batch, compressed, lz4, varint, xerial, zstd

_MANY = batch(*(New(b"value %d" % number) for number in range(11)))
_BODY = _MANY[HEAD:]


def zeros(size: int) -> bytes:
    """A batch of one record of so many bytes, which zstd makes very small."""
    record = b"\0\0\0" + varint(-1) + varint(size) + bytes(size) + varint(0)
    return compressed(batch(New()), 4, zstd(varint(len(record)) + record))


def unopenable() -> dict[str, tuple[int, bytes]]:
    """How many records each batch has, and its bytes."""
    return {
        "a bomb": (1, zeros(120_000_000)),
        "bytes behind a frame": (11, compressed(_MANY, 3, lz4(_BODY) + b"garbage!")),
        "two streams": (11, compressed(_MANY, 2, xerial(_BODY[:20]) + xerial(_BODY[20:]))),
    }


def send_raw(bootstrap: str, topic: str, *batches: bytes, partition: int = 0) -> list[int]:
    """The first offset of each batch."""
    return asyncio.run(_send(bootstrap, topic, batches, partition))


async def _send(bootstrap: str, topic: str, batches: tuple[bytes, ...], partition: int) -> list[int]:
    found = []
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for data in batches:
            made = producer.create_batch()
            made.append(key=None, value=b"", timestamp=None)
            made._build()
            made._buffer = bytearray(data)
            found.append((await (await producer.send_batch(made, topic, partition=partition))).offset)
    return found

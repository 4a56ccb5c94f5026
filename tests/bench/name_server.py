"""A name service over UDP whose answers are a function's, valid for no time at all."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

from tests.bench.address_tricks import Name

A, CNAME, AAAA = 1, 5, 28
MAX_CHAIN = 8

Lookup = Callable[[str], Name | None]


def answer(query: bytes, lookup: Lookup) -> bytes:
    """The answer to one question, with the whole chain of aliases."""
    name, end = _name(query)
    (kind,) = struct.unpack_from("!H", query, end)
    records: list[bytes] = []
    found = lookup(name)
    for _ in range(MAX_CHAIN):
        if found is None or found.alias is None:
            break
        records.append(_record(name, CNAME, _encoded(found.alias)))
        name = found.alias
        found = lookup(name)
    for address in map(ip_address, found.addresses if found else ()):
        if kind == {4: A, 6: AAAA}[address.version]:
            records.append(_record(name, kind, address.packed))
    known = 0 if records or found else 3  # NXDOMAIN
    head = query[:2] + struct.pack("!HHHHH", 0x8580 | known, 1, len(records), 0, 0)
    return head + query[12 : end + 4] + b"".join(records)


def _name(query: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    return ".".join(labels).lower(), at + 1


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _encoded(name) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


@contextmanager
def name_server(address: str, lookup: Lookup) -> Iterator[None]:
    """Answer on port 53 of `address` until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    query, client = server.recvfrom(4096)
                    if not query:
                        return
                    server.sendto(answer(query, lookup), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (address, 53))
            thread.join()

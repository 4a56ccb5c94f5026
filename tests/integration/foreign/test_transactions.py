"""Transactions of strangers: committed ones are read, aborted ones are not, and one left open holds up its partition alone."""

import time
from dataclasses import dataclass
from itertools import product

import pytest

from tests.integration.foreign.clients import ForeignClient, Librdkafka
from tests.integration.foreign.goods import TOPICS, Good, Goods, Seen, behind, settled
from tests.integration.foreign.service import WholeService

CLIENTS = ("java", "librdkafka")
ENDS = ("commit", "abort")
OPEN_PARTITION = 1
TIMEOUT_MS = 3000  # after it, and up to ten seconds more, the broker ends what was left open


@dataclass(frozen=True)
class Written:
    """What is missing of good records in transactions by client, end and topic; and of those beside and behind open ones."""

    missing: dict[tuple[str, str, str], str]
    beside: dict[str, str]
    behind: dict[str, str]
    not_ready: list[str]
    waited: float


@pytest.fixture(scope="module")
def written(service: WholeService, clients: dict[str, ForeignClient], librdkafka: Librdkafka) -> Written:
    return write(service, clients, librdkafka)


def write(service: WholeService, clients: dict[str, ForeignClient], librdkafka: Librdkafka) -> Written:
    """Open ones first, for they take the longest; meanwhile everything else, in the other partition."""
    last = leave_open(service, clients, librdkafka)
    began = time.monotonic()
    goods = Goods(service)
    cases: dict[tuple[str, str, str], Good] = {}
    for client, end in product(CLIENTS, ENDS):
        made = {(client, end, name): goods.sample_for(name) for name in TOPICS}
        # several batches, some of them compressed
        codec = {"compression_type": "zstd"} if end == "commit" else {}
        records = [good.record for good in made.values()]
        clients[client].send(*records, end=end, transactional_id=f"{service.parts.prefix}-{client}-{end}", **codec)
        cases |= made
    beside = behind(service)
    librdkafka.send(*(good.record for good in beside))
    visible = {case: good for case, good in cases.items() if case[1] == "commit"}
    missing = settled(service, [*visible.values(), *beside])
    not_ready = [name for name in service.pids if not service.parts.ready(name)]
    waited = time.monotonic() - began
    found = {case: missing[number] for number, case in enumerate(visible) if number in missing}
    seen = Seen(service)
    found |= {case: "it was read" for case, good in cases.items() if case[1] == "abort" and shown(seen, good)}
    lacks = {good.name: missing[n] for n, good in enumerate(beside, len(visible)) if n in missing}
    late = settled(service, last)
    return Written(found, lacks, {good.name: late[n] for n, good in enumerate(last) if n in late}, not_ready, waited)


def leave_open(service: WholeService, clients: dict[str, ForeignClient], librdkafka: Librdkafka) -> list[Good]:
    """A transaction of each client that nobody ends, in one partition of every topic, and good records behind them."""
    goods = Goods(service, partition=OPEN_PARTITION)
    for client in CLIENTS:
        records = [goods.sample_for(name).record for name in TOPICS]
        settings = {"transactional_id": f"{service.parts.prefix}-{client}-open", "transaction_timeout_ms": TIMEOUT_MS}
        clients[client].send(*records, end="open", **settings)
    last = behind(service, partition=OPEN_PARTITION)
    librdkafka.send(*(good.record for good in last))
    return last


def shown(seen: Seen, good: Good) -> bool:
    """Whether a record that must not be seen had its effect; of progress nothing is ever seen."""
    return good.name != "scribe.progress" and good.missing(seen) is None


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.parametrize("end", ENDS)
def test_committed_records_are_read_and_aborted_ones_are_not(written: Written, end: str, name: str) -> None:
    lacks = {case[0]: lack for case, lack in written.missing.items() if case[1:] == (end, name)}
    assert lacks == {}


@pytest.mark.parametrize("name", TOPICS)
def test_an_open_transaction_holds_up_no_other_partition(written: Written, name: str) -> None:
    lack = written.beside.get(name)
    assert lack is None


@pytest.mark.parametrize("name", TOPICS)
def test_what_waits_behind_an_open_transaction_is_read_when_the_broker_has_ended_it(
    written: Written, name: str
) -> None:
    lack = written.behind.get(name)
    assert lack is None


def test_an_open_transaction_makes_nobody_unready(written: Written) -> None:
    assert written.not_ready == []


def test_no_process_has_ended(written: Written, service: WholeService) -> None:
    assert service.ended_processes == {}
    assert service.parts.pids() == service.pids

"""The outbound guard against every trick: on paper everywhere, and over the wire where there are network namespaces."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from schemas.errors import Permanent
from schemas.settings.outbound import OutboundSettings
from sink.http.client import check_url
from tests.bench.address_tricks import PUBLIC_ADDRESS, Trick, tricks, zone
from tests.bench.guard_rig import Report
from tests.bench.name_server import AAAA, A, answer
from tests.bench.outbound_guard import MISSING, broken, measured

ALL = tricks()
CLOSED = OutboundSettings(allowed_networks=())
NOWHERE = "name without an answer"


def resolve(host: str, port: int) -> Sequence[str]:
    """What a name service says, with aliases followed."""
    found = zone().get(host.lower()) or zone().get(f"{host}.svc.cluster.local")
    while found and found.alias:
        found = zone().get(found.alias)
    return found.addresses if found else ()


def test_no_trick_is_written_twice() -> None:
    assert len({trick.url for trick in ALL}) == len(ALL) >= 200


@pytest.mark.parametrize("trick", [t for t in ALL if t.kind != NOWHERE], ids=lambda t: f"{t.kind}-{t.url!a}")
def test_no_trick_passes_once_its_name_is_looked_up(trick: Trick) -> None:
    with pytest.raises(Permanent) as caught:
        check_url(trick.url, CLOSED, "production", resolve=resolve)
    assert caught.value.code == "source_refused"


def test_the_name_service_follows_aliases_and_knows_both_kinds_of_addresses() -> None:
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x02c0\x06tricks\x07example\x00\x00%c\x00\x01"
    told = answer(question % A, zone().get)
    assert (told[:2], told[3] & 15, told[7]) == (b"\x12\x34", 0, 3)
    assert told.endswith(bytes([127, 0, 0, 1]))
    assert answer(question % AAAA, zone().get)[7] == 2
    assert answer(question % A, lambda _: None)[3] & 15 == 3


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    found = measured(tmp_path_factory.mktemp("guard"), 100)
    if found is None:
        pytest.skip(MISSING)
    return found


def test_no_byte_leaves_for_an_address_that_may_not_be_called(report: Report) -> None:
    assert broken(report) == [], report


def test_a_stray_packet_or_byte_would_be_told(report: Report) -> None:
    """The oracle itself: each of its instruments alone breaks the run."""
    changes: tuple[dict[str, Any], ...] = (
        {"canary_bytes": 1},
        {"canary_connections": 1},
        {"stray": {f"tcp {PUBLIC_ADDRESS} 80": 1}},
        {"opened": report.opened + 1},
        {"packets_missed": 1},
        {"reached": {}},
        {"control_rebound": 0},
    )
    for change in changes:
        assert len(broken(replace(report, **change))) == 1

"""Ports: asked for, remembered, or any free one."""

import socket
from collections.abc import Iterator

import pytest

from deploy.local.errors import PortTaken
from deploy.local.ports import RANGE, choose, is_open


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_names_get_ports_of_their_own() -> None:
    chosen = choose(["kafka", "s3", "postgres"], {}, {})
    assert len(set(chosen.values())) == 3
    assert set(chosen.values()) <= set(RANGE)


def test_a_chosen_port_is_for_its_server_alone() -> None:
    """Also before that listens: whoever chooses at the same time gets another one."""
    (port,) = choose(["kafka"], {}, {}).values()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        assert is_open(port)
    assert not is_open(port)


def test_a_free_port_of_the_last_run_is_taken_again() -> None:
    before = choose(["kafka"], {}, {})
    assert choose(["kafka"], {}, before) == before


def test_a_lost_port_of_the_last_run_is_replaced(taken: int) -> None:
    assert choose(["kafka"], {}, {"kafka": taken})["kafka"] != taken


def test_the_port_asked_for_wins() -> None:
    (free,) = choose(["any"], {}, {}).values()
    assert choose(["kafka"], {"kafka": free}, {"kafka": free + 1}) == {"kafka": free}


def test_a_taken_port_is_named_with_its_option(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"{taken} .*--kafka-port"):
        choose(["kafka"], {"kafka": taken}, {})
    assert is_open(taken)

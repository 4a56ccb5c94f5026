"""The guarded client against real servers that lie, stall, flood and lead elsewhere."""

import gzip
import socket
from pathlib import Path

import pytest

from schemas.errors import NotOwner, Permanent, Transient
from sink.http.client import Downloaded
from sink.http.recording_body import MIN_BYTES_PER_SECOND, PACE_SECONDS, MinimumSpeed
from sink.objects.disk import is_full
from tests.sink.fetching import fetch, refusal_of, trouble_of
from tests.sink.strangers import (
    CHUNKED,
    NAME,
    OK,
    SHORT,
    Script,
    Visit,
    answer,
    stranger,
    url_of,
)


def test_a_recording_arrives_whole(path: Path) -> None:
    with stranger(answer(200, b"sound", content_type="audio/mpeg")) as server:
        found = fetch(url_of(server), path)
        assert found == Downloaded(5, "audio/mpeg", f"http://{NAME}:{server.port}/a.mp3")
        assert path.read_bytes() == b"sound"
        assert list(path.parent.iterdir()) == [path]
        (visit,) = server.visits
        assert visit.head.startswith(b"GET /a.mp3?token=kanari HTTP/1.1\r\n")
        assert visit.header("host") == f"{NAME}:{server.port}"
        assert visit.header("accept-encoding") == "identity"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "source_not_found"),
        (410, "source_not_found"),
        (400, "source_unreachable"),
        (401, "source_unreachable"),
        (403, "source_unreachable"),
        (204, "source_unreachable"),
        (206, "source_unreachable"),
        (300, "source_unreachable"),
        (302, "source_unreachable"),  # without an address
        (304, "source_unreachable"),
    ],
)
def test_an_answer_that_is_no_recording_says_its_status(path: Path, status: int, code: str) -> None:
    error = refusal_of(answer(status), path)
    assert error.code == code
    assert f"answered {status}" in error.detail


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_an_answer_that_may_change_is_tried_later(path: Path, status: int) -> None:
    assert f"answered {status}" in trouble_of(answer(status), path)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip"])
def test_a_compressed_body_is_refused(path: Path, encoding: str) -> None:
    script = answer(200, gzip.compress(bytes(10_000)), content_encoding=encoding)
    assert refusal_of(script, path).code == "source_unreachable"


def test_a_body_announced_too_large_is_not_read(path: Path) -> None:
    assert refusal_of(lambda visit: visit.send(OK + b"Content-Length: 1001\r\n\r\n"), path).code == "media_too_large"


def test_a_body_of_just_the_limit_arrives(path: Path) -> None:
    with stranger(lambda visit: visit.send(CHUNKED, b"3e8\r\n", bytes(1000), b"\r\n0\r\n\r\n")) as server:
        assert fetch(url_of(server), path).size_bytes == 1000


@pytest.mark.parametrize("head", [CHUNKED, OK + b"\r\n"], ids=["chunked", "until-close"])
def test_an_endless_body_ends_at_the_limit(path: Path, head: bytes) -> None:
    def endless(visit: Visit) -> None:
        visit.send(head)
        visit.flood(b"400\r\n" + bytes(1024) + b"\r\n")

    assert refusal_of(endless, path).code == "media_too_large"


@pytest.mark.parametrize(
    "flood",
    [
        (OK, b"X-Header: " + b"x" * 100 + b"\r\n"),
        (OK + b"X-Header: ", b"x" * 1000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"),
        (CHUNKED, b"1;" + b"x" * 10_000 + b"\r\ns\r\n"),
    ],
    ids=["headers", "one-header", "hints", "chunk-extensions"],
)
def test_floods_beside_the_body_are_cut_off(path: Path, flood: tuple[bytes, bytes]) -> None:
    def script(visit: Visit) -> None:
        visit.send(flood[0])
        visit.flood(flood[1])

    assert refusal_of(script, path).code == "source_unreachable"


def test_interim_answers_are_passed_over(path: Path) -> None:
    def script(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
        answer(200, b"sound")(visit)

    with stranger(script) as server:
        assert fetch(url_of(server), path).size_bytes == 5


@pytest.mark.parametrize(
    "script",
    [
        lambda visit: visit.send(OK + b"Content-Length: 10\r\n\r\nsound"),
        lambda visit: visit.send(CHUNKED + b"5\r\nsound\r\n"),
        lambda visit: None,
        Visit.reset,
        lambda visit: visit.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    ],
    ids=["short", "short-chunked", "no-answer", "reset", "not-http"],
)
def test_a_connection_that_breaks_is_tried_later(path: Path, script: Script) -> None:
    assert "broke the connection" in trouble_of(script, path)


@pytest.mark.parametrize(
    "script",
    [
        Visit.wait,
        lambda visit: (visit.send(OK), visit.drip(b"X")),
        lambda visit: (visit.send(CHUNKED), visit.drip(b"1\r\nx\r\n")),
    ],
    ids=["silence", "slow-head", "slow-body"],
)
def test_the_deadline_covers_everything(path: Path, script: Script) -> None:
    assert "within 0.4 s" in trouble_of(script, path, deadline_seconds=SHORT, max_bytes=10**9)


def test_a_source_that_drips_is_given_up_long_before_the_deadline(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold a worker for as long."""
    monkeypatch.setattr("sink.http.recording_body.PACE_SECONDS", 0.1)

    def script(visit: Visit) -> None:
        visit.send(CHUNKED)
        visit.drip(b"1\r\nx\r\n")

    error = refusal_of(script, path, max_bytes=10**9)
    assert error.code == "source_unreachable"
    assert "too slow" in error.detail


def test_the_pace_is_judged_after_a_while_and_over_a_while() -> None:
    """Slow at first is no fault; neither is a pause within a window that was fast enough as a whole."""
    pace, window = MinimumSpeed(100.0), int(PACE_SECONDS)
    pace.check(0, 100.0 + window - 1)
    pace.check(1, 100.0 + window)
    pace.check(1, 100.0 + 2 * window - 1)
    pace.check(1 + MIN_BYTES_PER_SECOND * window, 100.0 + 2 * window)
    with pytest.raises(Permanent, match="too slow"):
        pace.check(MIN_BYTES_PER_SECOND * window * 2, 100.0 + 3 * window)


def test_silence_in_the_tls_handshake_is_cut_off(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Transient, match="within"):
        fetch(f"https://{NAME}:{silent.getsockname()[1]}/", path, deadline_seconds=SHORT)


def test_a_cancelled_job_stops_in_the_middle_of_a_silence(path: Path) -> None:
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise NotOwner("the partition went away")

    with stranger(Visit.wait) as server, pytest.raises(NotOwner):
        fetch(url_of(server), path, check=check)
    assert list(path.parent.iterdir()) == []


def test_a_disk_without_room_for_what_is_announced_is_found_out_before_the_first_byte(path: Path) -> None:
    """Nothing is fetched in vain, and nothing stays on the disk."""

    def script(visit: Visit) -> None:
        visit.send(OK + b"Content-Length: %d\r\n\r\n" % 2**43)
        visit.wait()

    with stranger(script) as server, pytest.raises(OSError, match="No space left") as caught:
        fetch(url_of(server), path, max_bytes=2**44)
    assert is_full(caught.value)
    assert list(path.parent.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_not_the_sources_fault(path: Path) -> None:
    path.with_name(path.name + ".part").symlink_to("/dev/full")
    with stranger(answer(200, b"sound")) as server, pytest.raises(OSError, match="No space left") as caught:
        fetch(url_of(server), path)
    assert is_full(caught.value)
    assert list(path.parent.iterdir()) == []


def test_a_chunked_body_is_as_long_as_it_is_and_not_as_announced(path: Path) -> None:
    head = OK + b"Content-Length: 900\r\nTransfer-Encoding: chunked\r\n\r\n"
    with stranger(lambda visit: visit.send(head, b"5\r\nsound\r\n0\r\n\r\n")) as server:
        assert fetch(url_of(server), path).size_bytes == 5
    assert path.read_bytes() == b"sound"

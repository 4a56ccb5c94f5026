"""The guarded client against real servers that lie, stall, flood and lead elsewhere."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trustme

from schemas.errors import NotOwner, Permanent, SettingsError, Transient
from schemas.settings import OutboundSettings
from sink.disk import is_full
from sink.outbound import Downloaded, OutboundClient, check_url, trust_of
from sink.recording_body import MIN_BYTES_PER_SECOND, PACE_SECONDS, Pace
from tests.sink.strangers import (
    CHUNKED,
    CLOSED,
    HERE,
    LONG,
    LOOPBACK,
    NAME,
    OK,
    SHORT,
    Names,
    Script,
    Visit,
    answer,
    server_context,
    stranger,
    url_of,
)


def fetch(
    url: str,
    path: Path,
    *,
    names: Callable[[str, int], Sequence[str]] | None = None,
    settings: OutboundSettings = LOOPBACK,
    trust: ssl.SSLContext | None = None,
    max_bytes: int = 1000,
    deadline_seconds: float = LONG,
    check: Callable[[], None] | None = None,
) -> Downloaded:
    client = OutboundClient(settings, "development", resolve=names or Names(HERE), ssl_context=trust)
    return client.download(url, path, max_bytes=max_bytes, deadline_seconds=deadline_seconds, check=check)


def refusal_of(script: Script, path: Path, **options: object) -> Permanent:
    with stranger(script) as server, pytest.raises(Permanent) as caught:
        fetch(url_of(server), path, **options)  # type: ignore[arg-type]
    assert "kanari" not in str(caught.value)
    assert list(path.parent.iterdir()) == []
    return caught.value


def trouble_of(script: Script, path: Path, **options: object) -> str:
    with stranger(script) as server, pytest.raises(Transient) as caught:
        fetch(url_of(server), path, **options)  # type: ignore[arg-type]
    assert "kanari" not in str(caught.value)
    assert list(path.parent.iterdir()) == []
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recording"


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


def test_tls_is_spoken_with_the_name_though_the_address_is_dialled(
    path: Path, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    with stranger(answer(200, b"sound"), tls=server_context(authority, NAME)) as server:
        names = Names(HERE)
        fetch(url_of(server, scheme="https"), path, names=names, trust=trusting)
        assert server.server_names == [NAME]
        assert names.asked == [NAME]


def test_a_certificate_for_another_name_is_refused(path: Path, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with stranger(answer(200, b"sound"), tls=server_context(authority, "other.example")) as server:
        with pytest.raises(Permanent, match="certificate") as caught:
            fetch(url_of(server, scheme="https"), path, trust=trusting)
        assert caught.value.code == "source_unreachable"
        assert server.visits == []


def test_a_certificate_of_an_unknown_authority_is_refused(path: Path, authority: trustme.CA) -> None:
    with stranger(answer(200, b"sound"), tls=server_context(authority, NAME)) as server:
        with pytest.raises(Permanent, match="certificate"):
            fetch(url_of(server, scheme="https"), path)
        assert server.visits == []


def test_an_authority_of_your_own_is_trusted_beside_the_public_ones(
    path: Path, tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> None:
    """A private receiver or media server in production: its network and its authority are named."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    settings = OutboundSettings(allowed_networks=("127.0.0.1/32",), outbound_ca_file=file)
    with stranger(answer(200, b"sound"), tls=server_context(authority, NAME)) as server:
        assert fetch(url_of(server, scheme="https"), path, settings=settings).size_bytes == 5
    assert len(trust_of(settings).get_ca_certs()) == len(trust_of(CLOSED).get_ca_certs()) + 1


def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for name in ("nowhere.pem", "empty.pem"):
        with pytest.raises(SettingsError, match=f"SCRIBE_OUTBOUND_CA_FILE: .*{name}: "):
            trust_of(OutboundSettings(outbound_ca_file=tmp_path / name))


def test_tls_with_a_server_that_does_not_speak_it_is_an_unreachable_source(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_say, args=(listener, b"SSH-2.0-OpenSSH_9.9\r\n"))
        thread.start()
        with pytest.raises(Permanent, match="TLS") as caught:
            fetch(f"https://{NAME}:{listener.getsockname()[1]}/", path)
        thread.join()
    assert caught.value.code == "source_unreachable"


def _say(listener: socket.socket, words: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(words)
        connection.recv(65536)


def test_proxies_of_the_environment_are_not_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stranger(answer(200, b"by the proxy")) as proxy, stranger(answer(200, b"sound")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        fetch(url_of(server), path)
        assert path.read_bytes() == b"sound"
        assert proxy.connections == 0


def test_the_next_address_is_tried_when_one_does_not_listen(path: Path) -> None:
    settings = OutboundSettings(allowed_networks=("127.0.0.0/8",))
    with stranger(answer(200, b"sound")) as server:
        fetch(url_of(server), path, names=Names(["127.0.0.9", "127.0.0.1"]), settings=settings)
    assert path.read_bytes() == b"sound"


@pytest.mark.parametrize("answers", [HERE, ["1.1.1.1", "127.0.0.1"], ["::1"], ["127.0.0.1", "2606:4700::1111"]])
def test_a_name_that_leads_inside_is_refused_and_nobody_is_called(path: Path, answers: list[str]) -> None:
    with stranger(answer(200, b"secrets")) as server:
        with pytest.raises(Permanent, match="not a public one") as caught:
            fetch(url_of(server), path, names=Names(answers), settings=CLOSED)
        assert caught.value.code == "source_refused"
        assert server.connections == 0


def test_a_name_that_changes_its_mind_is_called_where_it_was_checked(path: Path) -> None:
    """Rebinding: the second answer would lead to the canary, and is never asked for."""
    with stranger(answer(200, b"sound")) as server, stranger(answer(200), host="127.0.0.2", port=server.port) as canary:
        names = Names(HERE, ["127.0.0.2"])
        fetch(url_of(server), path, names=names)
        assert len(names.asked) == 1
        assert (server.connections, canary.connections) == (1, 0)


def test_a_redirect_to_a_name_that_changed_its_mind_is_refused(path: Path) -> None:
    with (
        stranger(answer(302, location="/again")) as server,
        stranger(answer(200), host="127.0.0.2", port=server.port) as canary,
    ):
        with pytest.raises(Permanent, match="not a public one"):
            fetch(url_of(server), path, names=Names(HERE, ["127.0.0.2"]))
        assert (server.connections, canary.connections) == (1, 0)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/",
        "http://[::1]/",
        "file:///etc/passwd",
        "http://u:p@recordings.example/",
        "https://[",
    ],
)
def test_a_redirect_that_leads_inside_is_refused(path: Path, location: str) -> None:
    assert refusal_of(answer(302, location=location), path).code == "source_refused"


@pytest.mark.parametrize(("hops", "arrives"), [(1, True), (3, True), (4, False)])
def test_three_redirects_are_followed_and_no_more(path: Path, hops: int, arrives: bool) -> None:
    def script(visit: Visit) -> None:
        at = int(visit.head.split()[1].removeprefix(b"/"))
        (answer(302, location=f"/{at + 1}") if at < hops else answer(200, b"sound"))(visit)

    with stranger(script) as server:
        if arrives:
            assert fetch(url_of(server, "/0"), path).final_url == url_of(server, f"/{hops}")
            return
        with pytest.raises(Permanent, match="more than 3 redirects") as caught:
            fetch(url_of(server, "/0"), path)
        assert caught.value.code == "source_unreachable"
        assert len(server.visits) == 4


def test_nobody_listening_is_an_unreachable_source(path: Path, free_tcp_port: int) -> None:
    with pytest.raises(Permanent, match="nobody listens") as caught:
        fetch(f"http://{NAME}:{free_tcp_port}/", path)
    assert caught.value.code == "source_unreachable"


def test_an_unknown_name_is_an_unreachable_source(path: Path) -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for names in (unknown, Names([])):
        with pytest.raises(Permanent, match=NAME) as caught:
            fetch(f"http://{NAME}/", path, names=names)
        assert caught.value.code == "source_unreachable"


def test_a_name_service_that_is_away_is_no_fault_of_the_source(path: Path) -> None:
    def away(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.raises(Transient, match="name service"):
        fetch(f"http://{NAME}/", path, names=away)


def test_a_name_service_that_hangs_does_not_outlive_the_deadline(path: Path) -> None:
    release = threading.Event()

    def hanging(host: str, port: int) -> Sequence[str]:
        release.wait()
        return HERE

    try:
        with pytest.raises(Transient, match=r"within 0\.4 s"):
            fetch(f"http://{NAME}/", path, names=hanging, deadline_seconds=SHORT)
    finally:
        release.set()


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
    monkeypatch.setattr("sink.recording_body.PACE_SECONDS", 0.1)

    def script(visit: Visit) -> None:
        visit.send(CHUNKED)
        visit.drip(b"1\r\nx\r\n")

    error = refusal_of(script, path, max_bytes=10**9)
    assert error.code == "source_unreachable"
    assert "too slow" in error.detail


def test_the_pace_is_judged_after_a_while_and_over_a_while() -> None:
    """Slow at first is no fault; neither is a pause within a window that was fast enough as a whole."""
    pace, window = Pace(100.0), int(PACE_SECONDS)
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


def test_the_door_checks_an_address_without_asking_names() -> None:
    assert check_url("https://recordings.example/a.mp3", CLOSED, "production").host == NAME
    with pytest.raises(Permanent):
        check_url("http://recordings.example/a.mp3", CLOSED, "production")


def test_the_door_may_ask_names_too() -> None:
    assert check_url("https://recordings.example/", CLOSED, "production", resolve=Names(["1.1.1.1"])).host == NAME
    assert check_url("https://recordings.example/", CLOSED, "production", resolve=Names([])).host == NAME
    with pytest.raises(Permanent, match="not a public one"):
        check_url("https://recordings.example/", CLOSED, "production", resolve=Names(["10.0.0.1"]))

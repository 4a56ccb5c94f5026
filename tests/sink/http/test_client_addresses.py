"""The guarded client calls only addresses that it checked: names, redirects, certificates, proxies."""

import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from schemas.errors import Permanent, SettingsError, Transient
from schemas.settings.outbound import OutboundSettings
from sink.http.client import check_url, trust_of
from tests.sink.fetching import fetch, refusal_of
from tests.sink.strangers import (
    CLOSED,
    HERE,
    NAME,
    SHORT,
    Names,
    Visit,
    answer,
    server_context,
    stranger,
    url_of,
)


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


def test_a_redirect_to_a_host_that_the_caller_does_not_want_is_not_followed(path: Path) -> None:
    wanted: list[str] = []

    def check_host(host: str) -> None:
        wanted.append(host)
        if host != "recordings.example":
            raise Permanent("source_refused", f"not {host}")

    with stranger(lambda visit: answer(302, location=f"http://OTHER.example:{server.port}/")(visit)) as server:
        with pytest.raises(Permanent, match=r"not other\.example"):
            fetch(url_of(server), path, check_host=check_host)
        assert wanted == ["recordings.example", "other.example"]
        assert server.connections == 1


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


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/שיחה é.mp3".replace(" ", "%20").encode(), b"/%D7%A9%D7%99%D7%97%D7%94%20%C3%A9.mp3"),
        ("/é.mp3?name=ü".encode(), b"/%C3%A9.mp3?name=%C3%BC"),
        ("/é.mp3".encode("latin-1"), b"/%E9.mp3"),
        (b"/%C3%A9.mp3", b"/%C3%A9.mp3"),
    ],
    ids=["UTF-8", "in a query too", "Latin-1", "encoded"],
)
def test_a_redirect_is_followed_as_it_was_written(path: Path, location: bytes, asked: bytes) -> None:
    """Servers write names of files into it as they are; encoded twice they would be others."""

    def script(visit: Visit) -> None:
        if visit.head.split()[1] == asked:
            answer(200, b"sound")(visit)
        elif visit.head.split()[1] == b"/":
            visit.send(b"HTTP/1.1 302 X\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n")
        else:
            answer(404)(visit)

    with stranger(script) as server:
        assert fetch(url_of(server, "/"), path).size_bytes == 5


def test_nobody_listening_is_an_unreachable_source(path: Path, deaf_port: int) -> None:
    with pytest.raises(Permanent, match="nobody listens") as caught:
        fetch(f"http://{NAME}:{deaf_port}/", path)
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


def test_the_door_checks_an_address_without_asking_names() -> None:
    assert check_url("https://recordings.example/a.mp3", CLOSED, "production").host == NAME
    with pytest.raises(Permanent):
        check_url("http://recordings.example/a.mp3", CLOSED, "production")


def test_the_door_may_ask_names_too() -> None:
    assert check_url("https://recordings.example/", CLOSED, "production", resolve=Names(["1.1.1.1"])).host == NAME
    assert check_url("https://recordings.example/", CLOSED, "production", resolve=Names([])).host == NAME
    with pytest.raises(Permanent, match="not a public one"):
        check_url("https://recordings.example/", CLOSED, "production", resolve=Names(["10.0.0.1"]))

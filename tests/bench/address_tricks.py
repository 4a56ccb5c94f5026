"""The ways in which an address that a stranger names may lead inside: each as it is written, and what its name resolves to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PUBLIC_ADDRESS = "93.184.216.34"
PUBLIC = "public.tricks.example"  # a name that leads to it, and to nothing else
ZONE = "tricks.example"


@dataclass(frozen=True)
class Name:
    """What a name service answers: addresses of both versions, or another name that is to be asked for."""

    addresses: tuple[str, ...] = ()
    alias: str | None = None


@dataclass(frozen=True)
class Trick:
    """An address of a class; `inside` is where it leads when nobody looks, `names` is what it needs of the name service."""

    kind: str
    url: str
    inside: str = "127.0.0.1"
    names: Mapping[str, Name] | None = None


LITERALS = {
    "this network": ("0.0.0.0", "0.1.2.3"),
    "private": ("10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.0.1"),
    "carriers": ("100.64.0.1", "100.127.255.254"),
    "loopback": ("127.0.0.1", "127.8.8.8", "127.255.255.254"),
    "link-local": ("169.254.0.1",),
    "metadata": (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.253"),  # AWS, GCP, Azure, tasks and pods
        *(
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "169.254.0.23",
        ),  # Azure's wire server, Alibaba, Oracle, Tencent
    ),
    "special": ("192.0.0.1", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1"),
    "benchmarks and documentation": ("198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1"),
    "multicast and broadcast": ("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
}
LITERALS_V6 = {
    "loopback": ("::1", "0:0:0:0:0:0:0:1", "::"),
    "metadata": ("fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe"),
    "private": ("fc00::1", "fd12:3456::1", "fec0::1"),
    "link-local": ("fe80::1",),
    "IPv4 inside": (
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("2001:0:7f00:1::80ff:fffe", "2001:0:4136:e378:8000:63bf:80ff:fffe"),  # Teredo: server, client
    ),
    "multicast": ("ff02::1", "ff0e::1"),
    "special": ("100::1", "2001:db8::1", "2001:20::1", "3fff::1", "5f00::1", "2620:4f:8000::1", "4000::1"),
}
NUMBERS = {
    **dict.fromkeys(("2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1"), "127.0.0.1"),
    **dict.fromkeys(
        ("0x7f.0.0.1", "0x7f.1", "127.0.0.0x1", "00000177.0.0.1", "0177.0x0.0.1", "127.0.0.1."), "127.0.0.1"
    ),
    **dict.fromkeys(("0", "0x0", "00"), "0.0.0.0"),
    **dict.fromkeys(("2852039166", "0xA9FEA9FE", "025177524776", "169.254.43518"), "169.254.169.254"),
    "3232235521": "192.168.0.1",
    "10.1": "10.0.0.1",
    "4294967295": "255.255.255.255",
}
LETTERS = (
    *("①②⑦.0.0.1", "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "②¹³⁰⁷⁰⁶⁴³³", "０ｘ７ｆ．１"),
    *("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "LOCALHOST", "localhost", "localhost.", "ｌｏｃａｌｈｏｓｔ", "loca\u00adlhost", "loc\u200balhost"),
)
PARSERS = (
    *(f"https://{PUBLIC}@127.0.0.1/", f"https://{PUBLIC}:443@127.0.0.1/", f"https://u:p@127.0.0.1@{PUBLIC}/"),
    *(f"https://{PUBLIC}%40127.0.0.1/", f"https://127.0.0.1%40{PUBLIC}/", "https://:@127.0.0.1/"),
    *(
        f"https://127.0.0.1#@{PUBLIC}/",
        f"https://127.0.0.1?@{PUBLIC}/",
        f"https://127.0.0.1/@{PUBLIC}/",
        "https://127.0.0.1;/",
    ),
    *(
        f"https://{PUBLIC}\\@127.0.0.1/",
        f"https://127.0.0.1\\.{PUBLIC}/",
        "https:\\\\127.0.0.1\\",
        "https:/\\127.0.0.1/",
    ),
    *(
        "https:///127.0.0.1/",
        "https:127.0.0.1/",
        "//127.0.0.1/",
        "https:/127.0.0.1/",
        "https:////127.0.0.1/",
        "127.0.0.1",
    ),
    *(
        "https://127.0.0.1\t/",
        "https://\t127.0.0.1/",
        "ht\ntps://127.0.0.1/",
        " https://127.0.0.1/",
        "https://127.0.0.1 /",
    ),
    *(f"https://127.0.0.1\x00.{PUBLIC}/", f"https://{PUBLIC}\r\nHost: 127.0.0.1/", "https://127.0.0.1\x7f/"),
    *(
        "https://%31%32%37.0.0.1/",
        "https://127%2e0%2e0%2e1/",
        f"https://127.0.0.1%00.{PUBLIC}/",
        "https://127.0.0.1%23/",
    ),
    *(
        "https://[::1%25lo]/",
        "https://[fe80::1%25lo]/",
        "https://[fe80::1%lo]/",
        "https://[::1].example/",
        "https://[127.0.0.1]/",
    ),
    *(
        "https://[v1.7f000001]/",
        "https://[]/",
        f"https://[::1]@{PUBLIC}/",
        "https://[::ffff:127.0.0.1%25lo]/",
        "https://[::1",
    ),
)
DOORS = (
    *(
        f"https://{host}:{port}/"
        for host in ("127.0.0.1", PUBLIC)
        for port in ("22", "25", "80", "6379", "8080", "0", "65536")
    ),
    *(f"https://{PUBLIC}:{port}/" for port in ("-1", "４４３0", "4 43", "443abc", "0x1bb1")),
    *(
        f"{scheme}://127.0.0.1:6379/x"
        for scheme in ("http", "ftp", "gopher", "dict", "ldap", "ws", "wss", "HTTP", "http+unix")
    ),
    *(
        "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd",
        "data:,x",
        "javascript:1",
        "unix:/run/x.sock",
        "jar:https://127.0.0.1!/",
    ),
)


def _named(kind: str, label: str, inside: str, **names: Name) -> Trick:
    zone = {f"{name}.{ZONE}": found for name, found in names.items()}
    return Trick(kind, f"https://{label}.{ZONE}/", inside, zone)


def _names() -> Iterator[Trick]:
    for number, (kind, addresses) in enumerate([*LITERALS.items(), *LITERALS_V6.items()]):
        yield _named(f"name to {kind}", f"n{number}", addresses[0], **{f"n{number}": Name((addresses[0],))})
    for place, inside in enumerate(("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254")):
        both = {f"b{place}": Name((PUBLIC_ADDRESS, inside)), f"a{place}": Name((inside, PUBLIC_ADDRESS))}
        yield _named("mixed answers", f"b{place}", inside, **both)
        yield _named("mixed answers", f"a{place}", inside, **both)
    for place, inside in enumerate(("::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fd00::1", "64:ff9b::7f00:1")):
        yield _named("AAAA only", f"s{place}", inside, **{f"s{place}": Name((inside,))})
    for place, inside in enumerate(("127.0.0.1", "169.254.169.254", "fd00::1")):
        chain = {f"c{place}": Name(alias=f"d{place}.{ZONE}"), f"d{place}": Name(alias=f"e{place}.{ZONE}")}
        yield _named("CNAME chain", f"c{place}", inside, **chain, **{f"e{place}": Name((inside,))})
    yield _named("CNAME to localhost", "local", "127.0.0.1", local=Name(alias="localhost"))
    yield _named(
        "many answers", "many", "10.0.0.1", many=Name((*(f"93.184.216.{n}" for n in range(35, 55)), "10.0.0.1"))
    )
    yield _named("name with a dot at its end", "n0.tail", "127.0.0.1", **{"n0.tail": Name(("127.0.0.1",))})
    yield _named("address in a name", "127.0.0.1", "127.0.0.1", **{"127.0.0.1": Name(("127.0.0.1",))})
    metadata = {"metadata.google.internal": Name(("169.254.169.254",))}
    yield Trick("name of a metadata service", "https://metadata.google.internal/", "169.254.169.254", metadata)
    yield Trick("name of the search domain", "https://db/", "10.96.0.1", {"db.svc.cluster.local": Name(("10.96.0.1",))})
    yield Trick("name without an answer", f"https://nothing.{ZONE}/", "127.0.0.1", {})


def tricks() -> list[Trick]:
    """All of them; each address is written once."""
    found = [Trick(kind, f"https://{address}/", address) for kind, all_ in LITERALS.items() for address in all_]
    found += [Trick(kind, f"https://[{address}]/", address) for kind, all_ in LITERALS_V6.items() for address in all_]
    found += [Trick("other spellings of a number", f"https://{text}/", inside) for text, inside in NUMBERS.items()]
    found += [Trick("letters", f"https://{text}/") for text in LETTERS]
    found += [Trick("what parsers disagree on", url) for url in PARSERS]
    found += [Trick("ports and schemes", url) for url in DOORS]
    return [*found, *_names()]


def zone() -> dict[str, Name]:
    """Everything that the name service knows, but for names whose answers change."""
    known = {PUBLIC: Name((PUBLIC_ADDRESS,)), "localhost": Name(("127.0.0.1", "::1"))}
    for trick in tricks():
        known |= trick.names or {}
    return known

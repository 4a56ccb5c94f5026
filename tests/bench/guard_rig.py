"""What the outbound guard does with every trick, measured inside of a network of its own; prints its report as JSON.

Run by tests.bench.outbound_guard, which makes the network: `python -m tests.bench.guard_rig FOLDER TRIES`.
"""

import asyncio
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import httpx
import trustme

from producers.jobs.submit import check
from schemas.errors import ScribeError
from schemas.events import Source
from schemas.models.registry import load_registry
from schemas.settings.outbound import OutboundSettings
from schemas.tenants.permissions import free_policy
from sink.http.client import AsyncOutboundClient, DeliveryError, OutboundClient, check_url
from sink.http.exchange import FailureKind, system_resolver
from tests.bench.address_tricks import PUBLIC, PUBLIC_ADDRESS, ZONE, Name, Trick, tricks, zone
from tests.bench.name_server import name_server
from tests.bench.namespace import Calls, PacketWatch, active_opens, canaries, settle_in
from tests.samples import BARE_REQUEST
from tests.sink.connect_proxy import tunnels
from tests.sink.strangers import StrangersServer, Visit, answer, server_context, stranger

NAME_SERVER = "192.0.2.53"
PROXY = ("192.0.2.80", 3128)
PORTS = (22, 25, 80, 443, 3128, 6379, 8080, 8443)
DEADLINE = 60.0  # nothing here is so slow, but a machine may stand still
CONTROLS = 40
SETTINGS = OutboundSettings(allowed_networks=())
REFUSED, CALLED = "refused", "public"
EXPECTED = {("udp", NAME_SERVER, 53), ("tcp", PUBLIC_ADDRESS, 443), ("tcp", *PROXY)}


@dataclass
class Report:
    """Outcomes by kind of trick and stage, and what the oracles have seen; `reached` are tricks that fool a naive client."""

    tricks: dict[str, int]
    reached: dict[str, int]
    outcomes: dict[str, dict[str, dict[str, int]]]
    rebinding: dict[str, dict[str, int]]
    canary_connections: int = 0
    canary_bytes: int = 0
    control_connections: int = 0
    control_rebound: int = 0
    stray: dict[str, int] = field(default_factory=dict)
    packets: int = 0
    packets_missed: int = 0
    opened: int = 0
    accepted: int = 0


Stage = Callable[[Trick], str]


class Guard:
    """The guard as the service uses it in production, at each of its doors."""

    def __init__(self, authority: trustme.CA, folder: Path, redirects: dict[str, str]) -> None:
        trust = httpx.create_ssl_context(trust_env=False)
        authority.configure_trust(trust)
        proxied = SETTINGS.model_copy(
            update={"egress_proxy": OutboundSettings(egress_proxy=f"http://{PROXY[0]}:{PROXY[1]}").egress_proxy}
        )
        self._poster = AsyncOutboundClient(SETTINGS, "production", ssl_context=trust)
        self._fetcher = OutboundClient(SETTINGS, "production", ssl_context=trust)
        self.by_proxy = AsyncOutboundClient(proxied, "production", ssl_context=trust)
        self._fetcher_by_proxy = OutboundClient(proxied, "production", ssl_context=trust)
        self._registry = load_registry()
        self._folder = folder
        self._redirects = redirects
        self._numbers = count()

    @property
    def stages(self) -> dict[str, Stage]:
        """Each way in which an address comes to us."""
        return {
            "create": lambda trick: self.create(trick.url),
            "deliver": lambda trick: asyncio.run(self.deliver(trick.url)),
            "fetch": lambda trick: self.fetch(trick.url),
            "redirect": lambda trick: self.redirect(trick.url),
            "deliver by proxy": lambda trick: asyncio.run(self.deliver(trick.url, self.by_proxy)),
            "redirect by proxy": lambda trick: self.redirect(trick.url, self._fetcher_by_proxy),
        }

    def create(self, url: str) -> str:
        """The REST shim's checks of a recording's and of a webhook's address; they ask no name service."""
        address = partial(check_url, settings=SETTINGS, environment="production")
        recording = replace(BARE_REQUEST, source=Source(uri=url))
        webhook = replace(BARE_REQUEST, webhook_url=url)
        said = []
        for request in (recording, webhook):
            try:
                check(request, free_policy(request.tenant), self._registry, datetime.now(UTC), address, str)
            except ScribeError:
                said.append(REFUSED)
            else:
                said.append("accepted")
        return said[0] if said[0] == said[1] else " ".join(said)

    def resolved(self, url: str) -> str:
        """The check with the name looked up."""
        try:
            check_url(url, SETTINGS, "production", resolve=system_resolver)
        except ScribeError:
            return REFUSED
        return "accepted"

    async def deliver(self, url: str, client: AsyncOutboundClient | None = None) -> str:
        """A webhook."""
        try:
            answer = await (client or self._poster).post(url, b"{}", {}, deadline_seconds=DEADLINE)
        except DeliveryError as error:
            return REFUSED if error.kind is FailureKind.REFUSED else str(error.kind)
        return CALLED if answer.status == 200 else str(answer.status)

    def fetch(self, url: str, client: OutboundClient | None = None) -> str:
        """A recording."""
        path = self._folder / f"{threading.get_ident()}"
        try:
            (client or self._fetcher).download(url, path, max_bytes=1000, deadline_seconds=DEADLINE)
        except ScribeError as error:
            code = getattr(error, "code", type(error).__name__)
            return REFUSED if code == "source_refused" else code.removeprefix("source_")
        return CALLED

    def redirect(self, url: str, client: OutboundClient | None = None) -> str:
        """A recording whose public address leads on to this one."""
        number = str(next(self._numbers))
        self._redirects[number] = url
        return self.fetch(f"https://{PUBLIC}/{number}", client)


class Flipping:
    """A name service that knows the zone, and names that say at random, question by question, public or inside."""

    def __init__(self) -> None:
        self._zone = zone()
        self._insides: dict[str, tuple[str, random.Random]] = {}

    def add(self, name: str, inside: str) -> None:
        """A name that changes its mind."""
        self._insides[name] = inside, random.Random(name)

    def __call__(self, name: str) -> Name | None:
        if name in self._insides:
            inside, chance = self._insides[name]
            return Name((inside if chance.random() < 0.5 else PUBLIC_ADDRESS,))
        return self._zone.get(name)


def public_server(redirects: dict[str, str]) -> Callable[[Visit], None]:
    """Answers 200, or leads to where the path says."""

    def script(visit: Visit) -> None:
        path = visit.head.split()[1].decode("latin-1").removeprefix("/")
        location = redirects.get(path)
        if location is None:
            return answer(200, b"sound")(visit)
        return visit.send(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: ", location.encode(), b"\r\n\r\n")

    return script


def naive(url: str, calls: Calls) -> bool:
    """Whether a client without a guard reaches a canary; tried with a usual one."""
    before = sum(calls.connections.values())
    with suppress(Exception), httpx.Client(trust_env=False, timeout=0.5, verify=False) as client:
        client.get(url)
    return sum(calls.connections.values()) > before


def checks_and_then_calls(number: int, names: Flipping, calls: Calls) -> bool:
    """Whether a client that looks a name up, finds it well and calls it by its name ends at a canary."""
    name = f"control{number}.{ZONE}"
    names.add(name, "127.0.0.1")
    try:
        check_url(f"https://{name}/", SETTINGS, "production", resolve=system_resolver)
    except ScribeError:
        return False
    return naive(f"https://{name}/", calls)


def rebind(guard: Guard, names: Flipping, insides: list[str], tries: int) -> Iterator[tuple[str, str]]:
    """`tries` names, each checked, delivered to and fetched from while its answers change; pairs of stage and outcome."""

    def one(number: int) -> list[tuple[str, str]]:
        name = f"flip{number}.{ZONE}"
        names.add(name, insides[number % len(insides)])
        url = f"https://{name}/"
        return [
            ("create, name looked up", guard.resolved(url)),
            ("deliver", asyncio.run(guard.deliver(url))),
            ("deliver by proxy", asyncio.run(guard.deliver(url, guard.by_proxy))),
            ("fetch", guard.fetch(url)),
            ("redirect", guard.redirect(url)),
        ]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(one, range(tries)):
            yield from found


@contextmanager
def network(
    folder: Path, authority: trustme.CA, names: Flipping, redirects: dict[str, str]
) -> Iterator[tuple[Calls, list[StrangersServer]]]:
    """Name service, canaries everywhere, and the two servers that may be called."""
    settle_in(folder, NAME_SERVER)
    with ExitStack() as stack:
        stack.enter_context(name_server(NAME_SERVER, names))
        calls = stack.enter_context(canaries(PORTS))
        tls = server_context(authority, f"*.{ZONE}")
        public = stack.enter_context(
            stranger(public_server(redirects), tls=tls, host=PUBLIC_ADDRESS, port=443, shared=True)
        )
        proxy = stack.enter_context(stranger(tunnels(), host=PROXY[0], port=PROXY[1], shared=True))
        yield calls, [public, proxy]


def measure(folder: Path, tries: int) -> Report:
    """Everything, in the network that this process is in."""
    authority, names, redirects, all_ = trustme.CA(), Flipping(), dict[str, str](), tricks()
    report = Report(dict(Counter(trick.kind for trick in all_)), {}, {}, {})
    with network(folder, authority, names, redirects) as (calls, servers):
        report.reached = dict(Counter(trick.kind for trick in all_ if naive(trick.url, calls)))
        report.control_connections = sum(calls.connections.values())
        report.control_rebound = sum(checks_and_then_calls(n, names, calls) for n in range(CONTROLS))
        calls.clear()
        guard = Guard(authority, folder, redirects)
        opened, accepted = active_opens(), sum(server.connections for server in servers)
        with PacketWatch() as watch:
            for stage, call in guard.stages.items():
                for trick in all_:
                    outcomes = report.outcomes.setdefault(trick.kind, {}).setdefault(stage, {})
                    outcome = call(trick)
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1
            for stage, outcome in rebind(guard, names, insides_of(all_), tries):
                found = report.rebinding.setdefault(stage, {})
                found[outcome] = found.get(outcome, 0) + 1
        calls.settle()
        report.opened = active_opens() - opened
        report.accepted = sum(server.connections for server in servers) - accepted
        report.canary_connections, report.canary_bytes = sum(calls.connections.values()), calls.bytes
        report.packets, report.packets_missed = watch.packets, watch.missed
        report.stray = {" ".join(map(str, start)): n for start, n in watch.begun.items() if start not in EXPECTED}
    return report


def insides_of(all_: list[Trick]) -> list[str]:
    """Every address inside that some trick leads to."""
    return sorted({str(ip_address(trick.inside)) for trick in all_})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure(Path(sys.argv[1]), int(sys.argv[2])))))

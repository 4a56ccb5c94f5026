"""The proof of webhooks in short, and the proof of its checker: mistakes planted on purpose are seen."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from schemas.settings.outbound import OutboundSettings
from schemas.settings.stores import PostgresSettings
from sink.postgres.database import Database
from sink.webhooks.secrets import SecretBox, new_key
from tests.bench.webhooks.checker import RULES, Facts, check
from tests.bench.webhooks.evidence import gathered
from tests.bench.webhooks.load import ended, load, register
from tests.bench.webhooks.parts import receivers_port
from tests.bench.webhooks.plan import Kind, Message, Plan, Reply
from tests.bench.webhooks.planted import BUGS, SOUND, Bug
from tests.bench.webhooks.receivers import Call, Receivers
from tests.bench.webhooks.report import as_json, shown
from tests.bench.webhooks.run import Faults, run

OUTBOUND = OutboundSettings.model_validate({"allowed_networks": ["127.0.0.0/8"], "webhook_key": new_key()})
SECRETS = SecretBox.from_settings(OUTBOUND)
LOOK_SECONDS = 0.05
LONG, SHORT = 1200, 30  # looks without any progress: counted, for a machine may stand still between two


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
        yield opened


class Prompt(Plan):
    """Receivers that answer every call: what is planted here needs no patience to be seen."""

    def reply(self, message: Message, call: int) -> Reply:
        reply = super().reply(message, call)
        return Reply(Kind.ERROR, 500) if reply.kind in (Kind.TIMEOUT, Kind.DRIP) else reply


async def facts_under(bug: Bug, db: Database, folder: Path) -> Facts:
    """What is known after a small run of a dispatcher with a mistake, which nobody kills."""
    plan = Prompt(seed=7, events=12, endpoints=2, port=receivers_port(), gone=1)
    log, stop = folder / "calls.tsv", asyncio.Event()
    await register(db, plan, SECRETS)
    async with Receivers(plan, log).listening():
        with bug.planted():
            sending = asyncio.create_task(bug.leaser(db, OUTBOUND, SECRETS).run(stop))
            await load(db, plan, lambda: 0, lambda _: None, bug.gated_seconds)
            await settled(db, plan, log, SHORT if bug.promises else LONG)
            stop.set()
            await sending
    return await gathered(db, plan, log, kills=0, restarts=0)


async def settled(db: Database, plan: Plan, log: Path, patience: int) -> None:
    """Wait until all has ended; a mistake may keep it from that, or make calls without end."""
    looks, seen = 0, (0, 0)
    for _ in range(10 * patience):
        now = await ended(db) or 0, log.stat().st_size
        if now[0] == len(plan.known) or looks == patience:
            return
        looks, seen = (looks + 1, seen) if now == seen else (0, now)
        await asyncio.sleep(LOOK_SECONDS)


@pytest.mark.anyio
async def test_a_sound_dispatcher_is_not_accused(db: Database, tmp_path: Path) -> None:
    facts = await facts_under(SOUND, db, tmp_path)
    assert [verdict for verdict in check(facts) if verdict.broken] == []
    assert {call.kind for call in facts.calls} >= {Kind.TAKEN, Kind.ERROR, Kind.GONE}


@pytest.mark.anyio
@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
async def test_a_planted_mistake_is_seen(bug: Bug, db: Database, tmp_path: Path) -> None:
    facts = await facts_under(bug, db, tmp_path)
    assert set(bug.promises) <= {verdict.promise for verdict in check(facts) if verdict.broken}


def test_every_promise_is_broken_by_a_planted_mistake() -> None:
    assert {promise for bug in BUGS.values() for promise in bug.promises} == set(RULES)


def test_all_is_drawn_from_the_seed() -> None:
    one, same, other = (Plan(seed, events=50, endpoints=4, port=1, gone=2) for seed in (1, 1, 2))
    replies = [
        [plan.reply(message, call) for message in plan.messages() for call in range(3)] for plan in (one, same, other)
    ]
    assert replies[0] == replies[1]
    assert replies[0] != replies[2]
    assert len(one.last_words) == 2


def test_receivers_fail_as_often_as_they_are_asked_to() -> None:
    plan = Plan(seed=3, events=1000, endpoints=20, port=1)
    kinds = [plan.reply(Message(event, endpoint), 0).kind for event in range(1000) for endpoint in range(20)]
    assert 0.28 < sum(kind is not Kind.TAKEN for kind in kinds) / len(kinds) < 0.32
    assert set(kinds) == set(Kind) - {Kind.GONE}


@pytest.mark.parametrize("status", [None, 204])
def test_a_line_of_the_log_is_read_as_it_was_written(status: int | None) -> None:
    call = Call(1234.5, 3, "msg_a", 1234, Kind.DRIP, status, True, "a-job")
    assert Call.parse(call.line().decode()) == call


@pytest.fixture
def quiet() -> Iterator[Console]:
    with Path("/dev/null").open("w") as nowhere:
        yield Console(file=nowhere)


@pytest.mark.postgres
def test_nothing_is_lost_or_repeated_while_dispatchers_die(tmp_path: Path, quiet: Console) -> None:
    """Real dispatchers, eight of them killed, and a database that is restarted in the middle."""
    plan = Plan(seed=1, events=200, endpoints=5, port=receivers_port(), gone=1)
    result = run(plan, Faults(kills=8, restarts=1, rotations=5), tmp_path, quiet)
    quiet.print(shown(result))
    assert result.broken == [], as_json(result)
    assert (result.facts.kills, result.facts.restarts, result.rotations, result.ended_alone) == (8, 1, 5, 0)

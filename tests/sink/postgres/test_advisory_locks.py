"""No two things share a lock, no key is made up elsewhere, and the keys are those of the version before."""

import re
from pathlib import Path

import psycopg

from sink.postgres.advisory_locks import REPLAY_BEFORE, KeyedLock, SingleLock

ROOT = Path(__file__).parents[3]
NAMES = ("0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11", "acme")
RELEASED: dict[SingleLock | KeyedLock, int | str] = {
    SingleLock.MIGRATIONS: 0x5C12BE,
    SingleLock.RELAY: 0x5C12BE_0B,
    SingleLock.RETENTION: 0x5C12BE_5EE9,
    SingleLock.HOLDS: 0x5C12BE_401D,
    KeyedLock.JOB: "hashtextextended(x, 0)",
    KeyedLock.QUEUED_OF_TENANT: "hashtextextended(x, 1)",
    KeyedLock.ENDPOINTS_OF_TENANT: "hashtextextended('endpoints of ' || x, 0)",
    KeyedLock.REPLAY: "hashtextextended('replay ' || x, 0)",
}
_KEYS = re.compile(r"pg_(?:try_)?advisory\w+\((.*)\)")


def test_each_thing_has_its_own_key_also_under_one_name(database: str) -> None:
    """A job whose id a client made that of a command that runs, and a tenant that is called like a job."""
    with psycopg.connect(database) as connection:
        keys = [int(lock) for lock in SingleLock]
        for lock in KeyedLock:
            for name in NAMES:
                row = connection.execute(f"SELECT {lock.key('%s::text')}".encode(), [name]).fetchone()
                keys += row or ()
    assert len(set(keys)) == len(keys) == len(SingleLock) + len(KeyedLock) * len(NAMES)


def test_processes_of_the_version_before_take_the_same_locks() -> None:
    """Else both lead, both count, or both decide about a job."""
    assert {lock: lock.key("x") if isinstance(lock, KeyedLock) else int(lock) for lock in RELEASED} == RELEASED
    assert set(RELEASED) == {*SingleLock, *KeyedLock}
    assert REPLAY_BEFORE.key("x") == "hashtextextended(x, 0)"


def test_no_key_is_made_up_elsewhere() -> None:
    """Statements name the registry; migrations, which cannot, have keys that are in it."""
    allowed = {lock.key(name) for lock in KeyedLock for name in ("new_id::text", "new_tenant")}
    for path in (ROOT / "sink" / "migrations").glob("*.sql"):
        assert set(_KEYS.findall(path.read_text())) <= allowed, path.name
    for path in (path for folder in ("sink", "producers", "streams") for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text()
        assert path.name == "advisory_locks.py" or "hashtextextended(" not in text, path
        keys = set(re.findall(r"pg_(?:try_)?advisory\w+\(([^)]{1,4})", text))
        assert keys <= {"{Key", "{loc", "%s", "key"}, path

"""Migrations of the database's schema, forward only: every file of migrations/ once, in order, in its own transaction.

A file `….concurrently.sql` builds or drops indexes of tables that may be large, one statement after the other and
outside of any transaction, so that writers do not wait; half-built indexes are dropped and built again.
`python -m sink.postgres.migrate` brings the database of SCRIBE_POSTGRES_DSN up to date.
"""

import hashlib
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from schemas.errors import Fatal, ScribeError
from schemas.settings.loading import load
from schemas.settings.stores import PostgresSettings
from sink.postgres.advisory_locks import SingleLock
from sink.postgres.database import translated, with_defaults

FOLDER = Path(__file__).parents[1] / "migrations"
_LOCK_PAUSE = 0.2  # seconds between two looks
LOCK_SECONDS = 5  # for the tables that a migration changes; then it is an Outage, and tried again
_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY (?P<name>\w+) ")
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name        text PRIMARY KEY,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file: its name gives the order, its digest proves that it is unchanged since it was applied."""

    name: str
    text: str

    @property
    def statements(self) -> tuple[str, ...] | None:
        """The statements that cannot run in a transaction; None when the whole file is one transaction."""
        if not self.name.endswith(".concurrently.sql"):
            return None
        plain = "\n".join(line for line in self.text.splitlines() if not line.startswith("--"))
        return tuple(statement.strip() for statement in plain.split(";") if statement.strip())

    @property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrate(dsn: str, folder: Path = FOLDER) -> tuple[str, ...]:
    """Apply the pending migrations and return their names.

    Safe while other instances do the same: one works, the others wait and find nothing to do.
    Raises Outage when the server is away, Fatal when the files are not those that the database was made with.
    """
    migrations = read(folder)
    with translated(), psycopg.connect(with_defaults(dsn), autocommit=True) as connection:
        _take_lock(connection)
        # everybody would wait behind a migration that waits for a long reader
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.execute(_TABLE)
        rows = connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall()
        missing = pending(migrations, {str(name): str(sha256) for name, sha256 in rows})
        for migration in missing:
            _apply(connection, migration)
    return tuple(migration.name for migration in missing)


def read(folder: Path) -> tuple[Migration, ...]:
    """The migrations in a folder, in the order of their names."""
    return tuple(Migration(path.name, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql")))


def pending(migrations: tuple[Migration, ...], applied: dict[str, str]) -> tuple[Migration, ...]:
    """The migrations to apply, given names and digests of the applied ones; raises Fatal when the two do not fit.

    Names after our last one were applied by a newer version, beside which this one still works.
    """
    known = {migration.name: migration for migration in migrations}
    newest = max(applied, default="")
    for name, sha256 in sorted(applied.items()):
        if name not in known and name < max(known, default=""):
            raise Fatal(f"the database has migration {name}, this version has not: use the version that made it")
        if name in known and known[name].sha256 != sha256:
            raise Fatal(f"migration {name} was changed after it was applied: put it back and add a new file")
    missing = tuple(migration for migration in migrations if migration.name not in applied)
    if missing and missing[0].name < newest:
        raise Fatal(f"migration {missing[0].name} comes before {newest}, which is applied: give it a later number")
    return missing


def _take_lock(connection: psycopg.Connection) -> None:
    """Take the migration lock, which is released with the connection, however that ends.

    The lock is polled: a waiting session would block indexes that are built concurrently.
    """
    while connection.execute("SELECT pg_try_advisory_lock(%s)", [SingleLock.MIGRATIONS]).fetchone() != (True,):
        time.sleep(_LOCK_PAUSE)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        if migration.statements is not None:
            return _apply_concurrently(connection, migration, migration.statements)
        with connection.transaction():
            connection.execute(migration.text.encode())
            _mark(connection, migration)
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise Fatal(f"migration {migration.name} cannot be applied: {error}") from error


def _apply_concurrently(connection: psycopg.Connection, migration: Migration, statements: tuple[str, ...]) -> None:
    # it takes no lock that others would wait behind, and waits for every transaction that is open
    connection.execute("SET lock_timeout = 0")
    for statement in statements:
        if index := _INDEX.match(statement):
            name = index["name"]
            if (known := connection.execute(_IS_VALID, [name]).fetchone()) == (True,):
                continue
            if known is not None:
                connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(name)))
        connection.execute(statement.encode())
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    _mark(connection, migration)


def _mark(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", [migration.name, migration.sha256]
    )


def main() -> int:
    """Apply what is missing in the database of the environment; exit code 1 with one line when that fails."""
    try:
        names = migrate(load(PostgresSettings).postgres_dsn.get_secret_value())
    except ScribeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"applied {name}\n" for name in names) or "the database is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

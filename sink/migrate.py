"""The database's schema, forward only: every file of migrations/ once, in order, each in one transaction with its mark.

`python -m sink.migrate` brings the database of SCRIBE_POSTGRES_DSN up to date.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg

from schemas.errors import Fatal, ScribeError
from schemas.settings import PostgresSettings, load
from sink.postgres import translated, with_defaults

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x5C12BE  # any constant; it keeps two starting instances apart
LOCK_SECONDS = 5  # for the tables that a migration changes; then it is an Outage, and tried again
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name        text PRIMARY KEY,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name is its place in the order, its digest proves that it is still what was applied."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrate(dsn: str, folder: Path = FOLDER) -> tuple[str, ...]:
    """Apply what is missing and return its names.

    Safe while other instances do the same: one works, the others wait and find nothing to do.
    Raises Outage when the server is away, Fatal when the files are not those that the database was made with.
    """
    migrations = read(folder)
    with translated(), psycopg.connect(with_defaults(dsn), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])  # let go with the connection, however it ends
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
    """What is to be applied, given name and digest of what was; raises Fatal when the two do not fit.

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


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", [migration.name, migration.sha256]
            )
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise Fatal(f"migration {migration.name} cannot be applied: {error}") from error


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

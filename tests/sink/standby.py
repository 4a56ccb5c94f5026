"""A streaming replica of a local PostgreSQL, made by pg_basebackup."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import StartFailed
from deploy.local.postgres import UNPRIVILEGED, Postgres, binaries, unprivileged


class Standby(Postgres):
    """Follows `primary`; reads only."""

    def __init__(self, folder: Path, ports: Mapping[str, int], password: str, primary: Postgres) -> None:
        super().__init__(folder, ports, password, owned=True, durable=False)
        self._primary = primary

    def _init(self) -> None:
        self._cluster.mkdir(exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            os.chown(self._cluster, UNPRIVILEGED, UNPRIVILEGED)
        source = ("--dbname", self._primary.dsn("postgres"), "--pgdata", str(self._cluster))
        backup = [str(binaries() / "pg_basebackup"), *source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        done = subprocess.run(unprivileged(backup), capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"no base backup: {done.stderr}")

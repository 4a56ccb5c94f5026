"""Which processes of a run are of the version before, and where its code is."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sink.postgres.migrate import migrate
from tests import version_before
from tests.chaos import names

SCRIBE = "scribe"  # the operator's command, which is no process but has a version too
_TOPICS = "import sys; from tests.chaos import names; names.create(sys.argv[1], sys.argv[2], int(sys.argv[3]))"


@dataclass
class Versions:
    """The versions of the processes of a run by their names; `before` is None where there is only one."""

    before: Path | None = None
    old: set[str] = field(default_factory=set)
    """Names whose next life is of the version before."""
    old_pids: set[int] = field(default_factory=set)
    """Processes that were of the version before."""

    def environment(self, name: str) -> dict[str, str]:
        """What makes the next life of a process, or the command, one of its version."""
        return version_before.environment(self.before) if self.before is not None and name in self.old else {}

    def change(self, name: str) -> None:
        """The next life is of the other version."""
        self.old ^= {name}

    def lives(self, name: str, pid: int) -> None:
        """Note a process that was started just now."""
        if name in self.old:
            self.old_pids.add(pid)

    def create(self, environment: Mapping[str, str], bootstrap: str, prefix: str, partitions: int) -> None:
        """Topics and tables as the version of the command makes them; what is there stays."""
        if SCRIBE not in self.old:
            names.create(bootstrap, prefix, partitions)
            migrate(environment["SCRIBE_POSTGRES_DSN"])
            return
        whole = {**os.environ, **environment, **self.environment(SCRIBE)}
        for words in (["-c", _TOPICS, bootstrap, prefix, str(partitions)], ["-m", "producers", "database", "migrate"]):
            subprocess.run([sys.executable, *words], env=whole, check=True, stdout=subprocess.DEVNULL)

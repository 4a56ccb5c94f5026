"""Keys of all advisory locks, defined in one place because they share one number space per database.

Processes of several versions work side by side, so a released key stays as it is, or the one before is taken too.
"""

from enum import Enum, IntEnum


class SingleLock(IntEnum):
    """A lock with one fixed key."""

    MIGRATIONS = 0x5C12BE  # one instance migrates at a time
    RELAY = 0x5C12BE_0B  # its holder publishes the outbox
    RETENTION = 0x5C12BE_5EE9  # its holder deletes what is over
    HOLDS = 0x5C12BE_401D  # whoever deletes shares it, whoever sets a hold has it alone


class KeyedLock(Enum):
    """A lock per job, tenant or command: the prefix of its name, and the seed of the hash."""

    JOB = ("", 0)  # what happens to a job is decided under it; scribe_accept_job() takes it too
    QUEUED_OF_TENANT = ("", 1)  # one counts the jobs of a tenant that wait; only scribe_accept_job() takes it
    ENDPOINTS_OF_TENANT = ("endpoints of ", 0)  # one registers a tenant's endpoint at a time
    REPLAY = ("replay ", 0)  # held while a command that sends records again works

    def key(self, name: str) -> str:
        """The key as SQL, `name` an expression of type text."""
        prefix, seed = self.value
        whole = f"'{prefix}' || {name}" if prefix else name
        return f"hashtextextended({whole}, {seed})"


REPLAY_BEFORE = KeyedLock.JOB
"""Replays were locked as if they were jobs; that lock is taken too while a process of such a version may run."""

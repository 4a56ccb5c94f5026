"""State of a stack between commands: ports, secrets and processes, in one file that only the owner may read."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.process import ProcessId


@dataclass(frozen=True, slots=True)
class Secrets:
    """Random secrets of a stack, which keep other accounts of this machine out."""

    postgres_password: str
    s3_access_key: str
    s3_secret_key: str
    kafka_secret: str = field(default_factory=lambda: secrets.token_hex(20))

    @classmethod
    def new(cls) -> "Secrets":
        """New random secrets."""
        return cls(secrets.token_hex(16), f"scribe{secrets.token_hex(8)}", secrets.token_hex(20))


@dataclass(slots=True)
class StackState:
    """The contents of the state file."""

    secrets: Secrets = field(default_factory=Secrets.new)
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, ProcessId] = field(default_factory=dict)
    durable: bool = True
    brokers: int = 1
    secure: bool = False

    @property
    def running(self) -> dict[str, ProcessId]:
        """The processes that are alive."""
        return {name: identity for name, identity in self.processes.items() if identity.process()}


def state_file(folder: Path) -> Path:
    """The path of the state file of the stack in `folder`."""
    return folder / "stack.json"


def read_state(folder: Path) -> StackState:
    """The state of the stack in `folder`, a new one when there is none; raises StackError when it is unreadable."""
    path = state_file(folder)
    if not path.exists():
        return StackState()
    try:
        data = json.loads(path.read_text())
        processes = {name: ProcessId(**value) for name, value in data.pop("processes").items()}
        return StackState(secrets=Secrets(**data.pop("secrets")), processes=processes, **data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(f"{path} is damaged ({error}): delete {folder} and start again") from error


def write_state(folder: Path, state: StackState) -> None:
    """Replace the state file atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".stack-{os.getpid()}.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(state), indent=1) + "\n")
    part.replace(state_file(folder))

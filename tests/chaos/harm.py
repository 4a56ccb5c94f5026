"""What was done to processes and servers, and when: what a run may then be forgiven."""

import time
from dataclasses import dataclass

EVERYBODY = "*"


@dataclass(slots=True)
class Harm:
    """What was done to whom (a process, or everybody by way of a server), from and to unix seconds."""

    who: str
    what: str
    began: float
    ended: float
    pid: int = 0


@dataclass
class Harming:
    """Around what is done to everybody."""

    harms: list[Harm]
    what: str
    began: float = 0.0

    def __enter__(self) -> None:
        self.began = time.time()

    def __exit__(self, *_: object) -> None:
        self.harms.append(Harm(EVERYBODY, self.what, self.began, time.time()))

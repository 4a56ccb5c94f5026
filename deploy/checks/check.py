"""The port of a check: what it needs, and what it finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check of what is deployed.

    `lacking` returns why the check cannot run on this machine, or None; `run` returns what is wrong, a line each, none
    when all is right. Both may take minutes; `run` prints its progress itself.
    """

    name: str
    title: str
    lacking: Callable[[], str | None]
    run: Callable[[], Sequence[str]]

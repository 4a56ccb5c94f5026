"""`scribe replay` as an operator gives it: when it dies or fails, it is given again with the id of the first try."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from uuid import UUID, uuid5

from tests.chaos.parts import Parts
from tests.chaos.versions import SCRIBE

PAUSE_SECONDS = 0.5
LONGEST_SECONDS = 120
_SPACE = UUID("0d0d4f0a-3c1e-4b58-9b4e-6f0a7c1d2e33")
_FINE = frozenset({"done before"})  # by the try that died


async def replayed(parts: Parts, number: int, jobs: Sequence[UUID], place: str, wanted: Callable[[], bool]) -> int:
    """Do the jobs again as their next run, dying at the first try at `place`, if it is one; how many tries it took."""
    replay_id = uuid5(_SPACE, f"{parts.prefix}/{number}")
    command = [sys.executable, "-m", "tests.chaos.launch", "replay", "--json", "--replay-id", str(replay_id)]
    command += [word for job_id in jobs for word in ("--job", str(job_id))]
    tries = 0
    while wanted():
        tries += 1
        own = {"CHAOS_FAILPOINTS": f"{place}=kill" if place and tries == 1 else "", "CHAOS_LIFE": str(tries)}
        ended = await asyncio.to_thread(
            _given, command, {**os.environ, **parts.environment, **own, **parts.versions.environment(SCRIBE)}
        )
        with parts.log(f"replay-{number}").open("a") as log:
            log.write(f"{ended.stdout}{ended.stderr}exit status {ended.returncode}\n")
        if _done(ended):
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return tries


def _given(command: Sequence[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST_SECONDS
    )


def _done(ended: "subprocess.CompletedProcess[str]") -> bool:
    """Whether every job has its new run, by this try or an earlier one."""
    if ended.returncode == 0:
        return True
    try:
        refused = json.loads(ended.stdout)["refused"]
    except (ValueError, KeyError):
        return False
    return {one["reason"] for one in refused} <= _FINE

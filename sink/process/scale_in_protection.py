"""Scale-in protection of an ECS task while jobs run, asked of the ECS agent that runs beside it.

Without it ECS ends any task of a service that shrinks, as often as not the one with the longest job.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import httpx

from schemas.errors import SettingsError
from schemas.settings.gpu import EcsSettings

log = logging.getLogger(__name__)
PATH = "/task-protection/v1/state"


@dataclass(frozen=True, slots=True)
class ProtectionTiming:
    """The pace of the protection, in seconds."""

    look: float = 1.0
    """Pause between two looks at the work."""
    lasts: float = 3600.0
    """Time that ECS keeps a task without hearing from it again: what a process that hangs may hold up."""
    calm: float = 60.0
    """Time without work before the protection is given up: short gaps between jobs change nothing."""
    again: float = 15.0
    """Pause after a refusal; ECS limits how often it may be asked."""
    answer: float = 5.0
    """Longest time for one answer."""


class ScaleInProtection:
    """Keeps the task protected while `busy`, from a thread of its own; does nothing unless the settings ask for it."""

    def __init__(
        self,
        settings: EcsSettings,
        busy: Callable[[], bool],
        timing: ProtectionTiming | None = None,
    ) -> None:
        """Create it; raises SettingsError outside of ECS, when it is asked for."""
        self._busy = busy
        self._timing = timing or ProtectionTiming()
        self._agent = settings.ecs_agent_uri if settings.ecs_task_protection else None
        if settings.ecs_task_protection and self._agent is None:
            raise SettingsError(
                "SCRIBE_ECS_TASK_PROTECTION is for tasks of ECS, whose agent sets ECS_AGENT_URI: there is none here"
            )
        self._ended = threading.Event()
        self._until = 0.0
        self._busy_at = float("-inf")
        self._not_before = 0.0

    def __enter__(self) -> "ScaleInProtection":
        """Begin to watch."""
        if self._agent is not None:
            threading.Thread(target=self._watch, name="scale-in-protection", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no more; the protection ends with the task."""
        self._ended.set()

    def _watch(self) -> None:
        with httpx.Client(base_url=self._agent or "", timeout=self._timing.answer, trust_env=False) as client:
            while not self._ended.wait(self._timing.look):
                if (wanted := self._change(time.monotonic())) is not None:
                    self._ask(client, wanted)

    def _change(self, now: float) -> bool | None:
        """Whether protection is to be asked for (True) or given up (False) now; None: all is as it should be."""
        if self._busy():
            self._busy_at = now
        if now < self._not_before:
            return None
        if now - self._busy_at < self._timing.calm:
            return True if self._until - now < self._timing.lasts / 2 else None
        return False if self._until > now else None

    def _ask(self, client: httpx.Client, wanted: bool) -> None:
        form: dict[str, bool | int] = {"ProtectionEnabled": wanted}
        if wanted:
            form["ExpiresInMinutes"] = max(1, round(self._timing.lasts / 60))
        now = time.monotonic()
        refused = _refusal(client, form)
        if refused is not None:
            self._not_before = now + self._timing.again
            log.warning("ECS was asked for %s scale-in protection and refused: %s", "" if wanted else "no", refused)
            return
        self._until = now + self._timing.lasts if wanted else 0.0


def _refusal(client: httpx.Client, form: dict[str, bool | int]) -> str | None:
    """Put the state; the reason for which the agent refused it, None when it took it."""
    try:
        answer = client.put(PATH, json=form)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if answer.is_success and isinstance(body, dict) and "protection" in body:
        return None
    return f"HTTP {answer.status_code}: {str(body)[:500]}"

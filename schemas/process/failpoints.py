"""Failpoints: named places around every durable step, where tests kill, stop, delay or fail a process."""

from collections.abc import Callable

GPU = (
    "gpu.after_poll",
    "gpu.before_begin",
    "gpu.after_begin",
    "gpu.after_produce",
    "gpu.after_send_offsets",
    "gpu.after_commit",
    "gpu.after_claim_put",
)
RELAY = ("relay.after_read", "relay.after_publish", "relay.after_mark")
STREAMS = ("streams.after_receive", "streams.after_effect", "streams.after_dead_letter", "streams.after_ack")
PERSIST = ("persist.after_object", "persist.before_commit")
WEBHOOKS = ("webhooks.before_commit",)
API = ("api.after_accept", "api.after_cancel")
REPLAY = ("replay.after_intent", "replay.after_publish")
DISPATCH = ("dispatch.after_lease", "dispatch.after_send", "dispatch.after_record")
NAMES = frozenset((*GPU, *RELAY, *STREAMS, *PERSIST, *WEBHOOKS, *DISPATCH, *API, *REPLAY))

_armed: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Pass a failpoint; a no-op unless a test armed the process."""
    if _armed is not None:
        _armed(name)


def arm(hook: Callable[[str], None] | None) -> None:
    """Call `hook` at every failpoint from now on; None disarms."""
    global _armed
    _armed = hook

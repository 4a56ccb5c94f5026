"""What a run can break: processes, the failpoints in them, and requests to the broker."""

from dataclasses import dataclass

from schemas.process.failpoints import API, DISPATCH, PERSIST, RELAY, STREAMS
from schemas.process.failpoints import GPU as GPU_PLACES

GPU = ("gpu-0", "gpu-1")
JOINER = "gpu-2"
PROCESSES = (*GPU, "api", "relay", "persist", "webhooks", "dispatch")
OTHERS = (JOINER, "enhance", "retention")
"""Processes that take part in some runs only."""
CUTS = (
    "Produce",
    "Fetch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "TxnOffsetCommit",
    "ConsumerGroupHeartbeat",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A failpoint of a process, which within some minutes passes it at least so often."""

    process: str
    name: str
    passes: int = 20


AT_FAILPOINTS = (
    *(Place(gpu, name) for gpu in GPU for name in GPU_PLACES if name != "gpu.after_claim_put"),
    *(Place(gpu, "gpu.after_claim_put", 1) for gpu in GPU),
    *(Place("api", name, 2) for name in API),
    *(Place("relay", name) for name in RELAY),
    *(Place("persist", name) for name in STREAMS if name != "streams.after_dead_letter"),
    Place("persist", "streams.after_dead_letter", 1),
    *(Place("persist", name) for name in PERSIST),
    Place("webhooks", "webhooks.before_commit"),
    Place("webhooks", "streams.after_effect"),
    *(Place("dispatch", name) for name in DISPATCH),
)

"""Metrics of the GPU that the engines run on, asked at a scrape; NaN while no library of the process can tell."""

import logging
import math
import sys
from collections.abc import Callable
from typing import Any

from schemas.metrics import GPU_MEMORY, GPU_USE

log = logging.getLogger(__name__)
DEVICE = 0  # the first of those that the process sees, as for the engines


def watch_gpu() -> None:
    """Show memory and use of the GPU from now on; called only where there is one, so elsewhere there are no series."""
    device = str(DEVICE)
    GPU_MEMORY.labels(device, "used").set_function(_asked(lambda torch: _memory(torch)[1] - _memory(torch)[0]))
    GPU_MEMORY.labels(device, "all").set_function(_asked(lambda torch: _memory(torch)[1]))
    # torch asks nvidia-ml-py; the driver does not tell it of a slice of a GPU (MIG)
    GPU_USE.labels(device).set_function(_asked(lambda torch: torch.cuda.utilization(DEVICE) / 100))


def _memory(torch: Any) -> tuple[int, int]:
    """Bytes of the whole device, whoever uses them: free, and all."""
    free, total = torch.cuda.mem_get_info(DEVICE)
    return int(free), int(total)


def _asked(ask: Callable[[Any], float]) -> Callable[[], float]:
    def answer() -> float:
        # not imported for this: a process that only transcribes would hold it for nothing else
        if (torch := sys.modules.get("torch")) is None:
            return math.nan
        try:
            return float(ask(torch))
        except Exception as error:  # noqa: BLE001 - a broken GPU must not take the other metrics along
            log.debug("the GPU does not answer: %s", error)
            return math.nan

    return answer

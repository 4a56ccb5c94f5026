"""Starts a process of the service as it is, but for its names, the fake stages, armed failpoints and a planted mistake.

python -m tests.chaos.launch gpu|api|relay|persist|enhance|webhooks|dispatch|retention|replay ARGUMENTS

CHAOS_PREFIX: of topics and groups. CHAOS_STAGES=scripted: the real stages with scripted engines instead of the fake ones,
which write no CHAOS_EXECUTIONS (a file). CHAOS_FAILPOINTS, CHAOS_PASSES (a file): see
tests.chaos.breaking. CHAOS_PLANTED: names in tests.chaos.mistakes. All of the rest is the service's own environment.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.process import failpoints
from tests.chaos import names
from tests.chaos.breaking import Breaker, Passes, orders_of

if TYPE_CHECKING:
    from gpu_consumers.core.delivery.messages import StageRunner
    from gpu_consumers.core.delivery.policies import Policies
    from schemas.settings.processes import GpuProcess
    from schemas.wire.serde import Serde

MODULES = {
    "api": "producers.api.__main__",
    "relay": "producers.relay",
    "persist": "streams.__main__",
    "enhance": "streams.__main__",
    "webhooks": "streams.__main__",
    "dispatch": "streams.__main__",
    "retention": "streams.__main__",
    "replay": "producers.__main__",
}
COMMANDS = ("persist", "enhance", "webhooks", "dispatch", "retention", "replay")
"""Those that are one of several of their module."""


def main(what: str, *arguments: str) -> None:
    """Run it to its end."""
    names.take(os.environ["CHAOS_PREFIX"])
    if planted := os.environ.get("CHAOS_PLANTED"):
        importlib.import_module("tests.chaos.mistakes").plant(planted, what)
    orders = orders_of(os.environ.get("CHAOS_FAILPOINTS", ""))
    failpoints.arm(Breaker(orders, Passes(Path(os.environ["CHAOS_PASSES"]))))
    if what == "gpu":
        _gpu()
    sys.argv = [what, *([what] if what in COMMANDS else []), *arguments]
    importlib.import_module(MODULES[what]).main()


def _gpu() -> None:
    import gpu_consumers.__main__ as gpu
    from gpu_consumers.command import STAGES
    from schemas.process.logs import configure
    from schemas.settings.loading import load
    from schemas.settings.processes import GpuProcess

    settings = load(GpuProcess)
    configure(settings, gpu.PROCESS)
    scripted = os.environ.get("CHAOS_STAGES") == "scripted"
    status = gpu.serve(settings, STAGES, _scripted_stages if scripted else _stages)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _stages(_: Sequence[str], serde: "Serde", settings: "GpuProcess", _policies: "Policies") -> "Sequence[StageRunner]":
    from gpu_consumers.engines.fake import FakeDiarizer, FakeTranscriber
    from tests.chaos.claiming import Claiming
    from tests.executions import Logged

    path, worker = Path(os.environ["CHAOS_EXECUTIONS"]), settings.worker_id or ""
    transcriber = Claiming(FakeTranscriber(serde, workers=settings.transcribe_workers), settings)
    diarizer = Claiming(FakeDiarizer(serde, workers=settings.diarize_workers), settings)
    return [Logged(transcriber, path, worker, "transcribe"), Logged(diarizer, path, worker, "diarize")]


def _scripted_stages(
    names: Sequence[str], serde: "Serde", settings: "GpuProcess", policies: "Policies"
) -> "Sequence[StageRunner]":
    from tests.integration.foreign.stages import scripted_stages

    return scripted_stages(names, serde, settings, policies)


if __name__ == "__main__":
    main(*sys.argv[1:])

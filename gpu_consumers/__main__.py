"""Entry point of a GPU process, which runs one or both stages of a job."""

import logging
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from gpu_consumers.command import STAGES, main
from gpu_consumers.core.delivery.cancellations import Cancellations
from gpu_consumers.core.delivery.messages import StageRunner
from gpu_consumers.core.delivery.policies import Policies
from gpu_consumers.engines.fake import FakeStage
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.kafka.topic_reader import BootstrappedTopicReader
from gpu_consumers.pipeline.stages import create_stages
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.service import FAILED, STOP_SECONDS, GpuService, Runtime, create_group
from producers.kafka.publisher import Publisher
from schemas.errors import ScribeError, SettingsError
from schemas.events import JobControl, JobRequested, JobResult, TenantPolicy, TranscriptReady
from schemas.settings.loading import load
from schemas.settings.processes import GpuProcess
from schemas.topics import CONTROL, TENANTS
from schemas.wire.serde import Serde
from sink.process import tracing
from sink.process.health_server import HealthServer
from sink.process.observation import observe
from sink.process.pod_deletion_cost import PodDeletionCost
from sink.process.scale_in_protection import ScaleInProtection
from sink.process.termination import Termination
from sink.records.kafka.access import AccessGate
from sink.records.serdes import serde_for

log = logging.getLogger(__name__)
PROCESS = "scribe-gpu"
MISTAKE = 2

StageFactory = Callable[[Sequence[str], Serde, GpuProcess, Policies], Sequence[StageRunner]]


def run(stages: str, fake: bool) -> None:
    """Implements `scribe-gpu`; raises typer.Exit."""
    try:
        settings = load(GpuProcess)
        names = _names(stages)
        create = _fake_stages(names, settings) if fake else create_stages
        observe(settings, PROCESS)
        raise typer.Exit(serve(settings, names, create))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(MISTAKE) from error
    except ScribeError as error:
        log.critical("%s", error)
        raise typer.Exit(FAILED) from error
    finally:
        tracing.stop()  # the process ends without its exit handlers


def serve(settings: GpuProcess, names: Sequence[str], create: StageFactory) -> int:
    """Run the stages until a stop is requested or a fatal error; returns the exit status of the process."""
    termination = Termination(settings.drain_seconds + STOP_SECONDS).install()
    worker = settings.worker_id or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    serde, shutdown = serde_for(settings), Shutdown(settings.drain_seconds)
    service = GpuService(shutdown)
    # probes answer from the start: loading models may take minutes
    cancellations, policies = Cancellations(), Policies(settings.unknown_tenant)
    gate = AccessGate(settings, [f"gpu-{name}" for name in names])
    with (
        HealthServer(settings, ready=lambda: gate.reason or service.ready(), live=service.live, waits=service.waits),
        ScaleInProtection(settings, service.busy),
        let_in(gate),
        PodDeletionCost(settings, service.jobs_in_work),
        Publisher(settings, worker) as publisher,
        BootstrappedTopicReader(settings, serde, CONTROL, JobControl, cancellations.add, worker) as control,
        BootstrappedTopicReader(settings, serde, TENANTS, TenantPolicy, policies.add, worker) as tenants,
    ):
        runtime = Runtime(
            settings,
            serde,
            ProgressReporter(publisher.offer, serde, worker),
            shutdown,
            worker,
            time_scale=settings.time_scale,
            cancelled=cancellations.covers,
            caught_up=lambda: control.caught_up and tenants.caught_up,
        )
        _learn(serde)
        groups = [create_group(runner, runtime) for runner in create(names, serde, settings, policies)]
        termination.on_request(shutdown.request)
        log.info("%s works on %s", worker, ", ".join(names))
        return service.run(groups)


@contextmanager
def let_in(gate: AccessGate) -> Iterator[None]:
    """Wait at the gate before anything else asks the broker, which would say less clearly what is missing."""
    gate.wait()
    yield


def _learn(serde: Serde) -> None:
    """Fetch schemas in advance, so that scheduling never waits for the registry; failing that, jobs queue in order."""
    try:
        serde.learn(JobRequested, TranscriptReady, JobResult)
    except ScribeError as error:
        log.warning("jobs wait in the order in which they come until the first of them was read: %s", error)


def _fake_stages(names: Sequence[str], settings: GpuProcess) -> StageFactory:
    if settings.environment != "development":
        raise SettingsError("--fake invents transcripts: it needs SCRIBE_ENVIRONMENT=development")
    if list(names) != ["transcribe"]:
        raise SettingsError("--fake does the whole job in one step: add --stages transcribe")
    return lambda _names, serde, settings, _policies: [
        FakeStage(serde, workers=settings.transcribe_workers, seconds=1.0)
    ]


def _names(stages: str) -> list[str]:
    names = [name.strip() for name in stages.split(",") if name.strip()]
    unknown = sorted(set(names) - set(STAGES))
    if unknown or not names or len(set(names)) < len(names):
        raise SettingsError(f"--stages {stages}: name one or both of {', '.join(STAGES)}, each once")
    return names


if __name__ == "__main__":
    main()

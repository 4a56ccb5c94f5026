"""The check `images`: the three images are built, hold what they should, and take the demo's recording from end to end."""

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
from rich.console import Console

from deploy.checks.check import Check
from deploy.checks.containers.engine import EngineFailed, build, image_of, lacking, limits, make_base, podman
from deploy.checks.containers.processes import RECORDINGS, ContainerProcesses, user_and_writes
from deploy.checks.tools import run as run_tool
from deploy.checks.tools import tools
from deploy.docker.sbom import sbom
from deploy.environment import ROOT
from deploy.local.errors import StackError
from deploy.local.receiver import Receiver
from deploy.local.service import TENANT
from deploy.local.stack import Stack
from deploy.locks import ROLES

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
BAKED = "whisper-base"
DIARIZER = "pyannote-campplus"  # from a volume; its conversion wants a newer Python than that of the base here
RECORDING = "four-voices"
ENOUGH_WORDS = 0.85  # of the reference, as the demo's small model hears them on a healthy machine
WEBHOOK_SECONDS = 60
COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "cargo", "rustc", "go", "javac", "nvcc")
LISTED = (
    "import importlib.metadata as m, json; "
    "print(json.dumps(sorted([d.name.lower().replace('_', '-').replace('.', '-'), d.version] for d in m.distributions())))"
)
out = Console(highlight=False)


def run() -> list[str]:
    """The mistakes of the images."""
    try:
        return list(_findings())
    except (EngineFailed, StackError) as error:
        return [str(error)]


def _findings() -> Iterator[str]:
    yield from linted()
    make_base()
    for role in ROLES:
        began = time.monotonic()
        build(DOCKERFILE, role, image_of(role), arguments={"MODELS": BAKED})
        out.print(f"built {role} in {time.monotonic() - began:.0f} s: {_sizes(image_of(role))}")
        yield from (f"{role}: {finding}" for finding in inspected(role))
    yield from run_on_a_stack()


def linted() -> Iterator[str]:
    """The findings of hadolint in the Dockerfile."""
    done = run_tool([tools() / "hadolint", "--no-color", str(DOCKERFILE)])
    yield from done.stdout.splitlines()


def _sizes(image: str) -> str:
    """The size of an image and of its layers above a megabyte, in MB."""
    history = json.loads(podman("history", "--format", "json", image))
    layers = [entry["size"] / 1e6 for entry in reversed(history) if entry["size"] > 1e6]
    whole = int(podman("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    return f"{whole:.0f} MB, layers {', '.join(f'{size:.0f}' for size in layers)}"


def inspected(role: str) -> Iterator[str]:
    """The mistakes of an image that show without starting the service."""
    image = json.loads(podman("image", "inspect", image_of(role)))[0]
    config, labels = image["Config"], image["Config"].get("Labels") or {}
    if config.get("User") != "10001:10001":
        yield f"runs as {config.get('User')}"
    if not image.get("Healthcheck"):
        yield "has no check of its health"
    for label in ("title", "description", "licenses", "version", "revision", "base.name"):
        if f"org.opencontainers.image.{label}" not in labels:
            yield f"has no label org.opencontainers.image.{label}"
    script = f"for name in {' '.join(COMPILERS)}; do command -v $name; done; test -w / && echo '/ is writable'; true"
    yield from (f"holds {found}" for found in _within(role, "sh", "-c", script).splitlines())
    yield from differences(role, json.loads(_within(role, "/opt/scribe/bin/python", "-c", LISTED)))
    if role == "gpu":
        yield from _cublas(role)


def _within(role: str, *command: str) -> str:
    options = ("--rm", "--pull=never", "--network=none", "--read-only", "--tmpfs", "/scratch:mode=1777", *limits())
    return podman("run", *options, image_of(role), *command)


def differences(role: str, installed: list[list[str]]) -> Iterator[str]:
    """The packages that are installed and not in the bill of materials, and the reverse; the base's own packages do not count."""
    bill = json.loads(sbom(role))
    named = {(re.sub(r"[-_.]+", "-", part["name"].lower()), part["version"]) for part in bill["components"]}
    here = {
        (name, version) for name, version in installed if name not in ("scribe-rabbit", "pip", "setuptools", "wheel")
    }
    named = {part for part in named if part[0] not in ("pip", "setuptools", "wheel")}
    yield from (
        f"{name} {version} is installed and not in its bill of materials" for name, version in sorted(here - named)
    )
    yield from (
        f"{name} {version} is in its bill of materials and not installed" for name, version in sorted(named - here)
    )


def _cublas(role: str) -> Iterator[str]:
    """CTranslate2 opens libcublas.so.12 by name; it must be there beside PyTorch's libcublas.so.13."""
    code = (
        "import ctypes, torch; from gpu_consumers.engines.libraries.ctranslate2_device import preload_cublas; "
        "preload_cublas(); ctypes.CDLL('libcublas.so.12'); print(torch.version.cuda)"
    )
    found = _within(role, "/opt/scribe/bin/python", "-c", code)
    if not found.startswith("13"):
        yield f"PyTorch is built for CUDA {found}"


def run_on_a_stack() -> Iterator[str]:
    """The whole service from the images on a local stack: the recording of the demo, its transcript and its webhook."""
    with tempfile.TemporaryDirectory(prefix="scribe-images-") as name, ExitStack() as cleanup:
        stack = cleanup.enter_context(Stack(Path(name, "stack"), say=out))
        models = {"SCRIBE_MODELS_FILE": "", "SCRIBE_DEFAULT_MODEL": BAKED, "SCRIBE_DIARIZER": DIARIZER}
        service = ContainerProcesses({**stack.environment(), **models}, Path(name, "service"))
        service.volumes = {"gpu": (f"{fetched(DIARIZER)}:/models/{DIARIZER}:ro",)}
        cleanup.callback(service.stop)
        receiver = cleanup.enter_context(Receiver())
        began = time.monotonic()
        service.environment = {**service.environment, "SCRIBE_API_KEY": service.prepare()}
        service.start()
        service.wait_ready(seconds=300)
        out.print(f"all processes are ready after {time.monotonic() - began:.0f} s")
        yield from _healthy(service)
        yield from _transcribed(service, receiver)
        yield from _drained(service)


def fetched(model: str) -> Path:
    """The folder of a model on this machine, which is fetched unless it is here; raises EngineFailed."""
    done = run_tool([sys.executable, "-m", "gpu_consumers", "models", "fetch", model])
    if done.returncode:
        raise EngineFailed(done.stderr.strip())
    return Path(done.stdout.strip())


def _healthy(service: ContainerProcesses) -> Iterator[str]:
    for name in service.running:
        if name == "ai":
            continue
        container = service.container(name)
        identity, writes = user_and_writes(container)
        if identity != "10001":
            yield f"{name} runs as {identity}"
        yield from (f"{name} wrote {change}" for change in writes)
        podman("healthcheck", "run", container)


def _transcribed(service: ContainerProcesses, receiver: Receiver) -> Iterator[str]:
    began = time.monotonic()
    transcript = service.scribe("submit", f"/recordings/{RECORDING}.opus", "--watch", "--webhook-url", receiver.url)
    heard = share_heard(transcript, json.loads((RECORDINGS / f"{RECORDING}.json").read_text()))
    out.print(f"{RECORDING} after {time.monotonic() - began:.0f} s, {heard:.0%} of its words")
    if heard < ENOUGH_WORDS:
        yield f"only {heard:.0%} of the words of {RECORDING} are in its transcript:\n{transcript}"
    if "SPEAKER_01" not in transcript:
        yield f"one speaker in {RECORDING}:\n{transcript}"
    if not receiver.wait(lambda calls: len(calls) > 0, WEBHOOK_SECONDS):
        yield "no webhook came"
    else:
        payload = receiver.calls[0].verified(service.webhook_secret(TENANT, receiver.url))
        if payload["type"] != "job.completed":
            yield f"the webhook says {payload['type']}"
    with closing(httpx.Client(trust_env=False)) as client:
        metrics = client.get(f"{service.api_url}/metrics").text
    if "scribe_rabbit_jobs_submitted_total" not in metrics:
        yield "the REST shim counts no jobs"


def share_heard(transcript: str, reference: dict[str, list[dict[str, str]]]) -> float:
    """The share of the reference's words that the transcript has, wherever they stand."""
    words = re.findall(r"[a-z']+", " ".join(turn["text"] for turn in reference["turns"]).lower())
    heard = set(re.findall(r"[a-z']+", transcript.lower()))
    return sum(word in heard for word in words) / len(words)


def _drained(service: ContainerProcesses) -> Iterator[str]:
    """Each process ends by itself after SIGTERM, which podman hands on, with exit code 0."""
    for name, identity in list(service.running.items()):
        if name == "ai":
            continue
        process = identity.process()
        began = time.monotonic()
        service.stop(name)
        if process is not None and time.monotonic() - began > 39:
            yield f"{name} had to be killed"


CHECK = Check(
    "images",
    "api, streams and gpu are built, run as uid 10001 on a read-only root, and take the demo's recording end to end",
    lacking,
    run,
)

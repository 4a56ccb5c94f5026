"""The check `compose`: the whole system is brought up, transcribes, heals a killed service, and keeps its volumes."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
from rich.console import Console

from deploy.checks.check import Check
from deploy.checks.containers import engine
from deploy.checks.containers.compose_project import COMPOSE, ComposeProject, wait_for
from deploy.checks.containers.engine import EngineFailed, exists, image_of, make_base
from deploy.checks.containers.foreign_images import build_foreign, lacking_programs
from deploy.checks.containers.images import BAKED, DOCKERFILE
from deploy.compose.settings import PROCESSES
from deploy.environment import ROOT
from deploy.local.ports import choose
from deploy.locks import ROLES

PROJECT = "scribecheck"
UP_SECONDS = 600
HEAL_SECONDS = 300
KILLED = ("gpu", "api", "persist")
PORTS = ("API", "KAFKA", "PROMETHEUS", "ALERTMANAGER")
out = Console(highlight=False)


def lacking() -> str | None:
    """The reason why the system cannot be brought up here, None when it can."""
    if shutil.which("docker-compose") is None:
        return "no docker-compose, which brings the system up"
    return engine.lacking() or lacking_programs()


def run() -> list[str]:
    """The mistakes of the system."""
    try:
        return [*valid(), *_brought_up()]
    except (EngineFailed, httpx.HTTPError, subprocess.TimeoutExpired) as error:
        return [str(error)]


def settings(ports: dict[str, int]) -> dict[str, str]:
    """The content of .env: new secrets, free ports, the stand-in models."""
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "SCRIBE_S3_ACCESS_KEY": "scribe",
        "SCRIBE_S3_SECRET_KEY": secrets.token_hex(24),
        "GRAFANA_PASSWORD": secrets.token_hex(24),
        "SCRIBE_WEBHOOK_KEY": b64encode(os.urandom(32)).decode(),
        "SCRIBE_MODELS_FILE": "/stand-ins/models.toml",
        "SCRIBE_DEVICE": "cpu",
        "KAFKA_HEAP_OPTS": "-Xms64m -Xmx320m",
        "API_ADDRESS": f"127.0.0.1:{ports['API']}",
        "SCRIBE_PUBLIC_URL": f"http://127.0.0.1:{ports['API']}",
        **{f"{name}_PORT": str(port) for name, port in ports.items() if name != "API"},
        "TAG": "check",
        "REPOSITORY": str(ROOT),
    }


def valid() -> Iterator[str]:
    """The findings of docker-compose in the files alone, with the example as it is copied and its secrets set."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "env")
        example = (COMPOSE / ".env.example").read_text()
        file.write_text(re.sub(r"^([A-Z0-9_]+)=$", r"\1=secret", example, flags=re.MULTILINE))
        for files in (("compose.yaml",), ("compose.yaml", "gpu.yaml")):
            options = [word for each in files for word in ("--file", each)]
            command = ["docker-compose", "--env-file", str(file), *options, "config", "--quiet"]
            done = subprocess.run(command, cwd=COMPOSE, capture_output=True, text=True, check=False)
            if done.returncode:
                yield f"{' and '.join(files)}: {done.stderr.strip()}"


def _brought_up() -> Iterator[str]:
    make_base()
    for role in ROLES:
        if not exists(image_of(role)):
            engine.build(DOCKERFILE, role, image_of(role), arguments={"MODELS": BAKED})
    build_foreign()
    ports = choose(PORTS, {}, {})
    with (
        tempfile.TemporaryDirectory(prefix="scribe-compose-") as name,
        ComposeProject(PROJECT, Path(name), settings(ports), **engine.most()) as project,
    ):
        _up(project, "up")
        job, text = _submitted(project)
        yield from _watched(ports)
        yield from _heals(project)
        yield from _survives(project, job, text)


def _up(project: ComposeProject, what: str) -> None:
    """Start everything and wait until each service of ours is healthy; raises EngineFailed."""
    began = time.monotonic()
    try:
        project.compose("up", "--detach", "--no-build")
        ours = {f"{name}": "running healthy" for name in PROCESSES}
        wait_for(
            lambda: ours.items() <= project.containers().items(), UP_SECONDS, "healthy services", project.containers
        )
    except EngineFailed as error:
        logs = project.compose("logs", "--no-color", "--tail", "15", check=False)
        raise EngineFailed(f"{error}\n{logs[-8000:]}") from error
    out.print(f"{what}: all services are healthy after {time.monotonic() - began:.0f} s")


def _submitted(project: ComposeProject) -> tuple[str, str]:
    """The job and the transcript of a recording that went through the system; raises EngineFailed."""
    job, began = str(uuid4()), time.monotonic()
    options = ("/recordings/two-speakers.opus", "--job-id", job, "--watch")
    text = project.compose("run", "-T", "--rm", "scribe", "submit", *options)
    if "SPEAKER_01" not in text:
        raise EngineFailed(f"no two speakers in the transcript: {text}")
    out.print(f"a recording came back as text with speakers after {time.monotonic() - began:.0f} s")
    return job, text


def _watched(ports: dict[str, int]) -> Iterator[str]:
    """Prometheus scrapes every process and has read the rules; Alertmanager listens."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        address = f"http://127.0.0.1:{ports['PROMETHEUS']}"

        def up() -> set[str]:
            answer = client.get(f"{address}/api/v1/query", params={"query": "up == 1"}).json()
            return {sample["metric"]["job"] for sample in answer["data"]["result"]}

        wait_for(lambda: up() >= set(PROCESSES), 120, "scraped processes", up)
        groups = client.get(f"{address}/api/v1/rules").json()["data"]["groups"]
        out.print(f"Prometheus scrapes {len(up())} processes and has {sum(len(g['rules']) for g in groups)} rules")
        if (ROOT / "deploy" / "monitoring" / "rules").is_dir() and not groups:
            yield "Prometheus has read no rule"
        yield from (
            f"rule {rule['name']}: {rule['lastError']}" for g in groups for rule in g["rules"] if rule.get("lastError")
        )
        found = client.get(f"{address}/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]
        if not found:
            yield "Prometheus has found no Alertmanager"
        client.get(f"http://127.0.0.1:{ports['ALERTMANAGER']}/-/ready").raise_for_status()


def _heals(project: ComposeProject) -> Iterator[str]:
    """A process that is killed comes back by itself, and work goes on."""
    for service in KILLED:
        before, began = project.pid(service), time.monotonic()
        os.kill(before, signal.SIGKILL)

        def back(service: str = service, before: int = before) -> bool:
            return project.pid(service) not in (0, before) and project.containers()[service] == "running healthy"

        wait_for(back, HEAL_SECONDS, f"{service} after SIGKILL", project.containers)
        out.print(f"{service} was killed and is healthy again after {time.monotonic() - began:.0f} s")
    _submitted(project)
    yield from ()


def _survives(project: ComposeProject, job: str, text: str) -> Iterator[str]:
    """Taken down and brought up again, it has the job of before, and its key."""
    project.compose("down", "--timeout", "60")
    if left := project.containers():
        yield f"down leaves containers: {left}"
    _up(project, "up again")
    again = project.compose("run", "-T", "--rm", "scribe", "result", job)
    if again.strip() not in text:
        yield f"the transcript of before is another one: {again}"


CHECK = Check(
    "compose",
    "the whole system comes up from compose.yaml, transcribes, heals, and keeps its data when it is taken down",
    lacking,
    run,
)

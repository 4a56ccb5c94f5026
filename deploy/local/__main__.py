"""The commands of the local stack: up, down, status, logs, env."""

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import psutil
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.errors import StackError
from deploy.local.process import exit_on_sigterm, tail
from deploy.local.stack import Stack
from deploy.local.state import read_state, state_file

DEFAULT_FOLDER = Path(__file__).parents[2] / ".local"
FOLLOW_SECONDS = 0.3
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Real Kafka, PostgreSQL and S3 on this machine, for development: no Docker, no Java, no database to install.\n\n"
    "`up` starts them and comes back; `eval $(python -m deploy.local env)` then points every command of the "
    "service at them; `down` stops them. Data stays in --dir until `up --fresh` or `down --delete`.",
)
out = Console()
err = Console(stderr=True)
Folder = Annotated[Path, typer.Option("--dir", help="Folder of data, logs and state; one stack each.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on instead of any free one.")]


@app.command()
def up(
    folder: Folder = DEFAULT_FOLDER,
    registry: Annotated[bool, typer.Option("--registry", help="Start the schema registry too (159 MB once).")] = False,
    fresh: Annotated[bool, typer.Option("--fresh/--keep-data", help="Begin with empty data.")] = False,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C, then stop everything.")] = False,
    no_fsync: Annotated[
        bool, typer.Option("--no-fsync", help="Faster PostgreSQL, whose data a power cut may cost.")
    ] = False,
    kafka_port: Port = None,
    postgres_port: Port = None,
    s3_port: Port = None,
    registry_port: Port = None,
) -> None:
    """Start the stack, or what is missing of it; running again is no error."""
    asked = {"kafka": kafka_port, "postgres": postgres_port, "s3": s3_port, "registry": registry_port}
    exit_on_sigterm()
    started = time.monotonic()
    if not (foreground or fresh) and read_state(folder).running:
        complete(Stack.attach(folder), registry, started)
        return
    stack = Stack(
        folder,
        registry=registry,
        asked_ports={name: port for name, port in asked.items() if port},
        owned=foreground,
        durable=not no_fsync,
        fresh=fresh,
    )
    if foreground:
        with stack:
            show(stack, started)
            watch(stack)
    stack.start()
    show(stack, started)


def complete(stack: Stack, registry: bool, started: float) -> None:
    """Start the components of a running stack that have ended."""
    if registry and "registry" not in stack.components:
        raise StackError(f"the stack in {stack.folder} runs without the registry: `down` first")
    stack.start_missing()
    show(stack, started)


def watch(stack: Stack) -> NoReturn:
    """Wait until Ctrl-C; raises StackError when a component ends by itself."""
    out.print("Ctrl-C stops everything.")
    try:
        while True:
            for component in stack.components.values():
                if not component.running:
                    raise StackError(f"{component.name} ended; the end of {component.log}:\n{tail(component.log)}")
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def show(stack: Stack, started: float | None = None) -> None:
    """Print the addresses and processes of the stack."""
    table = Table("component", "address", "pid", "memory", "log", box=None, pad_edge=False)
    for component in stack.components.values():
        process = component.identity and component.identity.process()
        memory = f"{process.memory_info().rss / 1e6:.0f} MB" if process else ""
        pid = str(process.pid) if process else "[red]stopped"
        table.add_row(component.name, component.address, pid, memory, str(component.log))
    out.print(table)
    if started is not None:
        out.print(f"Up after {time.monotonic() - started:.1f} s.")


@app.command()
def down(
    folder: Folder = DEFAULT_FOLDER,
    delete: Annotated[bool, typer.Option("--delete", help="Delete its data, logs and state too.")] = False,
) -> None:
    """Stop what `up` started, and nothing else."""
    running = read_state(folder).running
    if running:
        Stack.attach(folder).stop()
    if delete and state_file(folder).exists():
        shutil.rmtree(folder)
    out.print(f"Stopped {', '.join(running)}." if running else f"Nothing runs in {folder}.")


@app.command()
def status(folder: Folder = DEFAULT_FOLDER) -> None:
    """Show what runs where; exits with 1 when something is not running."""
    stack = Stack.attach(folder)
    show(stack)
    if not all(component.running for component in stack.components.values()):
        raise typer.Exit(1)


@app.command()
def env(folder: Folder = DEFAULT_FOLDER) -> None:
    """Print the SCRIBE_ variables as `export` lines."""
    for name, value in Stack.attach(folder).environment().items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def logs(
    component: Annotated[str | None, typer.Argument(help="kafka, postgres, s3 or registry; all when left out.")] = None,
    folder: Folder = DEFAULT_FOLDER,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is added.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 20,
) -> None:
    """Show the end of the logs, and with --follow what comes."""
    files = sorted((folder / "logs").glob(f"{component or '*'}.log"))
    if not files:
        raise StackError(f"no log of {component or 'anything'} in {folder / 'logs'}")
    for file in files:
        for line in tail(file, lines).splitlines():
            print(f"{file.stem:>9} | {line}")
    if follow:
        follow_files(files)


def follow_files(files: list[Path]) -> None:
    """Print whole lines of log files as they are added, until Ctrl-C."""
    ends = {file: file.stat().st_size for file in files}
    try:
        while True:
            for file in files:
                with file.open("rb") as stream:
                    stream.seek(ends[file])
                    added = stream.read()
                whole = added[: added.rfind(b"\n") + 1]
                ends[file] += len(whole)
                for line in whole.decode(errors="replace").splitlines():
                    print(f"{file.stem:>9} | {line}", flush=True)
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def main() -> None:
    """Run a command; an error of the stack is one message, not a traceback."""
    try:
        app()
    except StackError as error:
        err.print(f"[red]{type(error).__name__}[/]: ", end="")
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except psutil.AccessDenied as error:
        err.print(f"another account owns process {error.pid}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()

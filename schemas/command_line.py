"""The command line of all processes: a version, help that costs little, work that is imported only when it is done."""

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Annotated, Any, ParamSpec

import typer
from typer.core import TyperGroup

P = ParamSpec("P")
DISTRIBUTION = "scribe-rabbit"
MISTAKE = 2
_WORK = "_work"
_TOLD = "version"  # what its own callback has dealt with


def deferred_to(module: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Have a declared command done by the function of its name in `module`, which is imported only then.

    Help, completion and mistakes of the call need the declaration alone; the libraries behind the work take seconds.
    """

    def decorate(declared: Callable[P, None]) -> Callable[P, None]:
        @wraps(declared)
        def command(*arguments: P.args, **options: P.kwargs) -> None:
            left = {name: value for name, value in options.items() if name != _TOLD}
            work_of(command)(*arguments, **left)

        setattr(command, _WORK, (module, declared.__name__))
        return command

    return decorate


def work_of(command: Callable[..., None]) -> Callable[..., None]:
    """The function that does a declared command."""
    module, name = getattr(command, _WORK)
    # what `python -m` runs is not imported a second time under its own name
    running = sys.modules["__main__"]
    found = running if getattr(running.__spec__, "name", None) == module else import_module(module)
    work: Callable[..., None] = getattr(found, name)
    return work


def command_line(help_: str, *, completion: bool = False) -> typer.Typer:
    """Commands under one name; plain help, for rich tables alone take as long to import and fill as all the rest."""
    return typer.Typer(
        cls=Group,
        help=help_,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=completion,
    )


def one_command(declared: Callable[..., None]) -> typer.Typer:
    """A process that is one command."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.command()(declared)
    return app


def process_with_commands() -> typer.Typer:
    """A process that its callback runs when no command is named."""
    return typer.Typer(
        cls=ProcessGroup,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )


class Group(TyperGroup):
    """Commands that can be listed and completed without pydantic, by which typer reads values."""

    def get_params(self, ctx: Any) -> Any:
        """The options; one that nobody decided is off, for only a flag that is none has typer import pydantic."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.default is None:
                parameter.default = False
        return parameters

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; while a line is completed, values stay as they are typed."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and ctx.resilient_parsing:
            for parameter in command.get_params(ctx):
                parameter.process_value = _as_typed  # type: ignore[assignment, method-assign]
        return command

    runs_without_command = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The rest of the line; without any the help is shown, which is not what a script meant."""
        if not args and not ctx.resilient_parsing and not self.runs_without_command:
            typer.echo(ctx.get_help(), err=True)
            ctx.exit(MISTAKE)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each command with all of its first sentence."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class ProcessGroup(Group):
    """Commands beside a process: a line without any is its start."""

    runs_without_command = True


def _as_typed(_context: Any, value: Any) -> Any:
    return value


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        number = import_module("importlib.metadata").version(DISTRIBUTION)
        typer.echo(f"{context.find_root().info_name} {number}")
        raise typer.Exit


_OPTION: Any = typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
Version = Annotated[bool, _OPTION]
"""Of the option `version`, which reaches no work."""

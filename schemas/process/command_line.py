"""Command line framework of all processes: version, fast help, and lazy import of each command's implementation."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from importlib import import_module
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

P = ParamSpec("P")
V = TypeVar("V")
DISTRIBUTION = "scribe-rabbit"
MISTAKE = 2
_WORK = "_work"
_OPTIONS = "_options"
_TOLD = "version"  # what its own callback has dealt with


def deferred_to(module: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Implement a declared command by the function of its name in `module`, which is imported only when it runs.

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


def with_options(value: type[V]) -> Callable[[Callable[[V], None]], Callable[..., None]]:
    """Pass the declared parameters to the implementation as one value, a dataclass with a field for each."""

    def decorate(work: Callable[[V], None]) -> Callable[..., None]:
        @wraps(work)
        def command(**given: Any) -> None:
            work(value(**given))

        setattr(command, _OPTIONS, value)
        return command

    return decorate


def options_of(work: Callable[..., None]) -> type | None:
    """The dataclass in which an implementation takes its parameters, None where it takes arguments."""
    found: type | None = getattr(work, _OPTIONS, None)
    return found


def work_of(command: Callable[..., None]) -> Callable[..., None]:
    """The function that implements a declared command."""
    module, name = getattr(command, _WORK)
    # what `python -m` runs is not imported a second time under its own name
    running = sys.modules["__main__"]
    found = running if getattr(running.__spec__, "name", None) == module else import_module(module)
    work: Callable[..., None] = getattr(found, name)
    return work


def command_line(help_: str, *, completion: bool = False) -> typer.Typer:
    """A group of commands under one name, with plain help, since rich tables alone would double the start-up time."""
    return CommandLine(
        cls=Group,
        help=help_,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=completion,
    )


def one_command(declared: Callable[..., None]) -> typer.Typer:
    """A program with a single command."""
    app = CommandLine(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.command()(declared)
    return app


def process_with_commands() -> typer.Typer:
    """A process that its callback runs when no command is named."""
    return CommandLine(
        cls=ProcessGroup,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )


class CommandLine(typer.Typer):
    """A typer application whose commands use the class Command."""

    def command(self, name: str | None = None, **options: Any) -> Any:
        """See typer.Typer.command."""
        return super().command(name, **{"cls": Command, **options})


class _PlainWords:
    """Plain wording for commands: help names values by their type, and errors omit library terms."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters, each with a name for its value."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            _name_value(parameter)
        return parameters

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The rest of the command line; raises BadParameter."""
        with _plain_words():
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        return rest


class Command(_PlainWords, TyperCommand):
    """A command with plain wording."""


class Group(TyperGroup):
    """A group of commands, listed and completed without importing pydantic, with which typer reads values."""

    def get_params(self, ctx: Any) -> Any:
        """The options; undecided flags are set to false, since otherwise typer imports pydantic."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.default is None:
                parameter.default = False
        return parameters

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; during completion, values stay as they are typed."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and ctx.resilient_parsing:
            for parameter in command.get_params(ctx):
                parameter.process_value = _as_typed  # type: ignore[assignment, method-assign]
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The rest of the line; an empty one shows the help and counts as an error for scripts."""
        if not args and not ctx.resilient_parsing and not self.invoke_without_command:
            typer.echo(ctx.get_help(), err=True)
            ctx.exit(MISTAKE)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List each command with its complete first sentence."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class ProcessGroup(_PlainWords, Group):
    """Commands beside a process: a line without a command starts the process."""


@contextmanager
def _plain_words() -> Iterator[None]:
    """Context in which errors lose the wording of the library that found them."""
    try:
        yield
    except typer.BadParameter as error:
        found = error.message.removeprefix("Value error, ").split(", unable to parse")[0]
        error.message = found.replace("Input should be", "must be", 1)
        raise


def _name_value(parameter: Any) -> None:
    """Show `JOB...` or `--limit NUMBER` in help, where typer writes `{JOB}... <list[IdPrefix]>` and `<int range>`."""
    if isinstance(parameter, TyperArgument):
        parameter.metavar = parameter.metavar or str(parameter.name).upper()
        parameter.get_usage_pieces = partial(_usage, parameter)  # type: ignore[method-assign]
        parameter.display_type_rich = _nothing  # type: ignore[method-assign]
    elif parameter.metavar is None and not parameter.is_flag:
        parameter.metavar = _value_name(parameter)


def _usage(argument: TyperArgument, _context: Any) -> list[str]:
    name = argument.metavar if argument.required else f"[{argument.metavar}]"
    return [f"{name}..." if argument.nargs != 1 else str(name)]


def _nothing(ctx: Any) -> None:  # noqa: ARG001 - typer names it
    return None


def _value_name(option: Any) -> str:
    """The name of an option's value: its choices, its kind of number or file, else the option's last word."""
    kind = option.type_descriptor
    if kind.is_choice:
        return "|".join(str(getattr(choice, "value", choice)) for choice in kind.choices)
    if kind.is_path or kind.is_file:
        return "FILE"
    if kind.annotation in (int, float):
        return "NUMBER"
    return max(option.opts, key=len).rpartition("-")[2].upper()  # type: ignore[no-any-return]


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

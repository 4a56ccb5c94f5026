"""Cost of an hour of audio on GPU machines against vendors' list prices, from a file of prices and measured speeds.

python -m deploy.audio_cost --template > costs.toml    the form of the file, to be filled in
python -m deploy.audio_cost costs.toml                 a table
python -m deploy.audio_cost costs.toml --plot out.svg  and a plot

No price and no speed stands in this repository: prices change, and a speed is that of your models and recordings.
"""

import sys
import tomllib
from html import escape
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

TEMPLATE = """\
# Prices in one currency, each with the place and day it was read; speeds with the command that measured them.
currency = ""                # such as "USD"

# one for each machine: T4, L4, A10G, A100
[[machine]]
gpu = ""                     # such as "L4"
name = ""                    # the provider's name of the machine
price_per_hour = 0.0         # of the whole machine, on demand or spot
price_from = ""              # address of the price list, and the day
speed = 0.0                  # seconds of audio that the machine does in a second, both stages
speed_from = ""              # command, models and recordings of the measurement, and the day
use = 1.0                    # part of its hours in which it works; `python -m tests.bench.autoscaling` tells pod hours

# one for each service that is compared
[[vendor]]
name = ""
price_per_audio_hour = 0.0   # with the same features: speakers told apart, words with times
price_from = ""

# what is paid whether anybody speaks or not: Kafka, database, balancer, shim; leave it out to compare GPUs alone
[service]
price_per_month = 0.0
price_from = ""
audio_hours_per_month = 0.0
"""
Sourced = Annotated[str, Field(min_length=8)]
Positive = Annotated[float, Field(gt=0)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Machine(_Form):
    """One kind of machine with its price and its measured speed."""

    gpu: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    price_per_hour: Positive
    price_from: Sourced
    speed: Positive
    speed_from: Sourced
    use: Annotated[float, Field(gt=0, le=1)]


class Vendor(_Form):
    """A service of somebody else with its list price."""

    name: Annotated[str, Field(min_length=1)]
    price_per_audio_hour: Positive
    price_from: Sourced


class Service(_Form):
    """Everything beside the GPUs, by the month."""

    price_per_month: Positive
    price_from: Sourced
    audio_hours_per_month: Positive


class Costs(_Form):
    """The file."""

    currency: Annotated[str, Field(min_length=1)]
    machine: tuple[Machine, ...] = Field(min_length=1)
    vendor: tuple[Vendor, ...] = ()
    service: Service | None = None


class Row(_Form):
    """One bar of the comparison: its price of an audio hour, and the sources of that."""

    name: str
    price: float
    is_ours: bool
    sources: tuple[str, ...]


def rows(costs: Costs) -> list[Row]:
    """Every machine and vendor, the cheapest first."""
    service = costs.service
    share = service.price_per_month / service.audio_hours_per_month if service else 0.0
    beside = (service.price_from,) if service else ()
    ours = (
        Row(
            name=f"{each.gpu} ({each.name})",
            price=each.price_per_hour / (each.speed * each.use) + share,
            is_ours=True,
            sources=(each.price_from, each.speed_from, *beside),
        )
        for each in costs.machine
    )
    others = (
        Row(name=each.name, price=each.price_per_audio_hour, is_ours=False, sources=(each.price_from,))
        for each in costs.vendor
    )
    return sorted((*ours, *others), key=lambda row: (row.price, row.name))


def table(costs: Costs) -> str:
    """The comparison as Markdown."""
    lines = [f"| an hour of audio on | {costs.currency} | from |", "| --- | --- | --- |"]
    lines += (f"| {row.name} | {row.price:.4f} | {'; '.join(row.sources)} |" for row in rows(costs))
    return "\n".join(lines) + "\n"


def plot(costs: Costs) -> str:
    """The comparison as bars, in SVG."""
    found = rows(costs)
    dearest, height = max(row.price for row in found), 28
    bars = []
    for index, row in enumerate(found):
        width, top = 420 * row.price / dearest, 40 + index * height
        color = "#4a6fa5" if row.is_ours else "#b0b0b0"
        bars.append(f'<text x="250" y="{top + 14}" text-anchor="end">{escape(row.name)}</text>')
        bars.append(f'<rect x="260" y="{top}" width="{width:.1f}" height="20" fill="{color}"/>')
        bars.append(f'<text x="{266 + width:.1f}" y="{top + 14}">{row.price:.3f}</text>')
    size = f'width="780" height="{60 + len(found) * height}"'
    title = f'<text x="10" y="20">{escape(costs.currency)} for an hour of audio; blue: this service</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">{title}{"".join(bars)}</svg>\n'


def read(path: Path) -> Costs:
    """The costs of a file; raises ValueError with every mistake in it."""
    try:
        return Costs.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise ValueError("\n".join(_mistake(path, dict(each)) for each in error.errors())) from None


def _mistake(path: Path, found: dict[str, object]) -> str:
    location = found["loc"]
    place = ".".join(str(step) for step in location) if isinstance(location, tuple) else str(location)
    if place.endswith("_from"):
        return f"{path}: {place}: name the source and the day: a figure without one is no figure"
    return f"{path}: {place}: {found['msg']}"


def main(
    file: Annotated[Path | None, typer.Argument(help="Prices and speeds, in the form of --template.")] = None,
    template: Annotated[bool, typer.Option("--template", help="Print the form of the file.")] = False,
    picture: Annotated[Path | None, typer.Option("--plot", help="Write the bars there, as SVG.")] = None,
) -> None:
    """Compare what an hour of audio costs; exit code 1 when the file has mistakes."""
    if template or file is None:
        sys.stdout.write(TEMPLATE)
        raise typer.Exit(0 if template else 2)
    try:
        costs = read(file)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from error
    sys.stdout.write(table(costs))
    if picture:
        picture.write_text(plot(costs))


if __name__ == "__main__":
    typer.run(main)

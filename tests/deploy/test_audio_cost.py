"""The cost of an hour of audio is the machine's price over its speed and use, and no figure counts without its source."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.audio_cost import TEMPLATE, Costs, plot, read, rows, table

# round numbers that nobody asks, to reckon with
FILE = """
currency = "coins"

[[machine]]
gpu = "L4"
name = "one"
price_per_hour = 2.0
price_from = "a list, today"
speed = 20.0
speed_from = "a bench, today"
use = 0.5

[[machine]]
gpu = "T4"
name = "two <b>"
price_per_hour = 1.0
price_from = "a list, today"
speed = 2.0
speed_from = "a bench, today"
use = 1.0

[[vendor]]
name = "somebody"
price_per_audio_hour = 0.4
price_from = "a list, today"

[service]
price_per_month = 100.0
price_from = "a list, today"
audio_hours_per_month = 1000.0
"""


@pytest.fixture
def costs(tmp_path: Path) -> Costs:
    return read(written(tmp_path, FILE))


def written(folder: Path, text: str) -> Path:
    path = folder / "costs.toml"
    path.write_text(text)
    return path


def test_an_hour_costs_price_over_speed_and_use_and_a_share_of_the_rest(costs: Costs) -> None:
    found = {row.name: row.price for row in rows(costs)}
    assert found == pytest.approx({"L4 (one)": 2.0 / (20 * 0.5) + 0.1, "somebody": 0.4, "T4 (two <b>)": 0.5 + 0.1})


def test_the_cheapest_comes_first_with_its_sources(costs: Costs) -> None:
    assert [row.name for row in rows(costs)] == ["L4 (one)", "somebody", "T4 (two <b>)"]
    assert "| L4 (one) | 0.3000 | a list, today; a bench, today; a list, today |" in table(costs)


def test_the_plot_is_a_picture_with_a_bar_for_each(costs: Costs) -> None:
    drawn = ElementTree.fromstring(plot(costs))
    widths = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths == sorted(widths)
    assert len(widths) == 3


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('price_from = "a list, today"\n', "", r"machine.0.price_from: name the source and the day"),
        ('speed_from = "a bench, today"', 'speed_from = ""', r"machine.0.speed_from: name the source and the day"),
        ("speed = 20.0", "speed = 0.0", r"machine.0.speed: .*greater than 0"),
        ("use = 0.5", "use = 1.5", r"machine.0.use: .*less than or equal to 1"),
        ("price_per_hour = 2.0", "price_an_hour = 2.0", r"price_an_hour: Extra inputs"),
        ('currency = "coins"', 'currency = "coins', r"is not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path, FILE.replace(right, wrong, 1)))


def test_the_template_has_the_form_and_no_figure(tmp_path: Path) -> None:
    form = tomllib.loads(TEMPLATE)
    assert set(form) == set(Costs.model_fields)
    assert not re.search(r"= \d*[1-9]", TEMPLATE.replace("use = 1.0", ""))
    with pytest.raises(ValueError, match="name the source"):
        read(written(tmp_path, TEMPLATE))

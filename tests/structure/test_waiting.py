"""No gate without a name: each reason is given by code, met by a test, and has its line in the table of operators."""

import re
from functools import cache
from pathlib import Path

import pytest

from schemas.process.wait_reasons import WAIT_REASONS, WaitReason

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "deploy" / "README.md"
TABLE = "schemas/process/wait_reasons.py"


CODE = ("schemas", "sink", "producers", "gpu_consumers", "streams")


@cache
def named(*folders: str) -> dict[str, set[str]]:
    """The reasons that each module names."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): set(re.findall(r"\bWaitReason\.(\w+)", path.read_text())) for path in found}


def test_the_table_is_whole() -> None:
    assert list(WAIT_REASONS) == list(WaitReason)


@pytest.mark.parametrize("reason", WaitReason)
def test_a_reason_is_given_by_code_and_met_by_a_test(reason: WaitReason) -> None:
    given = [path for path, names in named(*CODE).items() if path != TABLE and reason.name in names]
    assert given, "nothing is held by it"
    assert any(reason.name in names for names in named("tests").values()), "no test builds the situation"


@pytest.mark.parametrize("reason", WaitReason)
def test_an_operator_finds_the_line_of_a_reason(reason: WaitReason) -> None:
    """The first and the last part of the row."""
    rows = [line for line in OPERATIONS.read_text().splitlines() if line.startswith(f"| `{reason}` |")]
    assert len(rows) == 1
    assert WAIT_REASONS[reason].runbook in rows[0]


# What holds a job: whoever writes another one names it here, or finds out why it holds none.
GATES = re.compile(r"def (admits|paused|refusal|may_run|enter_suspect|places|waits|reasons|reason_of|waiting)\(")


def test_every_gate_of_the_gpu_core_gives_a_reason() -> None:
    """Modules that decide who waits know the reasons."""
    core = {path: path.read_text() for path in (ROOT / "gpu_consumers/core/delivery").rglob("*.py")}
    gates = {path for path, text in core.items() if GATES.search(text)}
    silent = {str(path.relative_to(ROOT)) for path in gates if "WaitReason" not in core[path]}
    # who waits for the first record of a job is known to its caller, which gives the reason
    assert silent == {"gpu_consumers/core/delivery/first_seen.py"}

"""Webhook signatures before two libraries that are not ours: Python's and Java's of Standard Webhooks, on drawn cases.

python -m tests.bench.webhook_signatures --cases 10000
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deploy.local.artifacts import artifacts_of, cache_folder, fetch
from deploy.local.java import class_path, java
from sink.webhooks.signature import ID, SIGNATURE, TIMESTAMP, format_secret, message_id, signed_headers

SCRIPT = Path(__file__).with_suffix(".js")
MAX_BYTES = 1_000_000
TOO_OLD_SECONDS = 3600  # both libraries accept five minutes


class Tampering(StrEnum):
    """What is changed on the way."""

    BODY = "body"
    ID = "id"
    TIMESTAMP = "timestamp"
    SIGNATURE = "signature"
    SECRET = "secret"
    AGE = "age"


@dataclass(frozen=True)
class Case:
    """A call as it arrives, the secret that its receiver holds, and whether it must be accepted."""

    headers: dict[str, str]
    body: str
    secret: str
    good: bool

    def line(self) -> str:
        """For another process."""
        return json.dumps({"headers": self.headers, "body": self.body, "secret": self.secret})


_SECRETS = st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3, unique=True)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
_LONG = st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50), st.integers(100, MAX_BYTES))
_BODIES = st.one_of(*[_TEXT] * 40, st.just(""), _LONG.map(lambda drawn: _repeated(*drawn)))


def _repeated(text: str, size: int) -> str:
    return text * (size // len(text.encode()))


def drawn(number: int, seed_of_all: int) -> list[Case]:
    """`number` genuine calls, each with one that was tampered with."""
    cases: list[Case] = []

    @seed(seed_of_all)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_SECRETS, _BODIES, st.uuids(), st.integers(0, 2), st.sampled_from(Tampering))
    def draw(secrets: list[bytes], body: str, delivery: UUID, holder: int, tampering: Tampering) -> None:
        good = genuine(secrets, body, delivery, secrets[holder % len(secrets)])
        cases.extend((good, tampered(good, secrets, tampering)))

    draw()
    return cases


def genuine(secrets: Sequence[bytes], body: str, delivery: UUID, held: bytes, age: int = 0) -> Case:
    """A call as the dispatcher signs it: with every secret of the endpoint, of which the receiver holds one."""
    headers = signed_headers(secrets, message_id(delivery), int(time.time()) - age, body.encode())
    return Case(headers, body, format_secret(held), good=True)


def tampered(case: Case, secrets: Sequence[bytes], what: Tampering) -> Case:
    """The same call after somebody changed it."""
    headers, body, secret = dict(case.headers), case.body, case.secret
    match what:
        case Tampering.BODY:
            body = body[:-1] if body else " "
        case Tampering.ID:
            headers[ID] = message_id(uuid4())
        case Tampering.TIMESTAMP:
            headers[TIMESTAMP] = str(int(headers[TIMESTAMP]) + 1)
        case Tampering.SIGNATURE:
            headers[SIGNATURE] = " ".join(_turned(signature) for signature in headers[SIGNATURE].split(" "))
        case Tampering.SECRET:
            secret = format_secret(bytes(24) if bytes(24) not in secrets else bytes(25))
        case Tampering.AGE:
            headers = signed_headers(secrets, headers[ID], int(time.time()) - TOO_OLD_SECONDS, body.encode())
    return Case(headers, body, secret, good=False)


def _turned(signature: str) -> str:
    version, _, value = signature.partition(",")
    return f"{version},{'B' if value[0] == 'A' else 'A'}{value[1:]}"


def by_python(cases: Sequence[Case]) -> list[bool]:
    """What the `standardwebhooks` package says to each."""
    return [_accepted(case) for case in cases]


def _accepted(case: Case) -> bool:
    try:
        Webhook(case.secret).verify(case.body, case.headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def by_java(cases: Sequence[Case], say: Console) -> list[bool]:
    """What `com.standardwebhooks` says to each, all in one process; raises DownloadFailed when it cannot be had."""
    jars = fetch(artifacts_of("signatures"), cache_folder(), say)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.jsonl"
        path.write_text("".join(case.line() + "\n" for case in cases))
        shell = ("org.mozilla.javascript.tools.shell.Main", "-version", "200", str(SCRIPT), str(path))
        done = subprocess.run(java(512, [*class_path(jars), *shell]), capture_output=True, text=True, check=False)
    answers = done.stdout.split()
    if len(answers) != len(cases) or set(answers) - {"yes", "no"}:
        raise AssertionError(f"{len(answers)} answers to {len(cases)} cases: {done.stderr or done.stdout}")
    return [answer == "yes" for answer in answers]


def mistakes(cases: Sequence[Case], answers: Sequence[bool]) -> list[Case]:
    """Genuine calls that were refused, and others that were accepted."""
    return [case for case, answer in zip(cases, answers, strict=True) if answer is not case.good]


def main(
    cases: Annotated[int, typer.Option(help="Genuine calls; each is also tampered with.", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="What they are drawn from.")] = 1,
) -> None:
    """Compare; exit code 1 when a library and we differ."""
    say, found, wrong = Console(), drawn(cases, seed), 0
    table = Table("library", "genuine accepted", "tampered refused", "mistakes", title=f"Signatures, seed {seed}")
    for name, answers in (
        ("Python standardwebhooks", by_python(found)),
        ("Java standardwebhooks", by_java(found, say)),
    ):
        accepted = sum(answer for case, answer in zip(found, answers, strict=True) if case.good)
        refused = sum(not answer for case, answer in zip(found, answers, strict=True) if not case.good)
        wrong += len(mistakes(found, answers))
        table.add_row(name, f"{accepted:,}", f"{refused:,}", str(len(mistakes(found, answers))))
    say.print(table)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)

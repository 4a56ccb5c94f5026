"""checkov over the two examples: every finding is mended, or explained in deploy/aws/checkov.toml, and none is explained for nothing."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deploy.checks import checkov
from deploy.checks.aws.terraform import SOURCE

EXAMPLES = ("small", "production")
EXPLAINED = SOURCE / "checkov.toml"


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """The reason why a finding is right as it is: of which check, in which resources (a pattern), in which examples."""

    check: str
    resources: str
    reason: str
    examples: tuple[str, ...] = EXAMPLES


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """Something that checkov found."""

    check: str
    title: str
    resource: str
    example: str


def explanations() -> tuple[AcceptedFinding, ...]:
    """The exceptions that are written down."""
    document = tomllib.loads(EXPLAINED.read_text())
    return tuple(
        AcceptedFinding(each["check"], each["resources"], each["reason"], tuple(each.get("examples", EXAMPLES)))
        for each in document["explained"]
    )


def findings(example: str) -> Iterator[PolicyFinding]:
    """The findings of checkov in an example and all modules below it; raises CheckovFailed."""
    found = checkov.report("terraform", "-d", str(SOURCE / "examples" / example))
    for each in found["results"]["failed_checks"]:
        yield PolicyFinding(each["check_id"], each["check_name"], each["resource"], example)


def unexplained(found: Sequence[PolicyFinding], known: Iterable[AcceptedFinding]) -> Iterator[str]:
    """Findings without an explanation, and explanations without a finding. Pure."""
    left = list(found)
    for explanation in known:
        fitting = [each for each in left if _fits(explanation, each)]
        if not fitting:
            yield f"{EXPLAINED.name}: {explanation.check} {explanation.resources} is found no more: delete it"
        left = [each for each in left if each not in fitting]
    for each in left:
        yield f"checkov {each.check} in {each.example}: {each.title}: {each.resource}"


def _fits(explanation: AcceptedFinding, finding: PolicyFinding) -> bool:
    return (
        explanation.check == finding.check
        and finding.example in explanation.examples
        and re.search(explanation.resources, finding.resource) is not None
    )

"""Security and recovery properties that the Terraform for Google Cloud has: each with a change that breaks it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from deploy.checks.google.modules import Tree, tree_of
from deploy.checks.hcl.blocks import Block, Expression

Rule = Callable[[Tree], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Property:
    """A rule with a change of a file that breaks it."""

    title: str
    rule: Rule
    file: str
    right: str
    wrong: str


def broken(texts: dict[str, str], properties: Iterable[Property]) -> Iterator[str]:
    """The properties that do not hold, and those whose planted breach nobody sees."""
    tree = tree_of(texts)
    for each in properties:
        yield from (f"{each.title}: {finding}" for finding in each.rule(tree))
        if each.right not in texts.get(each.file, ""):
            yield f"{each.file} has no {each.right!r} any more in which to break: {each.title}"
            continue
        planted = {**texts, each.file: texts[each.file].replace(each.right, each.wrong, 1)}
        if not list(each.rule(tree_of(planted))):
            yield f"nobody sees {each.wrong!r} in {each.file}, against: {each.title}"


def every(kind: str, *path: str, **wanted: object) -> Rule:
    """The rule that a block at a path of every resource of a kind is there and has these literal values."""

    def rule(tree: Tree) -> Iterator[str]:
        found = tree.resources(kind)
        if not found:
            yield f"there is no {kind}"
        for resource in found:
            blocks = resource.inner(*path)
            if not blocks:
                yield f"{_name(resource)} has no {'.'.join(path)}"
            for block in blocks:
                for name, value in wanted.items():
                    if not _is(block.value(name), value):
                        yield f"{_name(resource)}: {'.'.join((*path, name))} is not {value!r}"

    return rule


class Given:
    """Any value at all, also one that Terraform has to evaluate."""

    def __repr__(self) -> str:
        return "given"


GIVEN = Given()


def none_of(kind: str) -> Rule:
    """The rule that there is no resource of a kind."""
    return lambda tree: [f"{_name(resource)} is there" for resource in tree.resources(kind)]


def variables(module: str, name: str, text: str) -> Rule:
    """The rule that a module's variable refuses, in one of its conditions, what this text is part of refusing."""

    def rule(tree: Tree) -> Iterator[str]:
        variable = tree.modules[f"modules/{module}"].variables.get(name)
        conditions = [each.attributes["condition"].text for each in variable.inner("validation")] if variable else []
        if not any(text in condition for condition in conditions):
            yield f"var.{name} of {module} takes anything"

    return rule


def _is(value: object, wanted: object) -> bool:
    if wanted is GIVEN:
        return value is not None
    return not isinstance(value, Expression) and value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _name(block: Block) -> str:
    return ".".join(block.labels)

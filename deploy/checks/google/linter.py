"""A linter of Terraform for Google Cloud: every resource, block, argument, reference and module call, against the schema."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.checks.google.expressions import Reference, bound_names, calls, references
from deploy.checks.google.modules import Module, Tree
from deploy.checks.google.schema import META, Argument, GoogleSchema
from deploy.checks.hcl.blocks import Attribute, Block, Expression
from schemas.vocabulary.nearest import nearest

TOP = {
    "terraform": frozenset({"required_version"}),
    "provider": frozenset({"project", "region", "zone", "alias", "user_project_override", "billing_project"}),
    "variable": frozenset({"description", "type", "default", "sensitive", "nullable", "ephemeral"}),
    "output": frozenset({"description", "value", "sensitive", "depends_on", "ephemeral"}),
}
"""Arguments of Terraform's own blocks."""
_LIFECYCLE = frozenset({"prevent_destroy", "create_before_destroy", "ignore_changes", "replace_triggered_by"})
_CALL_META = frozenset({"source", "version", "count", "for_each", "providers", "depends_on"})
_ROOTS = frozenset({"var", "local", "module", "data", "each", "count", "path", "terraform", "self"})


def lint(tree: Tree, schema: GoogleSchema, functions: frozenset[str] | None = None) -> list[str]:
    """Mistakes, a line each; `functions` are those that Terraform has, None: not looked at."""
    linter = _Linter(tree, schema, functions)
    return [finding for module in tree.modules.values() for finding in linter.module(module)]


@dataclass(frozen=True, slots=True)
class _Linter:
    tree: Tree
    schema: GoogleSchema
    functions: frozenset[str] | None

    def module(self, module: Module) -> Iterator[str]:
        for file, body in module.files.items():
            for block in body.blocks:
                where = f"{module.path}/{file}:{block.line}"
                yield from (f"{where}: {message}" for message in self.top(module, block))
                yield from (f"{module.path}/{file}:{line}: {text}" for line, text in self.names(module, block))
            if body.attributes:
                yield f"{module.path}/{file}: arguments outside of any block: {', '.join(body.attributes)}"
        yield from self.unused(module)

    def top(self, module: Module, block: Block) -> Iterator[str]:
        if block.type in ("resource", "data"):
            yield from self.resource(block)
        elif block.type == "module":
            yield from self.call(module, block)
        elif block.type in TOP:
            yield from _unknown(block.attributes, TOP[block.type], block.type)
            if block.type in ("variable", "output") and not block.value("description"):
                yield f"{block.type} {block.labels[0]} has no description"
            if block.type == "variable" and "type" not in block.attributes:
                yield f"variable {block.labels[0]} has no type"
        elif block.type != "locals":
            yield f"Terraform has no block {block.type}{_meant(block.type, [*TOP, 'resource', 'data', 'module', 'locals'])}"

    def resource(self, block: Block) -> Iterator[str]:
        kind = block.labels[0] if block.type == "resource" else f"data.{block.labels[0]}"
        found = self.schema.find(kind)
        if found is None:
            yield f"the provider has no {kind}{_meant(kind, self.schema.names)}"
            return
        title = f"{kind}.{block.labels[1]}"
        own = [each for each in block.blocks if each.type != "lifecycle"]
        given = {name: each for name, each in block.attributes.items() if name not in META}
        yield from _body(title, given, own, found.arguments)
        for each in block.inner("lifecycle"):
            yield from _unknown(each.attributes, _LIFECYCLE, f"lifecycle of {title}")

    def call(self, module: Module, block: Block) -> Iterator[str]:
        called = self.tree.modules.get(module.called(block))
        if called is None:
            yield f"module {block.labels[0]}: there is no {block.value('source')}"
            return
        given = set(block.attributes) - _CALL_META
        for name in sorted(given - set(called.variables)):
            yield f"module {block.labels[0]} takes no {name}{_meant(name, called.variables)}"
        needed = {name for name, each in called.variables.items() if "default" not in each.attributes}
        for name in sorted(needed - given):
            yield f"module {block.labels[0]} lacks {name}"

    def names(self, module: Module, block: Block) -> Iterator[tuple[int, str]]:
        """Names in expressions that nothing has."""
        # what `for` binds in one line of a block may be used in another of the same expression only
        generated = {each.type for each in block.walk() if each.generator}
        iterators = {str(each.generator["iterator"].text) for each in block.walk() if "iterator" in each.generator}
        for attribute in block.expressions():
            if block.type == "variable" and attribute.name == "type":
                continue
            if attribute.name == "ignore_changes":
                continue
            local = bound_names(attribute.text) | generated | iterators
            for reference in references(attribute.text):
                if reference.root not in local and (wrong := self.reference(module, block, reference)):
                    yield attribute.line, wrong
            for name in sorted(calls(attribute.text) - (self.functions or calls(attribute.text))):
                yield attribute.line, f"Terraform has no function {name}{_meant(name, self.functions or ())}"

    def reference(self, module: Module, block: Block, reference: Reference) -> str | None:
        root, path = reference.root, reference.path
        first = path[0] if path else ""
        match root:
            case "var":
                return _missing(f"var.{first}", first, module.variables)
            case "local":
                return _missing(f"local.{first}", first, module.locals)
            case "module":
                return self.output(module, reference)
            case "each" | "count":
                needs = "for_each" if root == "each" else "count"
                return None if needs in block.attributes else f"{reference} without {needs}"
            case "path" | "terraform" | "self":
                return None
            case "data":
                return self.attribute(module, f"data.{first}", path[1:])
        if root.startswith("google_"):
            return self.attribute(module, root, path)
        return f"nothing is called {reference}{_meant(root, _ROOTS)}"

    def output(self, module: Module, reference: Reference) -> str | None:
        name, *rest = reference.path
        if name not in module.calls:
            return _missing(f"module.{name}", name, module.calls)
        called = self.tree.modules.get(module.called(module.calls[name]))
        if called is None or not rest:
            return None
        return _missing(str(reference), rest[0], called.outputs)

    def attribute(self, module: Module, kind: str, path: tuple[str, ...]) -> str | None:
        if not path or (kind, path[0]) not in module.declared:
            names = [name for each, name in module.declared if each == kind]
            return _missing(f"{kind}.{path[0] if path else ''}", path[0] if path else "", names)
        found = self.schema.find(kind)
        if found is None or len(path) < 2:
            return None
        return _missing(f"{kind}.{'.'.join(path)}", path[1], found.attributes)

    def unused(self, module: Module) -> Iterator[str]:
        """Variables and locals that nothing reads: one of two names is misspelt, or it is left over."""
        read = {
            (reference.root, reference.path[0])
            for body in module.files.values()
            for block in body.blocks
            for attribute in block.expressions()
            if not (block.type == "variable" and attribute.name == "type")
            for reference in references(attribute.text)
            if reference.path
        }
        for name in sorted(set(module.variables) - {each for root, each in read if root == "var"}):
            yield f"{module.path}: nothing reads var.{name}"
        for name in sorted(module.locals - {each for root, each in read if root == "local"}):
            yield f"{module.path}: nothing reads local.{name}"


def _body(title: str, given: dict[str, Attribute], blocks: list[Block], known: dict[str, Argument]) -> Iterator[str]:
    for name, attribute in given.items():
        if name not in known:
            yield f"{title} takes no {name}{_meant(name, known)}"
        elif known[name].is_block:
            yield f"{title}: {name} is a block, written without ="
        elif wrong := _wrong_value(known[name], attribute):
            yield f"{title}: {name} {wrong}"
    counted: dict[str, int] = {}
    for block in blocks:
        argument = known.get(block.type)
        if argument is None:
            yield f"{title} has no block {block.type}{_meant(block.type, known)}"
        elif not argument.is_block:
            yield f"{title}: {block.type} is an argument, written with ="
        else:
            counted[block.type] = counted.get(block.type, 0) + (not block.generator)
            yield from _body(f"{title} {block.type}", block.attributes, block.blocks, argument.inner)
    for name, argument in known.items():
        if counted.get(name, 0) > 1 and not argument.many:
            yield f"{title}: there may be one {name} alone"
        if argument.required and name not in given and not any(block.type == name for block in blocks):
            yield f"{title} lacks {name}"


def _wrong_value(argument: Argument, attribute: Attribute) -> str | None:
    """The reason why a literal cannot be the argument's value; Terraform itself turns numbers and booleans into text and back."""
    value = attribute.value
    if isinstance(value, Expression) or value is None:
        return None
    is_right = {
        "string": isinstance(value, str | int | float | bool),
        "number": (isinstance(value, int | float) and not isinstance(value, bool)) or _is_number(value),
        "bool": isinstance(value, bool) or value in ("true", "false"),
        "list": isinstance(value, list),
        "map": isinstance(value, dict),
        "object": isinstance(value, dict | list),
    }[argument.type]
    if not is_right:
        return f"must be a {argument.type}"
    if argument.values and value not in argument.values:
        return f'cannot be "{value}": {", ".join(sorted(argument.values))}'
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.replace(".", "", 1).lstrip("-").isdigit()


def _unknown(given: dict[str, Attribute], known: frozenset[str], title: str) -> Iterator[str]:
    for name in sorted(set(given) - known):
        yield f"{title} takes no {name}{_meant(name, known)}"


def _missing(shown: str, name: str, known: object) -> str | None:
    names = list(known)  # type: ignore[call-overload]
    return None if name in names else f"there is no {shown}{_meant(name, names)}"


def _meant(name: str, known: object) -> str:
    found = nearest(name, list(known))  # type: ignore[call-overload]
    return f"; did you mean {found}?" if found else ""

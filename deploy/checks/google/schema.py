"""The Google provider's schema: arguments and blocks of each resource, read from cdktf's typed signatures without importing them."""

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

PACKAGE = "cdktf_cdktf_provider_google"
_CLASS = re.compile(r"^(?=class )", re.MULTILINE)
_CLASS_NAME = re.compile(r"class (\w+)")
_DESCRIBED = re.compile(r"^\s*:param (\w+): (.*)$", re.MULTILINE)
_IN_DOCS = re.compile(r"/docs/(?:resources|data-sources)/\w+#(\w+) ")
_VALUES = re.compile(r"Possible values: \[([^\]]*)\]")
_AFTER_CLASS = re.compile(r"^[@\w]", re.MULTILINE)
_PROPERTY = re.compile(r'@builtins\.property\n    @jsii\.member\(jsii_name="\w+"\)\n    def (\w+)\(self\)')
META = frozenset({"count", "depends_on", "for_each", "lifecycle", "provider"})
"""Arguments that Terraform itself takes in every resource."""
_OF_CDKTF = META | {"connection", "provisioners"}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument or nested block; `inner` is what a block takes, `many` whether it may be repeated.

    `values` are the only ones that the provider takes, none where its documentation names none.
    """

    name: str
    required: bool
    type: str
    is_block: bool = False
    many: bool = False
    values: frozenset[str] = frozenset()
    inner: dict[str, "Argument"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    """A resource or data source: its arguments, and all that can be read from it."""

    arguments: dict[str, Argument]
    attributes: frozenset[str]


class GoogleSchema:
    """Looks up resources and data sources in the folder of the package."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, ResourceSchema | None] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """Every resource, and every data source as `data.NAME`."""
        folders = {each.parent.name for each in self._folder.glob("*/__init__.py")}
        return frozenset(_terraform_name(name) for name in folders if not name.startswith("_"))

    def find(self, name: str) -> ResourceSchema | None:
        """The resource `google_x`, or the data source `data.google_x`; None when the provider has none."""
        if name not in self._known and not name.removeprefix("data.").startswith("google_"):
            return None
        if name not in self._known:
            module = name.removeprefix("data.").removeprefix("google_")
            file = self._folder / f"{'data_google_' if name.startswith('data.') else ''}{module}" / "__init__.py"
            self._known[name] = _resource(file.read_text()) if file.exists() else None
        return self._known[name]


def _terraform_name(folder: str) -> str:
    is_data = folder.startswith("data_google_")
    return f"data.google_{folder.removeprefix('data_google_')}" if is_data else f"google_{folder}"


def _resource(source: str) -> ResourceSchema:
    classes = {found.group(1): part for part in _CLASS.split(source) if (found := _CLASS_NAME.match(part))}
    main = next(iter(classes))
    attributes = {name for name in _PROPERTY.findall(classes[main]) if not name.endswith("_input")}
    arguments = _arguments(classes, f"{main}Config", is_top=True)
    return ResourceSchema(arguments, frozenset({*arguments, *attributes, "id"}))


def _arguments(classes: dict[str, str], name: str, *, is_top: bool = False) -> dict[str, Argument]:
    """The arguments that a class takes, by their names in Terraform."""
    init = _init(classes[name])
    described = dict(_DESCRIBED.findall(ast.get_docstring(init) or "")) if init else {}
    found = {}
    for given in (*init.args.args, *init.args.kwonlyargs) if init else ():
        if given.annotation is None or (is_top and given.arg in _OF_CDKTF):
            continue
        text = described.get(given.arg, "")
        argument = _argument(classes, given.arg, ast.unparse(given.annotation), text)
        found[argument.name] = argument
    return found


def _init(source: str) -> ast.FunctionDef | None:
    tree = ast.parse(source[: _end_of_class(source)])
    return next(
        (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None
    )


def _end_of_class(source: str) -> int:
    """The place where the decorators of the next class, or the module's last statements, begin."""
    found = _AFTER_CLASS.search(source, source.index("\n"))
    return found.start() if found else len(source)


def _argument(classes: dict[str, str], name: str, annotation: str, described: str) -> Argument:
    named = _IN_DOCS.search(f"{described} ")
    terraform = named.group(1) if named else name.rstrip("_")
    inner = next((word for word in re.findall(r"\w+", annotation) if word in classes), None)
    is_block = inner is not None and (described.startswith(f"{terraform} block.") or terraform == "timeouts")
    return Argument(
        terraform,
        required="Optional" not in annotation.split("[", 1)[0],
        type=_type(annotation, inner),
        is_block=is_block,
        many="Sequence[" in annotation,
        values=frozenset(re.findall(r'"([^"]+)"', values.group(1)))
        if (values := _VALUES.search(described))
        else frozenset(),
        inner=_arguments(classes, inner) if inner else {},
    )


def _type(annotation: str, inner: str | None) -> str:
    if inner:
        return "object"
    for mark, name in (("Mapping", "map"), ("Sequence", "list"), ("builtins.bool", "bool"), ("Number", "number")):
        if mark in annotation:
            return name
    return "string"

"""The linter holds Terraform to a provider's signatures, nested ones too, and to what the modules themselves declare."""

from pathlib import Path

import pytest

from deploy.checks.google.linter import lint
from deploy.checks.google.modules import tree_of
from deploy.checks.google.schema import GoogleSchema

# in the form that cdktf generates
SIGNATURES = '''
class Thing(
    _cdktf.TerraformResource,
):
    @builtins.property
    @jsii.member(jsii_name="selfLink")
    def self_link(self) -> builtins.str: ...


@jsii.data_type(jsii_type="ThingConfig")
class ThingConfig(_cdktf.TerraformMetaArguments):
    def __init__(
        self,
        *,
        count: typing.Optional[jsii.Number] = None,
        size: jsii.Number,
        kind: typing.Optional[builtins.str] = None,
        part: typing.Union["ThingPart", typing.Dict[builtins.str, typing.Any]],
        rows: typing.Optional[typing.Sequence[typing.Union["ThingRows", typing.Dict[builtins.str, typing.Any]]]] = None,
    ) -> None:
        """
        :param count:
        :param size: How large. Docs at {@link https://example/docs/resources/thing#size Thing#size}
        :param kind: Possible values: ["BIG", "SMALL"]. Docs at {@link https://example/docs/resources/thing#kind Thing#kind}
        :param part: part block. Docs at {@link https://example/docs/resources/thing#part Thing#part}
        :param rows: rows block. Docs at {@link https://example/docs/resources/thing#rows Thing#rows}
        """
        print(size)


@jsii.data_type(jsii_type="ThingPart")
class ThingPart:
    def __init__(self, *, count: jsii.Number, on: typing.Optional[builtins.bool] = None) -> None:
        """
        :param count: How many. {@link https://example/docs/resources/thing#count Thing#count}
        :param on: Whether. {@link https://example/docs/resources/thing#on Thing#on}
        """


@jsii.data_type(jsii_type="ThingRows")
class ThingRows:
    def __init__(self, *, names: typing.Sequence[builtins.str]) -> None:
        """:param names: Names. {@link https://example/docs/resources/thing#names Thing#names}"""


publication.publish()
'''
RIGHT = """
variable "size" {
  description = "How large."
  type        = number
}

resource "google_thing" "this" {
  count = 2
  size  = var.size
  kind  = "BIG"
  part {
    count = 1
    on    = true
  }
  rows {
    names = ["a"]
  }
  rows {
    names = [for each_one in ["a"] : upper(each_one)]
  }
}

output "link" {
  description = "Where."
  value       = google_thing.this[0].self_link
}
"""
CALL = """
module "one" {
  source = "../one"
  size   = 3
}

output "link" {
  description = "Where."
  value       = module.one.link
}
"""


@pytest.fixture
def schema(tmp_path: Path) -> GoogleSchema:
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "__init__.py").write_text(SIGNATURES)
    return GoogleSchema(tmp_path)


def findings(schema: GoogleSchema, right: str = "", wrong: str = "", *, call: str = CALL) -> list[str]:
    assert right in RIGHT
    texts = {"one/main.tf": RIGHT.replace(right, wrong, 1) if right else RIGHT, "two/main.tf": call}
    return lint(tree_of(texts), schema, frozenset({"upper"}))


def test_what_is_right_is_left_alone(schema: GoogleSchema) -> None:
    assert findings(schema) == []


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ('google_thing" ', 'google_thin" ', "the provider has no google_thin; did you mean google_thing?"),
        ("size  =", "sise  =", "google_thing.this takes no sise; did you mean size?"),
        ("  size  = var.size\n", "", "google_thing.this lacks size"),
        ("    count = 1\n", "", "google_thing.this part lacks count"),
        ("count = 1\n    on ", "counts = 1\n    on ", "google_thing.this part takes no counts; did you mean count?"),
        ("on    = true", 'on    = "sometimes"', "google_thing.this part: on must be a bool"),
        ('"BIG"', '"BIGGER"', 'google_thing.this: kind cannot be "BIGGER": BIG, SMALL'),
        ("  part {", "  parts {", "google_thing.this has no block parts; did you mean part?"),
        ("  part {", "  part = {", "google_thing.this: part is a block, written without ="),
        ('  kind  = "BIG"\n', "  kind {\n  }\n", "google_thing.this: kind is an argument, written with ="),
        ("  part {", "  part {\n    count = 2\n  }\n  part {", "google_thing.this: there may be one part alone"),
        ("var.size", "var.sizes", "there is no var.sizes; did you mean size?"),
        ("var.size", "var.size * count.indices", None),
        ("  count = 2\n", "  for_each = toset([count.index])\n", "count.index without count"),
        ("self_link", "self_links", "there is no google_thing.this.self_links; did you mean self_link?"),
        ("google_thing.this[0]", "google_thing.thiss[0]", "there is no google_thing.thiss; did you mean this?"),
        ("upper(", "uper(", "Terraform has no function uper; did you mean upper?"),
        ("upper(each_one)", "upper(other.one)", "nothing is called other.one"),
        ("  type        = number\n", "", "variable size has no type"),
        ('output "link" {\n  description = "Where."\n', 'output "link" {\n', "output link has no description"),
        ('output "link" {', 'outputs "link" {', "Terraform has no block outputs; did you mean output?"),
        ('variable "size" {', 'locals {\n  left = 1\n}\n\nvariable "size" {', "nothing reads local.left"),
    ],
)
def test_what_is_wrong_is_named(schema: GoogleSchema, right: str, wrong: str, finding: str | None) -> None:
    found = findings(schema, right, wrong)
    assert (found == []) if finding is None else any(each.endswith(finding) for each in found), found


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("  size   = 3\n", "", "module one lacks size"),
        ("size   = 3", "size   = 3\n  sizes  = 4", "module one takes no sizes; did you mean size?"),
        ("module.one.link", "module.one.links", "there is no module.one.links; did you mean link?"),
        ("module.one.link", "module.two.link", "there is no module.two"),
        ('"../one"', '"../three"', "module one: there is no ../three"),
    ],
)
def test_calls_fit_the_module_that_they_call(schema: GoogleSchema, right: str, wrong: str, finding: str) -> None:
    found = findings(schema, call=CALL.replace(right, wrong, 1))
    assert any(finding in each for each in found), found

"""Terraform's language is read as it is written: blocks apart from values, and expressions as their text."""

import pytest

from deploy.checks.hcl.blocks import Block, Expression, HclError
from deploy.checks.hcl.reader import parse


def only(text: str) -> Block:
    (block,) = parse(text).blocks
    return block


def test_a_block_has_labels_arguments_and_blocks() -> None:
    read = only(
        """
        # about it
        resource "google_thing" "this" {
          name = "a" # said beside
          size = 3
          on   = true /* as ever */
          inner {
            deep { at = 1.5 }
          }
          inner { at = null }
        }
        """
    )
    assert (read.type, read.labels, read.line) == ("resource", ("google_thing", "this"), 3)
    assert {name: read.value(name) for name in read.attributes} == {"name": "a", "size": 3, "on": True}
    assert [block.value("at") for block in read.inner("inner", "deep")] == [1.5]
    assert len(read.inner("inner")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"plain"', "plain"),
        (r'"a\n\"b\""', 'a\n"b"'),
        ('"${var.x}"', Expression('"${var.x}"')),
        ("[1, var.x, [true]]", [1, Expression("var.x"), [True]]),
        ('[\n  "a", # one\n  "b",\n]', ["a", "b"]),
        ('{ a = 1, "b" : "x" }', {"a": 1, "b": "x"}),
        ("{ for k, v in var.m : k => v }", Expression("{ for k, v in var.m : k => v }")),
        ("{ a = merge({ b = 1 }, var.x), c = 2 }", {"a": Expression("merge({ b = 1 }, var.x)"), "c": 2}),
        ('var.a == "b" ? 1 : 2', Expression('var.a == "b" ? 1 : 2')),
        ("-3", -3),
        ("3 + 4", Expression("3 + 4")),
        ("<<-EOT\n  line\nEOT", "  line\n"),
    ],
)
def test_values_are_read_and_the_rest_stays_text(text: str, value: object) -> None:
    assert parse(f"x = {text}\ny = 1").value("x") == value


def test_the_content_of_a_dynamic_block_stands_in_its_place() -> None:
    read = only(
        'thing {\n  dynamic "part" {\n    for_each = var.parts\n    content {\n      at = part.value\n    }\n  }\n}'
    )
    (part,) = read.inner("part")
    assert part.generator["for_each"].text == "var.parts"
    assert [each.text for each in read.expressions()] == ["part.value", "var.parts"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {", "a is not closed"),
        ("a = [1, 2", "] is missing"),
        ('a = "b', "a string does not end"),
        ("a = 1\na = 2", "line 2: a is given twice"),
        ("a =\nb = 1", "a value is missing"),
        ('dynamic "x" {\n}', "dynamic needs"),
        ("= 3", "a name is missing"),
    ],
)
def test_what_is_no_hcl_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(HclError, match=message.replace("]", r"\]")):
        parse(text)

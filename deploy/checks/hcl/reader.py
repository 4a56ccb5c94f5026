"""A reader of Terraform's language.

The fork of python-hcl2 that checkov brings makes blocks and lists of objects look alike; what is checked here needs that
difference.
"""

import re
from typing import Any

from deploy.checks.hcl.blocks import Attribute, Block, Expression, HclError, Value

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_BLANK = re.compile(r"(?:[ \t]+|/\*.*?\*/)+", re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_HEREDOC = re.compile(r"<<-?(\w+)\n")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def parse(text: str) -> Block:
    """The body of a file as a block without a type; raises HclError."""
    reader = _Reader(text)
    root = Block("", (), 1)
    reader.body(root, top=True)
    return root


def literal(text: str) -> Value:
    """An expression's value where it is one that needs no evaluation, else an Expression; raises HclError."""
    reader = _Reader(text)
    try:
        reader.skip(_SPACE)
        value = reader.literal()
        reader.skip(_SPACE)
    except _NotLiteral:
        return Expression(text)
    return value if reader.at == len(text) else Expression(text)


class _NotLiteral(Exception):
    pass


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self, message: str) -> HclError:
        return HclError(f"line {self.line}: {message}")

    @property
    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def skip(self, pattern: re.Pattern[str]) -> None:
        if found := pattern.match(self.text, self.at):
            self.at = found.end()

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if not found:
            raise self.error(f"a name is missing before {self.text[self.at : self.at + 20]!r}")
        self.at = found.end()
        return found.group()

    def body(self, block: Block, *, top: bool = False) -> None:
        while True:
            self.skip(_SPACE)
            if not self.peek():
                if top:
                    return
                raise self.error(f"{block.type} is not closed")
            if self.peek() == "}" and not top:
                self.at += 1
                return
            self.item(block)

    def item(self, block: Block) -> None:
        line, name = self.line, self.name()
        self.skip(_BLANK)
        if self.peek() == "=" and self.text[self.at + 1 : self.at + 2] != "=":
            self.at += 1
            if name in block.attributes:
                raise self.error(f"{name} is given twice")
            text = self.expression()
            block.attributes[name] = Attribute(name, literal(text), text, line)
            return
        labels = []
        while self.peek() != "{":
            labels.append(self.quoted() if self.peek() == '"' else self.name())
            self.skip(_BLANK)
        self.at += 1
        child = Block(name, tuple(labels), line)
        self.body(child)
        block.blocks.append(_undone(child) if name == "dynamic" else child)

    def expression(self) -> str:
        """The text of an expression up to the end of its line, across the lines of brackets and heredocs."""
        self.skip(_BLANK)
        start, closers = self.at, list[str]()
        while char := self.peek():
            if heredoc := _HEREDOC.match(self.text, self.at):
                self.heredoc(heredoc)
            elif char == '"':
                self.quoted()
            elif comment := _COMMENT.match(self.text, self.at):
                if not closers and not comment.group().startswith("/*"):
                    break
                self.at = comment.end()
            elif char in _OPENING:
                closers.append(_OPENING[char])
                self.at += 1
            elif char in ")]}":
                if not closers:
                    break
                if closers.pop() != char:
                    raise self.error(f"{char} closes nothing")
                self.at += 1
            elif char == "\n" and not closers:
                break
            else:
                self.at += 1
        if closers:
            raise self.error(f"{closers[-1]} is missing")
        text = self.text[start : self.at].strip()
        if not text:
            raise self.error("a value is missing")
        return text

    def heredoc(self, begin: re.Match[str]) -> str:
        end = re.compile(rf"^[ \t]*{begin.group(1)}[ \t]*$", re.MULTILINE).search(self.text, begin.end())
        if not end:
            raise self.error(f"{begin.group(1)} does not end")
        self.at = end.end()
        return self.text[begin.end() : end.start()]

    def quoted(self) -> str:
        """A string with its escapes undone, templates as they stand."""
        self.at += 1
        parts, depth = list[str](), 0
        while char := self.peek():
            pair = self.text[self.at : self.at + 2]
            if depth and char == '"':
                parts.append(f'"{self.quoted()}"')
                continue
            if pair in ("${", "%{") or (depth and char == "{"):
                depth += 1
            elif depth and char == "}":
                depth -= 1
            elif not depth and char == "\\":
                parts.append(_ESCAPES.get(pair[1:], pair))
                self.at += 2
                continue
            elif char == "\n":
                break
            elif char == '"':
                self.at += 1
                return "".join(parts)
            step = 2 if pair in ("${", "%{") else 1
            parts.append(self.text[self.at : self.at + step])
            self.at += step
        raise self.error("a string does not end")

    def literal(self) -> Value:
        if heredoc := _HEREDOC.match(self.text, self.at):
            return _plain(self.heredoc(heredoc))
        char = self.peek()
        if char == '"':
            return _plain(self.quoted())
        if char == "[":
            return self.items("]", self.literal)
        if char == "{":
            return dict(self.items("}", self.pair))
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            return float(number.group()) if "." in number.group() else int(number.group())
        if word := _NAME.match(self.text, self.at):
            self.at = word.end()
            if word.group() in ("true", "false", "null"):
                return {"true": True, "false": False, "null": None}[word.group()]
        raise _NotLiteral

    def items(self, closer: str, item: Any) -> list[Any]:
        self.at += 1
        found: list[Any] = []
        while True:
            self.skip(_SPACE)
            if self.peek() == closer:
                self.at += 1
                return found
            found.append(self.element(item))
            self.skip(_SPACE)
            if self.peek() == ",":
                self.at += 1

    def element(self, item: Any) -> Any:
        """One value of a list or object; one that needs evaluation becomes an Expression of its own."""
        begin = self.at
        try:
            value = item()
            self.skip(_BLANK)
            if self.peek() in (",", "]", "}", "\n", "#", ""):
                return value
        except _NotLiteral:
            pass
        if item == self.pair:
            raise _NotLiteral
        self.at = begin
        return Expression(self.until_comma())

    def pair(self) -> tuple[str, Value]:
        key = self.quoted() if self.peek() == '"' else self.key()
        self.skip(_BLANK)
        if self.peek() not in ("=", ":"):
            raise _NotLiteral
        self.at += 1
        self.skip(_BLANK)
        return key, self.element(self.literal)

    def key(self) -> str:
        found = _NAME.match(self.text, self.at)
        if not found or found.group() == "for":
            raise _NotLiteral
        self.at = found.end()
        return found.group()

    def until_comma(self) -> str:
        begin, depth = self.at, 0
        while char := self.peek():
            if char == '"':
                self.quoted()
                continue
            if char in _OPENING:
                depth += 1
            elif char in ")]}":
                if not depth:
                    break
                depth -= 1
            elif not depth and char in ",\n":
                break
            self.at += 1
        return self.text[begin : self.at].strip()


def _plain(text: str) -> Value:
    return Expression(f'"{text}"') if "${" in text or "%{" in text else text


def _undone(block: Block) -> Block:
    """The block that a `dynamic` one makes."""
    content = block.inner("content")
    if len(block.labels) != 1 or len(content) != 1:
        raise HclError(f"line {block.line}: dynamic needs a label and one content")
    made = content[0]
    return Block(block.labels[0], (), block.line, made.attributes, made.blocks, block.attributes)

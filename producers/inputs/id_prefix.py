"""Ids as people write them: complete, or a unique beginning. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from producers.messages.absence import NotThere
from schemas.errors import Rejected

LEAST_DIGITS = 4
DIGITS = 32
_AROUND = re.compile(r"^(urn:)?(uuid:)?\{?|\}?(…|\.\.\.)?$")
_HEX = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},{DIGITS}}}")


@dataclass(frozen=True, slots=True)
class IdPrefix:
    """The first hex digits of an id, in lower case and without hyphens."""

    digits: str

    @classmethod
    def parse(cls, text: str) -> "IdPrefix":
        """A prefix from text: hyphens, case and outer blanks are ignored; raises ValueError for no possible prefix."""
        digits = _AROUND.sub("", text.strip().lower()).replace("-", "")
        if not _HEX.fullmatch(digits):
            raise ValueError(f"is neither an id nor the first {LEAST_DIGITS} or more hex digits of one")
        return cls(digits)

    @property
    def whole(self) -> UUID | None:
        """The complete id, None for a shorter prefix."""
        return UUID(self.digits) if len(self.digits) == DIGITS else None

    @property
    def first(self) -> UUID:
        """The lowest id with this prefix."""
        return UUID(self.digits.ljust(DIGITS, "0"))

    @property
    def last(self) -> UUID:
        """The highest id with this prefix."""
        return UUID(self.digits.ljust(DIGITS, "f"))

    def begins(self, identity: UUID | None) -> bool:
        """Whether an id has this prefix."""
        return identity is not None and identity.hex.startswith(self.digits)


MOST_NAMED = 5


class Ambiguous(Rejected):
    """Error: several ids match a prefix; the message lists them."""

    @property
    def message(self) -> str:
        """The message with the candidates."""
        return self.detail


def only_one(prefix: IdPrefix, found: Mapping[UUID, str], what: str, *, more: bool = False) -> UUID:
    """The one id that matches a prefix; `found` describes each match, `more`: there are further ones.

    Raises Rejected(not_found), or Ambiguous with the candidates when there are several.
    """
    if not found:
        words = f"no {what} begins with '{prefix.digits}'"
        raise Rejected("not_found", words) if what == "job" else NotThere(words)
    if len(found) == 1 and not more:
        return next(iter(found))
    named = [f"{identity}  {words}".rstrip() for identity, words in found.items()][:MOST_NAMED]
    others = ["and others"] if more or len(found) > MOST_NAMED else []
    listed = "".join(f"\n  {line}" for line in [*named, *others])
    raise Ambiguous("invalid_request", f"several begin with '{prefix.digits}', write more of it:{listed}")

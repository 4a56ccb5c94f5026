"""Secrets and personal data that tests plant where people put them, and the places in which none may be found."""

import secrets
from dataclasses import dataclass, field


@dataclass
class PlantedWords:
    """Words that exist nowhere else; each is made for the place where it is planted."""

    places: dict[str, str] = field(default_factory=dict)

    def new(self, place: str) -> str:
        """A word for a place, such as the query of an address."""
        word = f"planted{secrets.token_hex(8)}"
        self.places[word] = place
        return word

    def found_in(self, text: str) -> set[str]:
        """The places of the words that stand in a text."""
        return {place for word, place in self.places.items() if word in text}

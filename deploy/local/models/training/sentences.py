"""The little language of the stand-ins: sentences of telephone calls in English and Hebrew, from a seed."""

from dataclasses import dataclass
from random import Random

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "digit": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        "name": ("anna", "david", "maya", "daniel", "sarah", "michael"),
        "thing": (
            "order",
            "invoice",
            "payment",
            "account",
            "ticket",
            "delivery",
            "package",
            "address",
            "meeting",
            "recording",
        ),
        "day": ("monday", "tuesday", "wednesday", "thursday", "friday", "today", "tomorrow"),
    },
    "he": {"digit": ("אפס", "אחת", "שתיים", "שלוש", "ארבע", "חמש", "שש", "שבע", "שמונה", "תשע")},
}
TEMPLATES = {
    "en": (
        "hello this is {name} speaking",
        "good morning {name} how can i help you",
        "my {thing} number is {four}",
        "the {thing} number is {four}",
        "please check my {thing}",
        "i am calling about my {thing}",
        "thank you very much",
        "thank you {name} goodbye",
        "the {thing} will arrive on {day}",
        "can you send the {thing} on {day}",
        "one moment please",
        "yes that is correct",
        "no that is wrong",
        "let me check the {thing} {four}",
        "{four}",
        "{three}",
        "please repeat the number {three}",
        "your {thing} was sent {day}",
        "is the {thing} ready {day}",
    ),
    "he": (
        "{four}",
        "{three}",
        "שלום מדבר דניאל",
        "תודה רבה",
        "המספר שלי הוא {four}",
        "בוקר טוב",
        "אני מתקשר לגבי ההזמנה",
        "ההזמנה מספר {three}",
        "כן זה נכון",
        "רגע אחד בבקשה",
    ),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its language."""

    language: str
    text: str


def sentence(language: str, random: Random) -> Sentence:
    """Any sentence of a language."""
    words = {kind: random.choice(choices) for kind, choices in WORDS[language].items()}
    for name, count in (("three", 3), ("four", 4)):
        words[name] = " ".join(random.choice(WORDS[language]["digit"]) for _ in range(count))
    return Sentence(language, random.choice(TEMPLATES[language]).format(**words))

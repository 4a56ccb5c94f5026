"""Errors about missing objects of operators, without the advice that is meant for missing results."""

from schemas.errors import Rejected


class NotThere(Rejected):
    """Error: a named object does not exist; the usual advice for a job's results would mislead."""

    def __init__(self, detail: str) -> None:
        super().__init__("not_found", detail)

    @property
    def message(self) -> str:
        """The message, without advice."""
        return f"{self.spec.title}: {self.detail}"

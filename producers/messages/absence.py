"""Things of operators that are not there: whatever became of results, they are not where to look."""

from schemas.errors import Rejected


class NotThere(Rejected):
    """What was named is not there, and the advice for a job's results would mislead."""

    def __init__(self, detail: str) -> None:
        super().__init__("not_found", detail)

    @property
    def message(self) -> str:
        """What is not there."""
        return f"{self.spec.title}: {self.detail}"

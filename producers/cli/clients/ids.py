"""Ids as arguments of commands: complete, or an initial part that the service can resolve."""

from typing import Any
from uuid import UUID

from producers.cli.clients.rest import RestClient
from producers.inputs.id_prefix import MOST_NAMED, IdPrefix, only_one
from producers.messages.plain_text import one_line

_WORDS_CHARS = 40


def job_of(client: RestClient, prefix: IdPrefix) -> UUID:
    """The job that a prefix names; raises Rejected when none or several of the tenant's jobs match."""
    if prefix.whole is not None:
        return prefix.whole
    page = client.jobs(prefix=prefix.digits, limit=MOST_NAMED)
    found = {UUID(job["job_id"]): short_words(job["state"], job["name"]) for job in page["jobs"]}
    return only_one(prefix, found, "job", more=page["next_cursor"] is not None)


def short_words(*words: Any) -> str:
    """A short description that tells an id from others with the same beginning."""
    return one_line(" ".join(str(word) for word in words if word))[:_WORDS_CHARS]

"""Ids as arguments of commands: complete, or an initial part that the service can resolve."""

from typing import Any
from uuid import UUID

from producers.client.sync_client import Client
from producers.inputs.id_prefix import MOST_NAMED, IdPrefix, only_one
from producers.messages.plain_text import one_line

_WORDS_CHARS = 40


def job_of(client: Client, prefix: IdPrefix) -> UUID:
    """The job that a prefix names; raises Rejected when none or several of the tenant's jobs match."""
    if prefix.whole is not None:
        return prefix.whole
    jobs = list(client.jobs(prefix=prefix.digits, limit=MOST_NAMED + 1))
    found = {job.job_id: short_words(job.state, job.name) for job in jobs[:MOST_NAMED]}
    return only_one(prefix, found, "job", more=len(jobs) > MOST_NAMED)


def short_words(*words: Any) -> str:
    """A short description that tells an id from others with the same beginning."""
    return one_line(" ".join(str(word) for word in words if word))[:_WORDS_CHARS]

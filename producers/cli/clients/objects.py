"""The object store for commands, which report at once when it is unavailable."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from producers.messages.patience import waiting_for
from schemas.errors import Outage
from schemas.settings.stores import ObjectStoreSettings
from sink.objects.s3 import S3ObjectStore


@contextmanager
def asking_store(settings: ObjectStoreSettings) -> Iterator[S3ObjectStore]:
    """An object store for short requests; reports a slow answer, and which setting to check when it is unavailable."""
    where = settings.s3_endpoint or "AWS"
    with waiting_for(f"the object store at {where}"), closing(S3ObjectStore(settings, patient=False)) as store:
        try:
            yield store
        except Outage as error:
            raise Outage(f"{error}; is the object store at {where}? See SCRIBE_S3_ENDPOINT") from error

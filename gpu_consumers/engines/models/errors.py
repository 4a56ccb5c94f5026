"""What can go wrong when a model is fetched."""

from schemas.errors import ScribeError


class FetchFailed(ScribeError):
    """A model could not be fetched; the message says why and what to do."""


class Unreachable(FetchFailed):
    """The package index or the hub does not answer, or has not got it."""


class NotGenuine(FetchFailed):
    """What came is not what the registry pins."""


class Unwritable(FetchFailed):
    """The folder of models cannot be made or written."""


class ModelDiskFull(FetchFailed):
    """The model does not fit on the disk."""

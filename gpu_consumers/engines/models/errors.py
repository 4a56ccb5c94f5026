"""Errors of a model download."""

from schemas.errors import ScribeError


class FetchFailed(ScribeError):
    """A model could not be fetched; the message says why and what to do."""


class Unreachable(FetchFailed):
    """The package index or the hub does not answer, or lacks the files."""


class NotGenuine(FetchFailed):
    """Downloaded files differ from those pinned in the registry."""


class Unwritable(FetchFailed):
    """The folder of models cannot be created or written."""


class ModelDiskFull(FetchFailed):
    """The model does not fit on the disk."""

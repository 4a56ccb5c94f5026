"""Errors of the local stack; every message says what to do."""


class StackError(Exception):
    """The local stack cannot do what was asked."""


class DownloadFailed(StackError):
    """A file could not be fetched, or is not the one that was pinned."""


class DiskFull(StackError):
    """The disk has no room for what is to be written."""


class PortTaken(StackError):
    """Another program listens on a requested port."""


class StartFailed(StackError):
    """A component ended, or did not become ready in time."""

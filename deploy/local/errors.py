"""Errors of the local stack; every message says what to do."""


class StackError(Exception):
    """Error: the local stack cannot do the requested action."""


class DownloadFailed(StackError):
    """Error: a file could not be downloaded, or differs from the pinned one."""


class DiskFull(StackError):
    """Error: the disk has no room for the files to be written."""


class PortTaken(StackError):
    """Error: another program listens on a requested port."""


class StartFailed(StackError):
    """Error: a component ended, or did not become ready in time."""

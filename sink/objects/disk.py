"""Disk space for untrusted downloads: reserved before the first byte arrives, so that none is fetched in vain.

Writers let the OSError of a full disk pass; the owner of the folder decides what follows.
"""

import errno
import os
import shutil
from pathlib import Path
from typing import BinaryIO

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: OSError) -> bool:
    """Whether the disk, or this user's quota on it, is exhausted."""
    return error.errno in FULL


def capacity(folder: Path) -> int:
    """Bytes that the disk of a folder could hold if it were empty."""
    return shutil.disk_usage(folder).total


def reserve(file: BinaryIO, size_bytes: int) -> None:
    """Reserve so many bytes at once; the file then has that length. Raises OSError when there is no room."""
    if size_bytes <= 0 or not hasattr(os, "posix_fallocate"):
        return
    disk = os.fstatvfs(file.fileno())
    # else the attempt itself would take all that is left, from everybody, until it fails
    if size_bytes > disk.f_bavail * disk.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    except OSError as error:
        if is_full(error):
            raise
        # not every file system can; then writing tells

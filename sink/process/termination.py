"""Termination of a process: SIGTERM or SIGINT requests it; after a time limit the process is ended by force."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn, Self

log = logging.getLogger(__name__)

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
SIGNALS = (signal.SIGTERM, signal.SIGINT)
ALARM_SECONDS = 5  # after the limit: when not even a log line can be written, the kernel ends the process


class Termination:
    """Turns the first SIGTERM or SIGINT into a request to stop, which must complete within `seconds`.

    Before a callback is registered a signal exits the process at once, with code 0. After the time limit the stacks of
    all tasks and threads are logged and the process ends with EXIT_CODE. A second signal ends it at once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stop: Callable[[], None] | None = None
        self._requested = threading.Event()
        self._signal = ""

    def install(self) -> Self:
        """Install the signal handlers for the rest of the process's life; only in the main thread."""
        # made now: a signal comes at any moment, also in the middle of the start of another thread
        threading.Thread(target=self._watch, name="termination", daemon=True).start()
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        return self

    def is_requested(self) -> bool:
        """Whether a stop was requested."""
        return self._requested.is_set()

    def on_request(self, stop: Callable[[], None]) -> None:
        """Call `stop` in the main thread, between any two of its steps, when a stop is requested or was before."""
        self._stop = stop
        if self._requested.is_set():
            stop()

    def on_request_in(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        """Like `on_request`, but `stop` is called by an event loop; ignored when that loop is closed."""

        def soon() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stop)

        self.on_request(soon)

    def event(self) -> asyncio.Event:
        """An event of the running loop, set when termination is requested."""
        stop = asyncio.Event()
        self.on_request_in(asyncio.get_running_loop(), stop.set)
        return stop

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # no log line here: the signal may have come in the middle of one
        self._signal = signal.Signals(number).name
        for each in SIGNALS:
            # the default action needs no step of the main thread, but process 1 has none
            signal.signal(each, _end_at_once if os.getpid() == 1 else signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, self._seconds + ALARM_SECONDS)
        self._requested.set()
        if self._stop is None:
            sys.exit(0)
        self._stop()

    def _watch(self) -> None:
        self._requested.wait()
        log.info("%s: ending in good order, or by force after %g s", self._signal, self._seconds)
        time.sleep(self._seconds)
        end_by_force(f"it was told to end {self._seconds:g} s ago")


def end_by_force(reason: str) -> NoReturn:
    """Log the reason and the stacks of all tasks and threads, and end the process with EXIT_CODE."""
    log.critical("ending the process: %s\n%s", reason, stacks())
    # nothing that still runs could be trusted to end it in an orderly way
    os._exit(EXIT_CODE)


def stacks() -> str:
    """The stack of every thread, and the awaited calls of every task."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = (
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )
    tasks = (f"task {task.get_name()}:\n{''.join(_awaits(task.get_coro()))}" for task in _tasks() if not task.done())
    return "\n".join((*threads, *tasks))


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _tasks() -> "list[asyncio.Task[Any]]":
    """The tasks of all event loops; asyncio itself lists only those of a given loop."""
    gc.unfreeze()
    # by their types: an object may say of itself that it is of any class
    return [found for found in gc.get_objects() if issubclass(type(found), asyncio.Task)]


def _awaits(awaited: Any) -> Iterator[str]:
    """One line per coroutine, from the outermost to the one that waits."""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            code = frame.f_code
            yield f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_qualname}\n'
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)

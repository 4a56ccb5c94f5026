"""How a process ends that is told to: in order, at once, or by force, and in no case never."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest

from sink.process.termination import EXIT_CODE

PATIENCE = 60.0
_PROCESS = """
import asyncio, contextlib, logging, signal, sys, threading, time
from sink.process import termination
from sink.process.termination import Termination

logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
work, limit, alarm = sys.argv[1:]
termination.ALARM_SECONDS = float(alarm)
ending = Termination(float(limit)).install()

def ready():
    print("ready", flush=True)

async def in_order():
    stop = ending.event()
    ready()
    await stop.wait()

async def stubborn():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

async def never():
    stop = ending.event()
    task = asyncio.create_task(stubborn(), name="the stubborn one")
    ready()
    await stop.wait()
    task.cancel()
    await task

async def a_thread_hangs():
    stop = ending.event()
    threading.Thread(target=time.sleep, args=(3600,), name="the hanging one").start()
    ready()
    await stop.wait()

async def the_loop_hangs():
    ending.event()
    ready()
    time.sleep(3600)

async def nobody_reads_the_log():
    stop = ending.event()
    logging.getLogger().handlers[0].acquire()
    threading.Thread(target=time.sleep, args=(3600,)).start()
    ready()
    await stop.wait()

async def starting():
    ready()
    time.sleep(3600)

async def starting_in_deaf_code():
    with contextlib.suppress(SystemExit):
        await starting()
    await ending.event().wait()

asyncio.run(globals()[work]())
"""


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


def ended(work: str, *signals: int, limit: float = 3600, alarm: float = 3600) -> Ended:
    """How a process ends whose work is that of the name."""
    command = [sys.executable, "-c", _PROCESS, work, str(limit), str(alarm)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            for number in signals:
                os.kill(process.pid, number)
                # the second one must find that the first was heard
                if len(signals) > 1:
                    assert process.stderr is not None
                    process.stderr.readline()
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return Ended(process.returncode, said.decode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("work", ["in_order", "starting", "starting_in_deaf_code"])
def test_a_process_that_is_told_to_end_does(work: str, number: int) -> None:
    found = ended(work, number)
    assert found.code == 0
    assert "Traceback" not in found.said


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("never", ["the stubborn one", "in stubborn", "thread MainThread"]),
        ("a_thread_hangs", ["the hanging one", "thread MainThread"]),
        ("the_loop_hangs", ["in the_loop_hangs"]),
    ],
)
def test_a_process_that_does_not_end_in_time_says_where_it_stands_and_ends(work: str, words: list[str]) -> None:
    found = ended(work, signal.SIGTERM, limit=0.5)
    assert found.code == EXIT_CODE
    for word in ("CRITICAL ending the process: it was told to end", *words):
        assert word in found.said


def test_a_process_that_cannot_even_write_its_log_ends() -> None:
    assert ended("nobody_reads_the_log", signal.SIGTERM, limit=0.1, alarm=0.5).code == -signal.SIGALRM


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("work", ["never", "a_thread_hangs"])
def test_a_second_signal_ends_a_process_at_once(work: str, second: int) -> None:
    assert ended(work, signal.SIGTERM, second).code == -second

"""CTranslate2's devices: available GPUs, CUDA libraries, threads, and detection of its out-of-memory errors."""

import ctypes
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ctranslate2

from gpu_consumers.engines.libraries.nvidia_driver import driver_cuda, found_or_too_old
from gpu_consumers.engines.windowed.recognizer import DeviceOutOfMemory

CUDA = 12000  # of the libraries that it opens by name; a driver of this major version runs all of it


def gpu_available() -> bool:
    """Whether CTranslate2 finds a GPU; raises Fatal when the driver is too old for it."""
    return found_or_too_old(ctranslate2.get_cuda_device_count() > 0, "CTranslate2", CUDA, driver_cuda())


FEWEST_THREADS = 4  # as far as there are processors


def threads_for(workers: int) -> int:
    """Threads of one worker, when so many share the processors: some more than its share, for it is often alone.

    On two processors one job of two workers ends in 7.8 s instead of 11.0 s, and two at once in 12.0 s instead of 11.7 s
    (whisper-base on the demo's recording).
    """
    processors = os.cpu_count() or 1
    return min(processors, max(FEWEST_THREADS, processors // workers))


def preload_cublas() -> None:
    """Preload libcublas.so.12, which CTranslate2 opens by name while torch brings only version 13."""
    spec = importlib.util.find_spec("nvidia.cublas")
    for folder in spec.submodule_search_locations or () if spec else ():
        for name in ("libcublasLt.so.12", "libcublas.so.12"):
            if (path := Path(folder) / "lib" / name).is_file():
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Translation of CTranslate2's errors for a lack of memory, which are a text or a MemoryError, to DeviceOutOfMemory."""
    try:
        yield
    except MemoryError as error:
        raise DeviceOutOfMemory(str(error)) from error
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        raise DeviceOutOfMemory(str(error)) from error

"""Check that a GPU is not left idle because the machine's NVIDIA driver is older than a library's CUDA."""

import ctypes

from schemas.errors import Fatal


def driver_cuda() -> int | None:
    """The newest CUDA that the driver can run, such as 12040; None without a driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int()
    return version.value if library.cuDriverGetVersion(ctypes.byref(version)) == 0 else None


def found_or_too_old(found: bool, library: str, needs: int, driver: int | None) -> bool:
    """Whether a library found a GPU; raises Fatal when it could not because the driver is too old for its CUDA.

    Libraries only say that there is no GPU then, and the work would go on a hundred times slower on the CPU.
    """
    if found or driver is None or driver >= needs:
        return found
    raise Fatal(
        f"the NVIDIA driver of this machine runs CUDA {_text(driver)}, and {library} needs {_text(needs)}:"
        " install a newer driver, or set SCRIBE_DEVICE=cpu to go on without the GPU"
    )


def _text(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"

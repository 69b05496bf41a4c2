"""Keep freed memory on a CPU.

A training step frees and asks again for the same gigabyte of activations. glibc hands large blocks back to
the system at once, so that every step faults in all of its pages anew: a third to a half of a step's time.
"""

import ctypes
import os
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
SWITCH = "RECBOLE_MMM4REC_KEEP_MEMORY"


def keep_memory() -> bool:
    """Tell glibc's allocator never to return memory and to take large blocks from the heap too.

    The process then holds on to its peak. Set the environment variable ``RECBOLE_MMM4REC_KEEP_MEMORY=0`` to
    leave the allocator alone; with another allocator preloaded (jemalloc, tcmalloc) it has no effect.

    Returns:
        whether it was done.
    """
    if os.environ.get(SWITCH) == "0" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 64 << 20))
    return all(mallopt(option, value) == 1 for option, value in settings)

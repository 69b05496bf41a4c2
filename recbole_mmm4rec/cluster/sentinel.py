"""A tiny program beside each process of a run: it ends the process when that gives no sign of life.

A stopped process, or one that sleeps in the kernel, cannot end itself, and the others may be on another host.
Usage: ``sentinel.py PID SECONDS LINE``; a sign of life is any byte on standard input, whose end says that the
process is gone. It imports nothing of this package, and so takes 10 MB.
"""

import os
import select
import signal
import sys

GRACE = 3.0  # seconds: after a suspended session goes on, this program may wake up first


def main(process: int, seconds: float, line: str) -> None:
    """Watch until the process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while _hears(seconds) or _hears(GRACE):
        if not os.read(0, 65536):
            return
    if os.getppid() == process:
        os.kill(process, signal.SIGKILL)
        sys.stderr.write(f"{line}\n" if line else "")


def _hears(seconds: float) -> bool:
    return bool(select.select([0], [], [], seconds)[0])


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])

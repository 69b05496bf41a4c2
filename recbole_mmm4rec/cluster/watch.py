"""Signs of life between the processes of a run, and one end for all of them.

Every second each process writes a number into the store that all reach, reads the others', and gives a sign
to its :mod:`.sentinel`. A process that fails leaves a note there. One that finds a note, a process without
signs of life or no store any more says so and ends at once, whatever its main thread waits for.
"""

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from torch.distributed import Store

from recbole_mmm4rec.cluster import sentinel
from recbole_mmm4rec.cluster.limits import Limits
from recbole_mmm4rec.cluster.place import Place

FAILED = 1
"""Exit code of a process that ends because another one failed."""

PERIOD = 1.0  # seconds between two signs of life
NO_SIGN = "no sign of life"
_NOTE = "note"


class Watch:
    """This process's part of it.

    Args:
        place: of this process.
        store: a connection of the watch's own: a blocked one blocks all who use it.
        limits: see there.
        speak: tells the user one line, or the program that started this process.
        alone: it is the user whom it tells, so that a process that is ended for its silence is told too.
    """

    def __init__(
        self, place: Place, store: Store, limits: Limits, speak: Callable[[str], None], alone: bool
    ) -> None:
        self.place, self.store, self.limits, self.speak, self.alone = place, store, limits, speak, alone
        self.note = ""
        self._beats = [f"beat/{rank}" for rank in range(place.world_size)]
        self._heard: dict[str, tuple[bytes, float]] = {}
        self._answered = time.monotonic()
        self._over, self._judges = threading.Event(), True
        self._sentinel: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """First sign of life; all processes give it before any starts to watch."""
        self.store.set(self._beats[self.place.rank], "0")
        if self.place.rank == 0:
            self.store.set(_NOTE, "")

    def start(self) -> None:
        """Begin to watch and to be watched."""
        self._sentinel = self._start_sentinel()
        self._answered = time.monotonic()
        for work in (self._exchange, self._judge):
            threading.Thread(target=work, daemon=True).start()

    def stop_judging(self) -> None:
        """From now on this process ends by itself."""
        self._judges = False

    def stop(self) -> None:
        """Others may end from now on."""
        self._judges = False
        self._over.set()
        if self._sentinel is not None and self._sentinel.stdin is not None:
            with suppress(OSError):
                self._sentinel.stdin.close()
            self._sentinel.wait()
            self._sentinel = None

    def tell(self, line: str) -> bool:
        """Leave a note for the others, unless there is one; whether this process is the one to speak."""
        if not self._in_touch():
            return True
        with suppress(RuntimeError):
            self.store.compare_set(_NOTE, "", f"{self.place}: {line}")
        return self._is_first()

    def reason(self, seconds: float) -> str:
        """The note of the process that failed first; empty if none comes within ``seconds``."""
        end = time.monotonic() + seconds
        while not self.note and time.monotonic() < end:
            time.sleep(PERIOD / 10)
        return self.note

    def wait_for_readers(self) -> None:
        """Keep the store open for as long as others need to read the note."""
        time.sleep(3 * PERIOD)

    def let_speak(self) -> None:
        """Stay until another process of this host has told why: who started them ends all after the first."""
        time.sleep(6 * PERIOD)

    def _is_first(self) -> bool:
        """One process of a host speaks for all of them."""
        try:
            return self.store.add(f"said/{self.place.host}", 1) == 1
        except RuntimeError:
            return True

    def _in_touch(self) -> bool:
        return time.monotonic() - self._answered < 3 * PERIOD

    def _start_sentinel(self) -> "subprocess.Popen[bytes] | None":
        if os.name != "posix":
            return None
        line = f"error: {self.place}: {NO_SIGN} for {self.limits.heartbeat:g} s; it is ended"
        words = [str(os.getpid()), str(self.limits.heartbeat), line if self.alone else ""]
        program = [sys.executable, "-I", "-S", str(sentinel.__file__), *words]
        return subprocess.Popen(program, stdin=subprocess.PIPE)

    def _exchange(self) -> None:
        """Write and read; the only thread that a dead store can block."""
        for count in itertools.count(1):
            if self._over.wait(PERIOD):
                return
            try:
                self.store.set(self._beats[self.place.rank], str(count))
                note, *beats = self.store.multi_get([_NOTE, *self._beats])
            except RuntimeError:  # judged by the time since the last answer
                continue
            self._answered = time.monotonic()
            self.note = bytes(note).decode()
            for beat, value in zip(self._beats, beats, strict=True):
                if self._heard.get(beat, (b"", 0.0))[0] != bytes(value):
                    self._heard[beat] = bytes(value), self._answered

    def _judge(self) -> None:
        before = time.monotonic()
        while not self._over.wait(PERIOD / 2):
            now = time.monotonic()
            if now - before > 3 * PERIOD:  # this process was stopped itself, and has to listen again first
                self._answered, self._heard = now, {}
            before = now
            self._give_sign()
            verdict = self._verdict(now)
            if verdict and self._judges:
                self._end(verdict)

    def _give_sign(self) -> None:
        if self._sentinel is not None and self._sentinel.stdin is not None:
            with suppress(OSError):
                os.write(self._sentinel.stdin.fileno(), b".")

    def _verdict(self, now: float) -> str:
        """Why this process must end; empty while all is well."""
        limit = self.limits.heartbeat
        if self.note and not self.note.startswith(f"{self.place}:"):
            return self.note
        if now - self._answered > limit:
            return f"{self.place}: no answer from {self.place.address}:{self.place.port} for {limit:g} s"
        for beat, (_, heard) in list(self._heard.items()):
            if now - heard > limit:
                number = beat.partition("/")[2]
                return f"process {number} of {self.place.world_size}: {NO_SIGN} for {limit:g} s"
        return ""

    def _end(self, verdict: str) -> None:
        if not self._in_touch() or self._is_first():
            self.speak(verdict)
        else:
            self.let_speak()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(FAILED)

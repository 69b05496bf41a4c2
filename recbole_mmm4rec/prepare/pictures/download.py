"""Fetching many pictures at once, politely, and going on where the last run stopped."""

import math
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.pictures.fetch import FetchProblem, Limits, fetch
from recbole_mmm4rec.prepare.pictures.names import file_stem
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, picture_format, read_picture
from recbole_mmm4rec.prepare.pictures.record import DownloadRecord

UNFINISHED = ".part"


@dataclass(frozen=True)
class DownloadOptions:
    """``rate``: requests a second over all threads, 0 for no limit; ``retries``: tries after the first one;
    ``backoff``: seconds before the first of those, doubled each time.
    """

    concurrency: int = 16
    rate: float = 20.0
    retries: int = 3
    backoff: float = 1.0
    timeout: float = 15.0
    max_bytes: int = 20_000_000
    allow_private: bool = False

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> "DownloadOptions":
        """Build from a settings dictionary; ``UserError`` for an unknown key or a value of a wrong type."""
        known = {entry.name: entry.default for entry in fields(cls)}
        for key, value in values.items():
            if key not in known:
                raise UserError(f"download_options: unknown key '{key}', known are {', '.join(known)}")
            kinds = {bool: (bool,), int: (int,), float: (int, float)}[type(known[key])]
            fits = type(value) in kinds and value >= 0 and math.isfinite(value)
            if not fits or (key == "timeout" and value == 0):
                raise UserError(f"download_options: {key}: {value!r} is not what this key takes")
        return cls(**values)


def download(
    links: Mapping[str, str], folder: Path, cache: Path, options: DownloadOptions
) -> tuple[dict[str, Path], dict[str, str]]:
    """Fetch item -> link into ``folder``; return (item -> decoded picture, item -> why there is none).

    What a former run fetched from the same link is not fetched again, and a link that it found to be gone for
    good is not asked again; ``cache`` holds that record. Ctrl-C stops within a request's timeout.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for rest in folder.glob(f"*{UNFINISHED}"):
        rest.unlink()
    record = DownloadRecord(cache)
    found, gone = record.fetched(links, folder), record.gone(links)
    wanted = {token: link for token, link in links.items() if token not in found and token not in gone}
    record.note_asked(wanted)
    for token, link, outcome in _run(wanted, folder, options):
        if isinstance(outcome, Path):
            found[token] = outcome
            continue
        gone[token] = str(outcome)
        if outcome.lasting:
            record.note_gone(token, link, str(outcome))
    return found, gone


def _run(
    links: Mapping[str, str], folder: Path, options: DownloadOptions
) -> Iterator[tuple[str, str, Path | FetchProblem]]:
    worker = _Worker(folder, options)
    pending: dict[Future[Path | FetchProblem], str] = {}
    bar = tqdm(total=len(links), desc="download", unit="file", leave=False, disable=None)
    with ThreadPoolExecutor(options.concurrency or 1) as pool, bar:
        try:
            waiting = iter(links)
            while True:
                # a window of jobs, so that a million links are no million objects
                for token in waiting:
                    pending[pool.submit(worker, token, links[token])] = token
                    if len(pending) >= 4 * max(options.concurrency, 1):
                        break
                if not pending:
                    return
                for job in wait(pending, return_when=FIRST_COMPLETED).done:
                    token = pending.pop(job)
                    bar.update()
                    yield token, links[token], job.result()
        finally:
            worker.stop.set()
            pool.shutdown(cancel_futures=True)


class _Worker:
    """Fetches one picture with retries; shared by the threads for the rate limit and the stop signal."""

    def __init__(self, folder: Path, options: DownloadOptions) -> None:
        self.stop = threading.Event()
        self._folder, self._options = folder, options
        self._limits = Limits(options.timeout, options.max_bytes, options.allow_private)
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def __call__(self, token: str, link: str) -> Path | FetchProblem:
        problem = FetchProblem("interrupted", transient=True)
        for attempt in range(self._options.retries + 1):
            if attempt:
                pause = self._options.backoff * 2 ** (attempt - 1)
                self.stop.wait(max(problem.wait, pause * random.uniform(0.75, 1.25)))
            self._take_turn()
            if self.stop.is_set():
                break
            try:
                return self._once(token, link)
            except FetchProblem as error:
                problem = error
            if not problem.transient:
                break
        return problem

    def _take_turn(self) -> None:
        if self._options.rate <= 0:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + 1 / self._options.rate
        self.stop.wait(turn - now)

    def _once(self, token: str, link: str) -> Path:
        part = self._folder / f"{file_stem(token)}{UNFINISHED}"
        try:
            fetch(link, part, self._limits)
            read_picture(part)
            path = self._folder / f"{file_stem(token)}{picture_format(part)}"
            os.replace(part, path)
            return path
        except UnusablePicture as problem:
            raise FetchProblem(str(problem), transient=False) from problem
        finally:
            part.unlink(missing_ok=True)

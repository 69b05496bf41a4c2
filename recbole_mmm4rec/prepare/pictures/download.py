"""Fetching many pictures at once, politely, and going on where the last run stopped."""

import json
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
from recbole_mmm4rec.prepare.pictures.names import file_stem, find_pictures
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, picture_format, read_picture

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
            is_flag = isinstance(known[key], bool)
            if isinstance(value, bool) != is_flag or not isinstance(value, int | float) or value < 0:
                raise UserError(f"download_options: {key}: {value!r} is not what this key takes")
        return cls(**values)


def download(
    links: Mapping[str, str], folder: Path, cache: Path, options: DownloadOptions
) -> tuple[dict[str, Path], dict[str, str]]:
    """Fetch item -> link into ``folder``; return (item -> decoded picture, item -> why there is none).

    What a former run fetched is not fetched again, and what it found to be gone for good is not asked again;
    ``cache`` holds that list. Ctrl-C stops within a request's timeout.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for rest in folder.glob(f"*{UNFINISHED}"):
        rest.unlink()
    found = find_pictures(folder, links)
    record = cache / "gone.jsonl"
    gone = {token: reason for token, reason in _read_gone(record).items() if token in links}
    wanted = {token: link for token, link in links.items() if token not in found and token not in gone}
    with record.open("a", encoding="utf-8") as log:
        for token, link, outcome in _run(wanted, folder, options):
            if isinstance(outcome, Path):
                found[token] = outcome
                continue
            gone[token] = str(outcome)
            if not outcome.transient:
                log.write(json.dumps({"item": token, "link": link, "reason": str(outcome)}) + "\n")
                log.flush()
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


def _read_gone(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    gone = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            gone[entry["item"]] = entry["reason"]
        except (ValueError, KeyError):
            continue  # the last line of a run that was killed while writing it
    return gone

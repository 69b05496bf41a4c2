"""Fetching many pictures at once, politely, and going on where the last run stopped."""

import asyncio
import math
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.pictures.fetch import FetchProblem, Limits, fetch, open_client
from recbole_mmm4rec.prepare.pictures.names import file_stem
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, picture_format, read_picture
from recbole_mmm4rec.prepare.pictures.record import DownloadRecord

UNFINISHED = ".part"
OUT_OF_TIME = "not fetched within total_timeout"
Outcome = Path | FetchProblem


@dataclass(frozen=True)
class DownloadOptions:
    """``concurrency``: requests at a time; ``rate``: requests a second, 0 for no limit; ``retries``: tries
    after the first one; ``backoff``: seconds before the first of those, doubled each time; ``timeout``:
    seconds for one try at a picture, from the first look-up to the last byte; ``total_timeout``: seconds for
    all pictures of a run, 0 for no limit.
    """

    concurrency: int = 16
    rate: float = 20.0
    retries: int = 3
    backoff: float = 1.0
    timeout: float = 15.0
    total_timeout: float = 0.0
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
    good is not asked again; ``cache`` holds that record. Ctrl-C ends it at once, and what is done stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for rest in folder.glob(f"*{UNFINISHED}"):
        rest.unlink()
    record = DownloadRecord(cache)
    found, gone = record.fetched(links, folder), record.gone(links)
    wanted = {token: link for token, link in links.items() if token not in found and token not in gone}
    record.note_asked(wanted)

    def note(token: str, outcome: Outcome) -> None:
        if isinstance(outcome, Path):
            found[token] = outcome
            return
        gone[token] = str(outcome)
        if outcome.lasting:
            record.note_gone(token, wanted[token], str(outcome))

    if wanted:
        _run(_fetch_all(wanted, folder, options, note))
    gone |= {token: OUT_OF_TIME for token in wanted if token not in found and token not in gone}
    return found, gone


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end, also inside a notebook, whose own loop is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _fetch_all(
    links: Mapping[str, str], folder: Path, options: DownloadOptions, note: Callable[[str, Outcome], None]
) -> None:
    """Tell ``note`` the outcome of each link as it comes, until all are done or the total time is over."""
    waiting = iter(links.items())
    bar = tqdm(total=len(links), desc="download", unit="file", leave=False, disable=None)

    async def work(fetcher: _Fetcher) -> None:
        for (
            token,
            link,
        ) in waiting:  # shared by all workers, so that a million links do not become a million tasks
            note(token, await fetcher.outcome(token, link))
            bar.update()

    async with open_client() as client:
        fetcher = _Fetcher(client, folder, options)
        workers = [asyncio.ensure_future(work(fetcher)) for _ in range(options.concurrency or 1)]
        try:
            async with asyncio.timeout(options.total_timeout or None) as limit:
                await asyncio.gather(*workers)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            bar.close()


class _Fetcher:
    """Fetches pictures with retries, no more often than the rate allows."""

    def __init__(self, client: httpx.AsyncClient, folder: Path, options: DownloadOptions) -> None:
        self._client, self._folder, self._options = client, folder, options
        self._limits = Limits(options.timeout, options.max_bytes, options.allow_private)
        self._next = 0.0

    async def outcome(self, token: str, link: str) -> Outcome:
        """Return the picture, or why there is none after all tries."""
        attempt = 0
        while True:
            await self._turn()
            try:
                return await self._once(token, link)
            except FetchProblem as problem:
                if not problem.transient or attempt == self._options.retries:
                    return problem
                pause = self._options.backoff * 2**attempt
                await asyncio.sleep(max(problem.wait, pause * random.uniform(0.75, 1.25)))
            attempt += 1

    async def _turn(self) -> None:
        if self._options.rate <= 0:
            return
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now)
        self._next = turn + 1 / self._options.rate
        await asyncio.sleep(turn - now)

    async def _once(self, token: str, link: str) -> Path:
        part = self._folder / f"{file_stem(token)}{UNFINISHED}"
        try:
            await fetch(self._client, link, part, self._limits)
            path = self._folder / f"{file_stem(token)}{await asyncio.to_thread(_checked_format, part)}"
            os.replace(part, path)
            return path
        except UnusablePicture as problem:
            raise FetchProblem(str(problem), transient=False) from problem
        finally:
            part.unlink(missing_ok=True)


def _checked_format(path: Path) -> str:
    """Decode the picture, to see that it can be, and return the ending that fits its content."""
    read_picture(path)
    return picture_format(path)

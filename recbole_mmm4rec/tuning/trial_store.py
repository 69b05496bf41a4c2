"""Trials that are over, the best one's checkpoint, and the files that say so."""

import csv
import io
import os
import shutil
from pathlib import Path
from typing import Any

from recbole_mmm4rec.files import read_json_lines, write_json_lines, write_text
from recbole_mmm4rec.host.property_files import as_properties
from recbole_mmm4rec.tuning.search import CHECKPOINTS, FAILED, FINISHED, STOPPED, Search

LINES, TABLE, BEST, WEIGHTS = "trials.jsonl", "trials.csv", "best.yaml", "best.pth"
OWNER, TRIAL = "# search ", "# trial "
"""Lines of ``best.yaml`` that say whose the best files are: the search's identity and the trial's key."""


class TrialStore:
    """Trials by key. Every file is whole whenever it is read; a killed search finds here what it has done.

    Trials of other searches in the same folder (another metric, other fixed values, changed data) stay in the
    file and count for nothing; their best files get the other search's identity into their names.

    Args:
        search: whose folder it is.
        bigger: whether a bigger score is a better one.
        metric: what the score is, for people.
        stops_early: the search ends bad trials early, so that those count which were ended.
    """

    def __init__(self, search: Search, bigger: bool, metric: str, stops_early: bool = False) -> None:
        self.search, self.bigger, self.metric = search, bigger, metric
        over, unheeded = {FINISHED, STOPPED}, set() if stops_early else {STOPPED}
        rows = read_json_lines(search.folder / LINES)
        mine = [row for row in rows if row.get("search") == search.identity and "key" in row]
        self.rows = {row["key"]: row for row in mine if row.get("status") in over - unheeded}
        self.others = [row for row in rows if row not in mine or row.get("status") in unheeded]
        self._take_over()
        self._take_weights()
        self.settle()
        if self.rows:
            self._write_table()
            self._write_best()

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of a trial that is over and need not be repeated."""
        return self.rows.get(key)

    def add(self, record: dict[str, Any]) -> None:
        """Write a trial down, keep its checkpoint if it is the best, and no other."""
        self.rows[record["key"]] = record | {"search": self.search.identity}
        write_json_lines(self.search.folder / LINES, [*self.others, *self.rows.values()])
        self._write_best()  # before the weights move: who is killed in between finds them where they were
        self.settle()
        self._write_table()

    def best(self) -> dict[str, Any] | None:
        """The trial with the best validation score, the first of equal ones."""
        scored = [row for row in self.rows.values() if row["score"] is not None and row["status"] != FAILED]
        sign = 1 if self.bigger else -1
        return max(scored, key=lambda row: sign * row["score"], default=None)

    def settle(self) -> None:
        """Of all trials that are over only the best one keeps a checkpoint; others continue from theirs."""
        best, folder = self.best(), self.search.folder
        for place in (folder / CHECKPOINTS).glob("*"):
            if place.name not in self.rows:
                continue
            weights = [path for path in place.glob("*.pth") if not path.name.endswith(".last.pth")]
            if best is not None and best["key"] == place.name and weights:
                os.replace(max(weights, key=lambda path: path.stat().st_mtime), folder / WEIGHTS)
            shutil.rmtree(place)

    def _take_over(self) -> None:
        """Put another search's best files aside, and back those of this one."""
        folder, mine = self.search.folder, self.search.identity
        owner = self._said(OWNER) or mine
        if owner != mine:
            _rename(folder, "best", f"best-{owner}")
            _rename(folder, f"best-{mine}", "best")

    def _take_weights(self) -> None:
        """The same with the weights of a trial that is not the best one here.

        A trial that was ended early counts for some algorithms only.
        """
        best, said = (self.best() or {}).get("key"), self._said(TRIAL)
        if said not in (None, best):
            _rename(self.search.folder, "best", f"best-{said}", WEIGHTS)
            _rename(self.search.folder, f"best-{best}", "best", WEIGHTS)

    def _said(self, mark: str) -> str | None:
        """What stands after a mark in ``best.yaml``."""
        lines = self.best_file.read_text(encoding="utf-8").splitlines() if self.best_file.is_file() else []
        return next((line.removeprefix(mark) for line in lines if line.startswith(mark)), None)

    def _write_table(self) -> None:
        keys = list(self.search.space)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*keys, "status", self.metric, "epochs", "seconds", "error"])
        for row in self.rows.values():
            outcome = [row[name] for name in ("status", "score", "epochs", "seconds", "error")]
            writer.writerow([*(row["params"].get(key) for key in keys), *outcome])
        write_text(self.search.folder / TABLE, text.getvalue())

    def _write_best(self) -> None:
        best = self.best()
        if best is None:
            return
        done = sum(row["status"] == FINISHED for row in self.rows.values())
        told = f"# {self.metric} {best['score']:.4f} on validation, the best of {len(self.rows)} trials"
        values = {"model": self.search.model, "dataset": self.search.dataset, **self.search.given}
        text = as_properties({**values, **best["params"]})
        head = f"{told} ({done} of them to the end)\n{OWNER}{self.search.identity}\n{TRIAL}{best['key']}\n"
        write_text(self.best_file, head + text)

    @property
    def best_file(self) -> Path:
        """YAML that ``--config_files`` takes."""
        return self.search.folder / BEST


def _rename(folder: Path, before: str, after: str, *names: str) -> None:
    for name in names or (BEST, WEIGHTS):
        source = folder / Path(name).with_stem(before)
        if source.is_file():
            os.replace(source, source.with_stem(after))

"""What a command may not write over: its own inputs, and files of another kind."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import may_hold_page
from recbole_mmm4rec.recommend.orders import FILES
from recbole_mmm4rec.recommend.shards import is_one_file


def check_targets(output: Path | None, page: Path | None, users: Path, inputs: Iterable[Path]) -> None:
    """Refuse a place for lists or for a page, before anything is read.

    Args:
        output: of the lists, a file or a folder; or None.
        page: of the page, or None.
        users: the histories.
        inputs: other files and folders that are read.

    Raises:
        UserError: a folder where a file is to be; an input or a file of a dataset; for the page, another
            ending than ``.html``, or an existing file that is not a page.
    """
    if output is not None and output.suffix in FILES and output.is_dir():
        raise UserError(f"--output: {output} is a folder; name a file, or a folder without a dot")
    if page is not None and page.is_dir():
        raise UserError(f"--page: {page} is a folder; name a file that ends in .html")
    if page is not None and not may_hold_page(page):
        raise UserError(f"--page: {page} exists and is not an HTML file; name a file that ends in .html")
    if page is not None and page.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--page: {page} does not end in .html")
    read = {path.resolve() for path in (*_files_of(users), *inputs)}
    for flag, target in (("--output", output), ("--page", page)):
        if target is not None and target.resolve() in read:
            raise UserError(f"{flag}: {target} is an input of this command; name another file")
        if target is not None and _is_of_a_dataset(target.resolve()):
            raise UserError(f"{flag}: {target} is a file of a dataset; name another file")


def _files_of(users: Path) -> list[Path]:
    """The histories themselves: the file, the folder and what is in it, or what a pattern finds."""
    if is_one_file(users):
        return [users]
    return (
        [users, *users.iterdir()] if users.is_dir() else [*map(Path, glob.glob(str(users), recursive=True))]
    )


def _is_of_a_dataset(target: Path) -> bool:
    """Whether it is there as RecBole names the files of a dataset: name/name.ending."""
    name = target.parent.name
    events = target.parent / f"{name}.inter"
    return target.name.startswith(f"{name}.") and target.exists() and events.exists()

"""What former runs asked for: which link a picture came from, and which links have none for good."""

import json
from collections.abc import Mapping
from pathlib import Path

from recbole_mmm4rec.prepare.pictures.names import stored_pictures


class DownloadRecord:
    """Kept in the folder ``cache``; everything in it is by item and link, so another link is asked anew."""

    def __init__(self, cache: Path) -> None:
        self._asked, self._gone = cache / "asked.jsonl", cache / "gone.jsonl"

    def fetched(self, links: Mapping[str, str], folder: Path) -> dict[str, Path]:
        """Return the pictures in ``folder`` that came from ``links``; those of other links are removed."""
        asked = {entry["item"]: entry["link"] for entry in _entries(self._asked)}
        found = stored_pictures(folder, links)
        for token in [token for token in found if asked.get(token) != links[token]]:
            found.pop(token).unlink(missing_ok=True)
        return found

    def gone(self, links: Mapping[str, str]) -> dict[str, str]:
        """Return item -> why its link has no picture, where a former run found that out."""
        entries = [entry for entry in _entries(self._gone) if links.get(entry["item"]) == entry["link"]]
        return {entry["item"]: entry["reason"] for entry in entries}

    def note_asked(self, links: Mapping[str, str]) -> None:
        """Note that pictures of ``links`` may appear from now on, after others were removed."""
        with self._asked.open("a", encoding="utf-8") as file:
            file.writelines(_line(item=token, link=link) for token, link in links.items())

    def note_gone(self, token: str, link: str, reason: str) -> None:
        """Note that ``link`` has no picture, whatever the options of the next run are."""
        with self._gone.open("a", encoding="utf-8") as file:
            file.write(_line(item=token, link=link, reason=reason))


def _line(**entry: str) -> str:
    return json.dumps(entry) + "\n"


def _entries(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue  # the last line of a run that was killed while writing it
    return entries

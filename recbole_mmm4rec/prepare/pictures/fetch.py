"""One request for one picture: redirects, limits, and a verdict that says whether trying again may help."""

import http.client
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from recbole_mmm4rec.prepare.pictures.addresses import PrivateAddress, RefusedLink, open_connection

MAX_REDIRECTS = 5
_CHUNK = 1 << 16
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_AGENT = "recbole-mmm4rec"


@dataclass(frozen=True)
class Limits:
    """``timeout``: seconds for each silence, and for the picture with its redirects, looked at before each
    request and whenever a part of the body comes; ``max_bytes``: size of the file.
    """

    timeout: float = 15.0
    max_bytes: int = 20_000_000
    allow_private: bool = False


class FetchProblem(Exception):  # noqa: N818 - carries a verdict, not a defect
    """No picture. ``transient``: trying again may help; ``wait``: seconds that the server asks for;
    ``lasting``: neither time nor other ``Limits`` will help.
    """

    def __init__(self, reason: str, transient: bool, wait: float = 0.0, limited: bool = False) -> None:
        super().__init__(reason)
        self.transient, self.wait, self.lasting = transient, wait, not (transient or limited)


def fetch(url: str, path: Path, limits: Limits) -> None:
    """Write what ``url`` answers to ``path``, complete when this returns. Raises ``FetchProblem``."""
    deadline = time.monotonic() + limits.timeout
    for _ in range(MAX_REDIRECTS + 1):
        target = _request(url, path, limits, deadline)
        if target is None:
            return
        url = _joined(url, target)
    raise FetchProblem("too many redirects", transient=False)


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise FetchProblem("redirect is malformed", transient=False) from error


def _request(url: str, path: Path, limits: Limits, deadline: float) -> str | None:
    """Follow one hop; return where it redirects to, None when ``path`` is written."""
    connection = None
    try:
        connection, request = open_connection(url, _left(deadline), limits.allow_private)
        connection.request("GET", request, headers={"User-Agent": _AGENT, "Accept": "image/*"})
        response = connection.getresponse()
        if response.status in (301, 302, 303, 307, 308):
            return _location(response)
        _check(response, limits)
        _save(response, path, limits, deadline)
        return None
    except RefusedLink as refused:
        limited = isinstance(refused, PrivateAddress)
        raise FetchProblem(str(refused), transient=False, limited=limited) from refused
    except (TimeoutError, ConnectionError) as error:
        slow = isinstance(error, TimeoutError)
        raise FetchProblem("timed out" if slow else "connection lost", transient=True) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if (isinstance(error, OSError) and error.filename is not None) or getattr(error, "errno", None) == 28:
            raise  # the file, not the network: a full disk ends the run
        raise FetchProblem(f"no answer ({type(error).__name__})", transient=True) from error
    finally:
        if connection is not None:
            connection.close()


def _left(deadline: float) -> float:
    """Seconds until ``deadline``. Raises ``FetchProblem`` where there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise FetchProblem("timed out", transient=True)
    return seconds


def _location(response: http.client.HTTPResponse) -> str:
    target = response.getheader("Location")
    if not target:
        raise FetchProblem("redirect without a target", transient=False)
    return target


def _check(response: http.client.HTTPResponse, limits: Limits) -> None:
    if response.status != 200:
        after = response.getheader("Retry-After") or ""
        wait = min(float(after), 60.0) if after.isdigit() else 0.0
        raise FetchProblem(f"HTTP {response.status}", response.status in _TRY_AGAIN, wait)
    if (response.getheader("Content-Type") or "").startswith("text/html"):
        raise FetchProblem("an HTML page instead of a picture", transient=False)
    if int(response.getheader("Content-Length") or 0) > limits.max_bytes:
        raise FetchProblem("too large", transient=False, limited=True)


def _save(response: http.client.HTTPResponse, path: Path, limits: Limits, deadline: float) -> None:
    written = 0
    with path.open("wb") as file:
        while chunk := response.read1(_CHUNK):
            written += file.write(chunk)
            if written > limits.max_bytes:
                raise FetchProblem("too large", transient=False, limited=True)
            _left(deadline)
    announced = response.getheader("Content-Length")
    if announced is not None and written != int(announced):
        raise FetchProblem("truncated", transient=True)

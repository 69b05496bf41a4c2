"""What a service costs: ``run_recbole.py --bench=serve``.

The model of :mod:`.recommend_costs` behind ``recbole-mmm4rec serve`` on this machine, asked by 1, 8 and 32
clients at once, each of which waits for its answer before it asks again. Beside it the same requests as calls
of the recommender, one after the other. Server and clients share the machine's cores.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from recbole_mmm4rec.benchmark.recommend_costs import made_up, write_model
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.recommend.loading import load

CLIENTS = (1, 8, 32)
Request = tuple[list[str], list[float]]
"""A history and its times."""
_PROGRAM = "import sys; from recbole_mmm4rec.cli.app import main; sys.exit(main())"


@dataclass
class Load:
    """Requests per second and milliseconds per request of ``clients`` at once; 0: without a service."""

    clients: int
    per_second: float
    p50_ms: float
    p99_ms: float


def run(folder: Path = Path(), requests: int = 600, clients: tuple[int, ...] = CLIENTS) -> str:
    """Measure, write ``serve.json`` into ``folder`` and return a table.

    Args:
        requests: of each measurement.
        clients: how many ask at once, a measurement each.

    Raises:
        UserError: the service does not start, with its own reason.
    """
    with TemporaryDirectory() as place:
        path = Path(place) / "model.pth"
        write_model(path)
        recommender = load(path, "cpu")
        asked = list(zip(*made_up(recommender.items, requests), strict=True))
        loads = [_measured(0, asked, recommender.recommend)]
        with _service(path) as (url, ready), httpx.Client(base_url=url, timeout=60, trust_env=False) as ask:
            for count in clients:
                loads.append(_measured(count, asked, partial(_post, ask)))
    write_json(folder / "serve.json", {"ready_s": ready, "loads": [asdict(each) for each in loads]})
    return _table(ready, loads)


def _measured(clients: int, asked: list[Request], ask: Callable[[list[str], list[float]], Any]) -> Load:
    for request in asked[:10]:
        ask(*request)  # what is computed once is not part of a request

    def timed(request: Request) -> float:
        started = perf_counter()
        ask(*request)
        return perf_counter() - started

    started = perf_counter()
    with ThreadPoolExecutor(max(1, clients)) as pool:
        spent = list(pool.map(timed, asked))
    seconds = perf_counter() - started
    p50, p99 = 1e3 * np.percentile(spent, [50, 99])
    return Load(clients, len(asked) / seconds, float(p50), float(p99))


def _post(client: httpx.Client, history: list[str], times: list[float]) -> None:
    client.post("/recommend", json={"history": history, "times": times, "k": 10}).raise_for_status()


@contextmanager
def _service(path: Path) -> Iterator[tuple[str, float]]:
    """Address of a service on this machine, and the seconds until it was ready."""
    command = [sys.executable, "-c", _PROGRAM, "serve", str(path), "--port=0", "--device=cpu"]
    started = perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        if not line.startswith("http://"):
            raise UserError(f"--bench=serve: {line.strip().removeprefix('error: ') or 'no service'}")
        yield line.split()[0], perf_counter() - started
    finally:
        process.terminate()
        process.communicate()


def _table(ready: float, loads: list[Load]) -> str:
    lines = [f"ready after {ready:.1f} s", f"{'':<16}{'requests/s':>12}{'p50, ms':>10}{'p99, ms':>10}"]
    for each in loads:
        name = f"{each.clients} at once" if each.clients else "direct calls"
        lines.append(f"{name:<16}{each.per_second:>12,.0f}{each.p50_ms:>10.1f}{each.p99_ms:>10.1f}")
    return "\n".join(lines) + "\n"

"""A tiny dataset with words and pictures that can be encoded again, a model of it, and servers of that."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from PIL import Image

from recbole_mmm4rec.data.features import write_features
from recbole_mmm4rec.prepare.encoders.pixels import PixelEncoder
from recbole_mmm4rec.prepare.hashed_text import hashed_vectors
from tests.conftest import ITEMS, write_interactions
from tests.programs import ROOT, finish
from tests.recommend.trained import home, trained

NAME = "shop"
PROGRAM = "import sys; from recbole_mmm4rec.cli.app import main; sys.exit(main())"
COLOURS = ("red", "green", "blue", "white", "black", "grey")
THINGS = ("lamp", "vase", "chair", "clock", "mirror", "carpet", "pillow", "basket", "teapot", "balloon")
GREETING = re.compile(r"(http://\S+) serves (.*), ready in ([\d.]+) s\n")


def title(item: int) -> str:
    return f"{COLOURS[item % 6].capitalize()} {THINGS[item // 6]}"


@lru_cache(maxsize=1)
def dataset() -> Path:
    """``shop``: i0 has neither title nor picture, i1 a picture that is none, and i2 one beside a good one."""
    folder = home() / "atomic_data" / NAME
    write_interactions(folder, NAME, times=True)
    (folder / "images").mkdir()
    generator, pictures = np.random.default_rng(2), []
    for item in range(2, ITEMS):
        pictures.append(Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)))
        pictures[-1].save(folder / "images" / f"i{item}.png")
    (folder / "images" / "i1.png").write_text("no picture")
    (folder / "images" / "i2.jpg").write_text("no picture")
    vectors, facts = hashed_vectors([title(item) for item in range(1, ITEMS)], 16)
    write_features(folder / f"{NAME}.text.parquet", tokens(1), vectors, facts)
    encoder = PixelEncoder()
    write_features(folder / f"{NAME}.image.parquet", tokens(2), encoder.encode(pictures), encoder.metadata)
    lines = [f"i{item}\t{title(item)}\tkind{item % 3}\n" for item in range(1, ITEMS)]
    (folder / f"{NAME}.item").write_text(f"item_id:token\ttitle:token_seq\tkind:token\n{''.join(lines)}")
    return folder


def tokens(first: int) -> list[str]:
    return [f"i{item}" for item in range(first, ITEMS)]


def checkpoint() -> Path:
    dataset()
    return trained("MMM4Rec", (), NAME)[0]


def other_checkpoint(target: Path) -> None:
    """The same model with other weights: every list is another one."""
    raw: dict[str, Any] = torch.load(checkpoint(), weights_only=True)
    torch.manual_seed(7)
    raw["state_dict"] = {
        name: torch.randn_like(value) * 0.3 if value.is_floating_point() and value.ndim > 1 else value
        for name, value in raw["state_dict"].items()
    }
    torch.save(raw, target)


class Server:
    """A running server: its ``process``, its ``url`` and the ``seconds`` until it was ready."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        self.process, self.said = process, ""
        found = None
        while found is None:
            line = process.stderr.readline()
            assert line, f"ended with {process.wait()}: {self.said}"
            self.said += line
            found = GREETING.match(line)
        self.url, self.seconds = found[1], float(found[3])


@contextmanager
def running(path: Path, *flags: str, **variables: str) -> Iterator[Server]:
    """``recbole-mmm4rec serve`` on any port that is free; it ends within, or is ended."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    command = [sys.executable, "-c", PROGRAM, "serve", str(path), "--port=0", "--device=cpu", *flags]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Server(process)
    finally:
        if process.poll() is None:
            process.terminate()
        finish(process)


def client(server: Server, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60, trust_env=False, **options)

"""A server from start to stop: ``serve``."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvicorn

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.dataset_facts import read_dataset
from recbole_mmm4rec.serve.app import create_app
from recbole_mmm4rec.serve.batching import Batcher
from recbole_mmm4rec.serve.generations import Served
from recbole_mmm4rec.serve.metrics import Metrics
from recbole_mmm4rec.serve.service import Service

LOGGER = logging.getLogger("recbole_mmm4rec.serve")
_PATIENCE = 30
"""Seconds that requests have to end after the signal to stop."""
_SWITCH = 5e-4
"""Seconds a thread may keep the others waiting while it computes in Python; ten times Python's own value."""


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says.

    Attributes:
        checkpoint: to serve.
        host, port: where to listen; port 0: any that is free.
        api_key: None: everybody may ask.
        dataset: folder with titles, pictures and users, or None.
        pictures: folder of pictures in the place of the dataset's own, or None.
        device: None: a GPU where there is one.
        watch: seconds between two looks at the checkpoint's file; 0: never.
        batch_wait: seconds that a batch is kept open.
    """

    checkpoint: Path
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    dataset: Path | None = None
    pictures: Path | None = None
    device: str | None = None
    watch: float = 2.0
    batch_wait: float = 0.0


def serve(options: ServeOptions) -> None:
    """Answer requests until SIGTERM or Ctrl-C; those that have begun are answered before it returns.

    Raises:
        UserError: an address that is taken, a checkpoint that cannot be served, files that cannot be read;
            before anything is answered.
    """
    _check(options)
    _log()
    with contextlib.closing(_bound(options.host, options.port)) as bound:
        if options.api_key is None and not _is_loopback(options.host):
            LOGGER.warning("note: other machines may reach %s, and no --api-key is set", options.host)
        metrics = Metrics()
        served = Served(options.checkpoint, options.device, metrics.reload)
        facts = read_dataset(options.dataset, options.pictures)
        service = Service(served, facts, Batcher(options.batch_wait, metrics.batch), metrics)
        app = create_app(service, options.api_key, options.watch)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=_PATIENCE, server_header=False
        )
        sys.setswitchinterval(_SWITCH)
        _Server(config, _greeting(options, service, bound)).run_until_stopped(bound)


class _Server(uvicorn.Server):
    """uvicorn's server; it says when it is ready, and a signal to stop is no error."""

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    def run_until_stopped(self, bound: socket.socket) -> None:
        """Listen on a socket; returns after SIGTERM or Ctrl-C."""
        # uvicorn raises the signal once more when it has stopped, for the handlers before its own
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.run(sockets=[bound])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            seconds = time.time() - psutil.Process().create_time()
            LOGGER.info("%s, ready in %.1f s", self._greeting, seconds)

    def _stop(self, *_: Any) -> None:
        self.should_exit = True


def _greeting(options: ServeOptions, service: Service, bound: socket.socket) -> str:
    recommender = service.served.current.recommender
    host = f"[{options.host}]" if ":" in options.host else options.host
    what = f"{recommender.blueprint.name}, {len(recommender.items):,} items"
    return f"http://{host}:{bound.getsockname()[1]} serves {what}"


def _check(options: ServeOptions) -> None:
    if options.api_key is not None and not options.api_key.strip():
        raise UserError("api_key: it is empty")
    if not 0 <= options.port < 2**16:
        raise UserError(f"port: {options.port} is not a whole number from 0 to 65535")
    for name, value in (("watch", options.watch), ("batch_wait", options.batch_wait)):
        if not 0 <= value <= 3600:
            raise UserError(f"{name}: {value:g} is not a number of seconds from 0 to 3600")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(host: str, port: int) -> socket.socket:
    """A socket that does not listen yet: who asks before the model is there is refused at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise UserError(f"{host}:{port} cannot be listened on: {error.strerror or error}") from None
    bound.set_inheritable(True)
    return bound


def _log() -> None:
    """What the service has to say goes to standard error; of uvicorn's lines only warnings and errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (("recbole_mmm4rec.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)

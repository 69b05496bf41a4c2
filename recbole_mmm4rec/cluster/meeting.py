"""How the processes of a run find each other in a store that may remember earlier attempts."""

import json
import sys
import time
from uuid import uuid4

from torch.distributed import Store

from recbole_mmm4rec.errors import UserError

_POLL = 0.05  # seconds
_SILENT = 10.0


def meet(store: Store, rank: int, size: int, seconds: float) -> str:
    """Wait until all processes are there.

    torchrun keeps one store for all its attempts, and does not count all of them, so that what lies in the
    store may come from processes that are dead. Process 0 calls the others under a new word; each answers
    with a word of its own; process 0 lists the answers, and who finds its own there has met living ones.

    Args:
        store: what all processes reach.
        rank: number of this process.
        size: how many there are.
        seconds: to wait at most.

    Returns:
        The word of process 0, which nothing in the store carried before.

    Raises:
        UserError: some did not come.
    """
    end, talkative = time.monotonic() + seconds, time.monotonic() + _SILENT
    own = uuid4().hex
    call = own if rank == 0 else ""
    if rank == 0:
        store.set("call", own)
    while time.monotonic() < end:
        if rank == 0:
            here = [other for other in range(1, size) if store.check([f"answer/{own}/{other}"])]
            if len(here) == size - 1:
                answers = [store.get(f"answer/{own}/{other}").decode() for other in here]
                store.set(f"list/{own}", json.dumps(answers))
                return own
        elif store.check(["call"]):
            called = store.get("call").decode()
            if called != call:
                store.set(f"answer/{called}/{rank}", own)
            call = called
            if store.check([f"list/{call}"]) and own in json.loads(store.get(f"list/{call}")):
                return call
        if time.monotonic() > talkative:
            sys.stderr.write(f"process {rank} of {size} waits for the others\n")
            talkative = end
        time.sleep(_POLL)
    raise UserError(f"process {rank} of {size}: the others did not come within {seconds:g} s")

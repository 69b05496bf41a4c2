"""How long the processes of a run wait for each other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Times in seconds.

    Attributes:
        heartbeat: without a sign of life a process counts as dead after this; a process gives one every
            second whatever it computes.
        collective: within a step of training, a process whose part of an exchange is missing for this long
            hangs. Where processes may well be unequally fast (loading, evaluating, saving), they wait for
            each other without a limit.
        meeting: all processes must have been started after this.
    """

    heartbeat: float = 30.0
    collective: float = 50.0
    meeting: float = 600.0

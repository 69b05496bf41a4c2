"""The states of all random generators."""

import random

import numpy as np
import torch
from torch import nn

from recbole_mmm4rec.training.random_state import capture_random_state, restore_random_state


def test_random_states_cover_every_generator():
    def draw():
        return (
            torch.rand(3).tolist(),
            nn.functional.dropout(torch.ones(9)).tolist(),
            np.random.rand(3).tolist(),
            np.random.standard_normal(1).tolist(),
            random.random(),
            random.gauss(0, 1),
            torch.rand(3, generator=generator).tolist(),
        )

    generator = torch.Generator()
    draw()
    state = capture_random_state(generator)
    first = draw()
    draw()
    restore_random_state(state, generator)
    assert draw() == first

"""Weights of a candidate's modalities, one score at a time."""

import pytest
import torch
from torch.nn import functional as F

from recbole_mmm4rec.model.missrec.candidate_weighing import CandidateWeighing
from recbole_mmm4rec.nn.scoring import FUSIONS

N, D, B = 7, 4, 3


@pytest.mark.parametrize("with_ids", [False, True])
@pytest.mark.parametrize("modalities", [1, 2])
@pytest.mark.parametrize("weighing", FUSIONS)
def test_scores_are_those_of_the_definition(weighing: str, modalities: int, with_ids: bool) -> None:
    torch.manual_seed(0)
    layer = CandidateWeighing(modalities, N, weighing, 0.5)
    if layer.factor is not None:
        torch.nn.init.normal_(layer.factor)
    vectors = [torch.randn(N, D) for _ in range(modalities)]
    there = torch.ones(N, modalities, dtype=torch.bool)
    there[2, 0] = there[5] = False
    vectors = [v * there[:, m : m + 1] for m, v in enumerate(vectors)]
    ids = torch.randn(N, D) if with_ids else None
    users = F.normalize(torch.randn(B, D), dim=1)
    scores = layer.scores(users, layer.candidates(vectors, ids, there, None))
    for user in range(B):
        for item in range(N):
            cosines = torch.stack([users[user] @ F.normalize(v[item], dim=0) for v in vectors])[there[item]]
            factor = torch.tensor(0.0) if layer.factor is None else layer.factor.expand(N)[item]
            fused = (cosines * (factor * cosines).softmax(0)).sum()
            if ids is not None:
                fused = (users[user] @ F.normalize(ids[item], dim=0) + modalities * fused) / (modalities + 1)
            torch.testing.assert_close(scores[user, item], fused / 0.5)
    some = torch.tensor([0, 2, 6])
    part = layer.candidates([v[some] for v in vectors], None if ids is None else ids[some], there[some], some)
    torch.testing.assert_close(layer.scores(users, part), scores[:, some])

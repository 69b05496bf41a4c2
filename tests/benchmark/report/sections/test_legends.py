"""A legend names the settings that its figure draws, and no others."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.section import Figures, Section
from recbole_mmm4rec.benchmark.report.sections.convergence import convergence
from recbole_mmm4rec.benchmark.report.sections.cost import cost
from recbole_mmm4rec.benchmark.report.sections.groups import by_history
from recbole_mmm4rec.benchmark.report.sections.truncation import truncation
from recbole_mmm4rec.benchmark.report.study import LENGTH, Study
from tests.benchmark.report.folder import SETTINGS, add, make_run
from tests.benchmark.report.test_study import study as study_of

BARE = {"curve": [], "users": None, "seconds": None, "parameters": None, "peak_memory_mib": None}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """GRU4Rec has test results and nothing else."""
    ours = [make_run(**add(tmp_path, setting, "shop", 1, 60)) for setting in (SETTINGS[0], SETTINGS[-1])]
    bare = make_run("GRU4Rec", 1, test={"recall@10": 0.1, "ndcg@10": 0.1}, **BARE)
    return Study([*ours, bare], ReportPlan(), type(study_of().users)(tmp_path))


def figures(section: Section | None) -> Figures:
    assert section is not None
    return next(block for block in section.blocks if isinstance(block, Figures))


def labels(section: Section | None) -> list[str]:
    return [label for _, label in figures(section).legend]


@pytest.mark.parametrize("make", [convergence, cost, by_history])
def test_a_setting_without_data_is_in_the_table_only(make: Any, study: Study) -> None:
    assert "GRU4Rec" in study.comparison.settings
    assert labels(make(study)) == ["SASRec", "MMM4Rec"]


def test_what_has_no_optimiser_steps_is_said(study: Study) -> None:
    assert "Without a record of optimiser steps: GRU4Rec." in figures(convergence(study)).notes


def test_points_have_no_line_in_the_legend(study: Study) -> None:
    dashed = [swatch for swatch, _ in figures(convergence(study)).legend]
    points = [swatch for swatch, _ in figures(cost(study)).legend]
    assert dashed[0] != points[0]
    assert "stroke-dasharray" in dashed[0]
    assert "stroke-dasharray" not in points[0]


def test_a_sweep_without_the_metric_is_not_in_the_legend() -> None:
    runs = [
        make_run(
            f"{model} {length}", model=model, config={LENGTH: length}, changes={LENGTH: length}, test=test
        )
        for model, test in (("SASRec", {"ndcg@10": 0.1}), ("GRU4Rec", {"mrr@10": 0.1}))
        for length in (5, 50)
    ]
    assert labels(truncation(study_of(*runs, metrics=["ndcg@10"]))) == ["SASRec"]

"""Plans that are wrong: one line that names the file and the key."""

import json
from pathlib import Path

import pytest

from recbole_mmm4rec.benchmark.report.writing import write_report
from recbole_mmm4rec.errors import UserError
from tests.benchmark.report.test_runs import GOOD


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("report: [1]", "report: expected keys and values"),
        ("report: {ours: 3}", "ours: expected a text"),
        ("report: {metrics: {a: b}}", "metrics: entry 1: expected a text, found {'a': 'b'}"),
        ("report: {metrics: [recall@7]}", "metric 'recall@7' is in no run; there are recall@10"),
        ("report: {metric: recall@10}", "report: unknown key 'metric'; known are ours, baselines"),
        ("report: {sections: [graphs]}", "no section 'graphs'; there are summary"),
        ("report: {", "plan.yaml: not readable as YAML (line 1: "),
        ("report: " + "[" * 10_000, "not readable as YAML"),
        ("report: {ours: " + "[" * 900 + "]" * 900 + "}", "plan.yaml: "),
        ("report: &a {ours: *a}", "report: ours: expected a text, found {'ours': {'ours': {...}}}"),
        ("title: [a]", "title: expected a text, found ['a']"),
        ("keys: {a: 1}", "keys: entry 1: expected a text, found {'a': 1}"),
        ("- a", "expected lines of 'key: value', found a list"),
        ("keys: [other]", "none of the runs that the plan names"),
    ],
)
def test_a_wrong_plan_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "runs.jsonl").write_text(json.dumps(GOOD) + "\n")
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        write_report(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

"""Whole reports: of a large benchmark, and of the smallest and strangest ones."""

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.sections import SECTIONS
from recbole_mmm4rec.benchmark.report.writing import table_html, write_report
from tests.benchmark.report.folder import SETTINGS, Setting, add, users, whole_benchmark, write_runs
from tests.benchmark.report.parsing import Page, parse
from tests.benchmark.report.test_table_text import HOSTILE as HOSTILE_TITLE
from tests.benchmark.report.test_table_text import TABLE

HOSTILE = '<script>alert(1)</script> "$x_1$" & \\'


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark")
    whole_benchmark(folder, seeds=(2020, 2021), count=400)
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(whole: Path) -> Page:
    return parse((whole / "report.html").read_text(encoding="utf-8"))


def small_report(folder: Path, entries: list[dict[str, Any]], *sections: str) -> tuple[str, Page]:
    """Write a report, of some sections or of all, and read it."""
    write_runs(folder, entries)
    if sections:
        (folder / "plan.yaml").write_text(json.dumps({"report": {"sections": list(sections)}}))
    text = write_report(folder).read_text(encoding="utf-8")
    return text, parse(text)


def sections(page: Page) -> list[str]:
    return [
        v
        for tag, name, v in page.attributes
        if tag in ("section", "details") and name == "id" and v in SECTIONS
    ]


def test_every_section_is_there_in_order(page: Page) -> None:
    assert page.balanced
    assert sections(page) == list(SECTIONS)


def test_ids_are_unique_and_links_lead_to_them(page: Page) -> None:
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in page.attributes if name.endswith("href")}
    assert targets <= set(ids)


def test_nothing_is_fetched(whole: Path, page: Page) -> None:
    text = (whole / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|src=|<link|fetch\(", text)
    assert page.tags.count("script") == 1  # the page's own, which sorts tables
    assert {"svg", "text"} <= set(page.tags)  # drawings are inline, and their fonts are text
    assert set(re.findall(r"url\((.)", text)) == {"#"}


def test_every_figure_of_the_page_is_a_file_too(whole: Path, page: Page) -> None:
    shown = {value for tag, name, value in page.attributes if tag == "figure" and value.startswith("figure-")}
    assert shown == {f"figure-{path.stem}" for path in (whole / "figures").glob("*.svg")}
    assert shown


def test_the_other_forms_hold_the_same_numbers(whole: Path, page: Page) -> None:
    """Every row of a table in the page is a row of its Markdown and its LaTeX."""
    for path in sorted((whole / "tables").glob("*.md")):
        heads, _, *rows = [line for line in path.read_text().splitlines() if line.startswith("|")]
        grouped = heads.startswith("| Dataset") and path.stem != "summary"
        latex = [numbers(line) for line in path.with_suffix(".tex").read_text().splitlines()]
        assert rows, path.name
        for row in rows:
            cells = plain(row)[1:] if grouped else plain(row)
            assert cells in page.cells, (path.name, row)
            assert numbers(" ".join(cells)) in latex, (path.name, row)


def plain(row: str) -> list[str]:
    """Cells of a row of Markdown, without its marks."""
    text = re.sub(r"\*\*|</?u>|\\(?=\W|_)", "", row.strip("| "))
    return [html.unescape(cell) for cell in text.split(" | ")]


def numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d.,]*", text)


def test_means_and_improvements_in_the_page(whole: Path, page: Page) -> None:
    """The first row of the comparison, from the records."""
    records = [json.loads(line) for line in (whole / "runs.jsonl").read_text().splitlines()]
    chosen = [
        r for r in records if r["dataset"] == "ml-latest-small" and r["status"] == "finished" and r["test"]
    ]
    means = {
        s.label: np.mean([r["test"]["recall@10"] for r in chosen if r["setting"] == s.label])
        for s in SETTINGS
    }
    row = next(cells for cells in page.cells if cells[0] == "Recall@10" and len(cells) == 8)
    assert [cell.split()[0] for cell in row[1:7]] == [f"{mean:.4f}" for mean in means.values()]
    other = max(mean for label, mean in means.items() if label != "MMM4Rec")
    change = 100 * (means["MMM4Rec"] - other) / other
    assert row[7].startswith(f"{change:+.1f}".replace("-", "−"))


def test_failed_runs_are_listed_and_in_no_mean(page: Page) -> None:
    row = next(cells for cells in page.cells if "broken" in cells)
    assert row == ["SASRec", "SASRec", "2023", "broken", "RuntimeError: the loss of epoch 3 is not a number"]
    assert not any("3 seeds" in text for text in page.text)


def test_a_second_report_is_the_same_and_leaves_nothing_behind(tmp_path: Path) -> None:
    entries = [add(tmp_path, setting, "shop", 1, 50) for setting in SETTINGS[:2]]
    text, _ = small_report(tmp_path, entries, "comparison", "cost")
    assert small_report(tmp_path, entries)[0] == text
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_plan_chooses_sections_and_metrics(tmp_path: Path) -> None:
    entries = [add(tmp_path, setting, "shop", 1, 50) for setting in SETTINGS[:2]]
    plan = "title: Mine & yours\nreport: {sections: [cost, comparison], metrics: NDCG@50}\n"
    (tmp_path / "plan.yaml").write_text(plan)
    text, page = small_report(tmp_path, entries)
    assert sections(page) == ["cost", "comparison"]
    assert "<h1>Mine &amp; yours</h1>" in text
    assert "Recall@10" not in text.split("<main>")[1].replace("Recall@10, ", "")


def test_groups_of_baselines_are_upper_headings(tmp_path: Path) -> None:
    entries = [add(tmp_path, setting, "shop", 1, 50) for setting in SETTINGS]
    plan = {
        "report": {"baselines": {"ID": ["SASRec", "GRU4Rec"], "T+ID": ["FDSA"]}, "sections": ["comparison"]}
    }
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    _, page = small_report(tmp_path, entries)
    assert page.cells[0] == ["", "ID", "T+ID", ""]
    assert page.cells[1] == ["Metric", "SASRec", "GRU4Rec", "FDSA", "MMM4Rec", "Improvement"]


def test_one_run_of_one_model(tmp_path: Path) -> None:
    _, page = small_report(tmp_path, [add(tmp_path, SETTINGS[0], "shop", 1, 60)])
    assert page.balanced
    assert not {"significance", "transfer", "ablations", "truncation", "failures"} & set(sections(page))
    assert any("One seed, so no deviation." in text for text in page.text)
    assert "b" not in page.tags  # nothing is best of one


def test_a_setting_without_our_model_is_the_one_that_validated_best(tmp_path: Path) -> None:
    entries = [add(tmp_path, setting, "shop", 1, 60) for setting in SETTINGS[:3]]
    _, page = small_report(tmp_path, entries, "summary")
    assert any("validated best" in text for text in page.text)


def test_only_failed_runs(tmp_path: Path) -> None:
    entry = add(tmp_path, SETTINGS[0], "shop", 1, 10) | {"status": "failed", "error": HOSTILE, "test": {}}
    text, page = small_report(tmp_path, [entry])
    assert sections(page) == ["summary", "failures", "versions"]
    assert page.balanced
    assert page.tags.count("script") == 1
    assert HOSTILE not in text


def test_a_record_with_the_required_keys_alone(tmp_path: Path) -> None:
    entry = {"key": "k", "model": "SASRec", "dataset": "shop", "setting": "SASRec", "status": "finished"}
    _, page = small_report(
        tmp_path, [entry, entry | {"key": "j", "setting": "B", "test": {"recall@10": 0.1}}]
    )
    assert page.balanced
    assert "comparison" in sections(page)


def test_missing_and_strange_values_are_dashes(tmp_path: Path) -> None:
    entries = [add(tmp_path, setting, "shop", 1, 60) for setting in SETTINGS[-2:]]
    entries[0]["test"] |= {"recall@10": float("nan"), "ndcg@10": None}
    entries[0] |= {"seconds": None, "parameters": None, "users": "runs/none/users.npz"}
    _, page = small_report(tmp_path, entries)
    row = next(cells for cells in page.cells if cells[0] == "Recall@10")
    assert row[1] == "–"
    assert row[3] == "–"  # no other to improve on
    assert not any("nan" in cell for cells in page.cells for cell in cells)


def test_labels_stay_text(tmp_path: Path) -> None:
    strange = [Setting(HOSTILE, "SASRec", 1.0), Setting("MMM4Rec", "MMM4Rec", 1.2)]
    entries = []
    for number, setting in enumerate(strange):
        for seed in (1, 2):
            rows = users("shop", setting.quality, seed, 60)
            (tmp_path / f"{number}-{seed}").mkdir()
            np.savez(tmp_path / f"{number}-{seed}" / "users.npz", **rows)
            entry = add(tmp_path, Setting("plain", setting.model, 1.0), "shop", seed, 60)
            place = f"{number}-{seed}/users.npz"
            entries.append(
                entry | {"key": place, "setting": setting.label, "users": place, "dataset": HOSTILE}
            )
    _, page = small_report(tmp_path, entries)
    assert page.balanced
    assert page.tags.count("script") == 1
    assert any(HOSTILE in cells for cells in page.cells)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "significance" in sections(page)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_html_marks_and_escapes() -> None:
    page = parse(table_html(TABLE))
    assert page.balanced
    assert page.cells[:3] == [["", "ID", ""], ["Metric", "A", "B_1", HOSTILE_TITLE], ["shop"]]
    assert ["R@10", "0.1000 ±0.0010", "0.0900", "–"] in page.cells
    assert "<b>0.1000</b>" in table_html(TABLE)
    assert "<u>0.0900</u>" in table_html(TABLE)
    assert "script" not in page.tags


def test_nothing_of_an_earlier_report_stays(tmp_path: Path) -> None:
    whole_benchmark(tmp_path, seeds=(2020,), count=50)
    write_report(tmp_path)
    before = {path.name for path in (tmp_path / "tables").iterdir()}
    (tmp_path / "tables" / "failures.md").write_text("| of a run that has been repeated |")
    (tmp_path / "figures" / "old.svg").write_text("<svg/>")
    (tmp_path / "tables" / "notes.txt").write_text("one's own")
    write_report(tmp_path)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == before | {"notes.txt"}
    assert not (tmp_path / "figures" / "old.svg").exists()

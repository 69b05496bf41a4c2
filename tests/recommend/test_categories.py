"""Categories by a file or a field, and the same lists from Python, the command and a file that goes on."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from recbole_mmm4rec.cli import app
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.batch_run import Order, recommend_file
from recbole_mmm4rec.recommend.categories import categories_of
from recbole_mmm4rec.recommend.model_facts import ModelFacts
from recbole_mmm4rec.recommend.part_folder import plan_of
from tests.recommend.trained import home, recommender, trained

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")


def kinds() -> dict[str, str]:
    return {item: f"kind{int(item[1:]) % 3}" for item in recommender("MMM4Rec").items.tolist()}


def as_file(path: Path) -> Path:
    table = pd.DataFrame({"category": list(kinds().values()), "item_id": list(kinds()), "more": 1})
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["kind", "kinds.csv", "kinds.parquet"])
@pytest.mark.parametrize("output", ["--output=lists.csv", "--page=page.html"])
def test_the_command_limits_as_python_does(name: str, output: str, in_tmp: Path, capsys: Captured) -> None:
    if name != "kind":
        as_file(Path(name))
    Path("h.csv").write_text("user_id,item_id,timestamp\nu,i1,1500000000\nu,i2,1500000060\n")
    flags = ["--users=h.csv", output, "--k=3", "--per-category=1", f"--categories={name}"]
    dataset = [f"--dataset={home() / 'atomic_data' / 'tiny'}"] if name == "kind" else []
    assert app.main(["recommend", str(trained("MMM4Rec")[0]), *flags, *dataset]) == 0
    made = recommender("MMM4Rec")
    wanted = made.recommend(["i1", "i2"], [1.5e9, 1.5e9 + 60], k=3, categories=kinds(), per_category=1)
    assert len({kinds()[item] for item in wanted["item"]}) == 3
    assert wanted["item"].tolist() != made.recommend(["i1", "i2"], [1.5e9, 1.5e9 + 60], k=3)["item"].tolist()
    if output.startswith("--output"):
        assert pd.read_csv("lists.csv")["item"].tolist() == wanted["item"].tolist()
    else:
        text = Path("page.html").read_text()
        assert [text.index(f'{{"item":"{item}","score"') for item in wanted["item"]] == sorted(
            text.index(f'{{"item":"{item}","score"') for item in wanted["item"]
        )


def test_parts_of_other_categories_are_not_taken_up(in_tmp: Path) -> None:
    made = recommender("MMM4Rec")
    Path("h.csv").write_text("user_id,item_id,timestamp\nu,i1,1500000000\n")
    plain = Order(Path("h.csv"), Path("a.csv"), k=4)
    capped = replace(plain, categories=kinds(), per_category=2)
    others = [
        plain,
        replace(capped, per_category=1),
        replace(capped, categories={**kinds(), "i1": "x"}),
    ]
    plans = [plan_of(ModelFacts.of(made), order) for order in (capped, *others)]
    assert plans.count(plans[0]) == 1
    assert recommend_file(made, capped, show_progress=False).rows == 4


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("item_id\ni1\n", "no column category; it has item_id"),
        ("item_id,category\ni1,a\ni1,b\n", 'item "i1" has two categories, a and b'),
        ("item_id,category\ni1,\n", "no item has a category"),
        ("", "k.csv: "),
    ],
)
def test_a_file_that_cannot_be(in_tmp: Path, table: str, said: str) -> None:
    Path("k.csv").write_text(table)
    with pytest.raises(UserError, match=said):
        categories_of("k.csv", None)


def test_a_field_that_is_none(in_tmp: Path) -> None:
    dataset = home() / "atomic_data" / "tiny"
    with pytest.raises(UserError, match="no field 'colour' of items; it has kind"):
        categories_of("colour", dataset)
    with pytest.raises(UserError, match=r"'kind' is no \.csv or \.parquet file; a field needs --dataset"):
        categories_of("kind", None)
    with pytest.raises(UserError, match=r"nowhere\.csv: no such file"):
        categories_of("nowhere.csv", None)
    with pytest.raises(UserError, match="nowhere: not the folder of a dataset"):
        categories_of("kind", Path("nowhere"))


def test_one_without_the_other_is_one_line(in_tmp: Path, capsys: Captured) -> None:
    Path("h.csv").write_text("user_id,item_id\nu,i1\n")
    flags = ["--users=h.csv", "--output=lists.csv", "--per-category=1"]
    assert app.main(["recommend", str(trained("MMM4Rec")[0]), *flags]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: categories and per_category go together"

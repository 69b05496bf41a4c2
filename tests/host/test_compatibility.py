"""Each replacement in RecBole's modules: what goes wrong without it, and that nothing else is touched."""

import builtins
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from recbole.data.dataset import Dataset, KnowledgeBasedDataset, SequentialDataset
from recbole.utils.enum_type import FeatureType

from recbole_mmm4rec.host import compatibility
from recbole_mmm4rec.host.compatibility import REPAIRS, make_compatible
from recbole_mmm4rec.host.config import RunConfig

README = Path(compatibility.__file__).with_name("README.md")
NUMPY_2 = pytest.mark.skipif(not hasattr(np, "bool"), reason="numpy 1 has other names")
PANDAS_3 = pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 works as RecBole expects")
SCIPY_1_13 = pytest.mark.skipif(hasattr(scipy.sparse.dok_matrix, "_update"), reason="an older scipy")


def module_of(name: str) -> ModuleType:
    return importlib.import_module(name)


def as_released(name: str) -> ModuleType:
    """A module of RecBole a second time, without replacements and without a place in ``sys.modules``."""
    spec = importlib.util.spec_from_file_location("released", str(module_of(name).__file__))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_lists_every_replacement() -> None:
    section = README.read_text().partition("\n## Current libraries\n")[2]
    rows = re.findall(r"^\| `(recbole\.[\w.]+)` \| `([\w.]+)` \| [\d, ]+ \|", section, re.MULTILINE)
    assert set(rows) == {(module, name) for module, names in REPAIRS.items() for name in names}


@pytest.mark.parametrize("name", sorted(REPAIRS))
def test_the_lines_on_the_page_are_recboles(name: str) -> None:
    source = Path(str(module_of(name).__file__)).read_text().splitlines()
    marks = {
        "np": r"np\.(float|str|bool|long|random\.RandomState)\b",
        "len": r"agg\(len\)|\]\.agg|\.agg\(",
        "pd": "fillna",
    }
    marks |= {
        "sp": "_update",
        "Dataset._fill_nan": "def _fill_nan",
        "Config.compatibility_settings": "def compat",
    }
    rows = re.findall(rf"^\| `{name}` \| `([\w.]+)` \| ([\d, ]+) \|", README.read_text(), re.MULTILINE)
    for replaced, lines in rows:
        for line in lines.split(", ") if replaced in marks else ():
            assert re.search(marks[replaced], source[int(line) - 1]), f"{name}, line {line}"


PROGRAM = """
import sys
{imports}
import numpy, pandas, scipy.sparse, torch
libraries = (numpy, pandas, pandas.Series, scipy.sparse, scipy.sparse.dok_matrix, torch)
before = [dict(vars(library)) for library in libraries]
for name in sys.argv[1:]:
    __import__(name)
import recbole_mmm4rec
recbole_mmm4rec.run("{model}", "demo-shop", config_dict=dict(epochs=1, show_progress=False))
for library, names in zip(libraries, before):
    changed = {{name for name, value in vars(library).items() if names.get(name, library) is not value}}
    changed = {{name for name in changed if not type(getattr(library, name)).__name__ == "module"}}
    aliases = {{"float", "int", "str", "object", "unicode", "complex", "_update", "read_csv", "agg", "load"}}
    assert not changed & aliases, changed & aliases
import recbole.evaluator.metrics as metrics
assert metrics.np is not numpy and metrics.np.float is numpy.float64
assert "recbole.quick_start" not in sys.modules and "ray" not in sys.modules
"""


@pytest.mark.parametrize(
    ("imports", "model"),
    [("import recbole_mmm4rec", "LightGCN"), ("import recbole.evaluator.metrics", "BPR")],
    ids=["ours first", "RecBole first"],
)
def test_a_run_changes_no_library_and_imports_no_ray(imports: str, model: str, in_tmp: Path) -> None:
    command = [sys.executable, "-c", PROGRAM.format(imports=imports, model=model)]
    subprocess.run(command, check=True, cwd=in_tmp, stderr=subprocess.DEVNULL)


def test_a_second_call_changes_nothing() -> None:
    metrics = module_of("recbole.evaluator.metrics")
    before, finders = metrics.np, list(sys.meta_path)
    make_compatible()
    assert metrics.np is before
    assert sys.meta_path == finders


def test_a_repaired_module_is_as_any_other() -> None:
    metrics = module_of("recbole.evaluator.metrics")
    assert metrics.__spec__ is not None
    assert "class NDCG" in str(metrics.__spec__.loader.get_source(metrics.__name__))  # type: ignore[union-attr]


@NUMPY_2
def test_recboles_configuration_asks_numpy_for_what_is_gone() -> None:
    with pytest.raises(AttributeError, match="float_"):
        as_released("recbole.config.configurator").Config.compatibility_settings(None)


@pytest.mark.parametrize("name", ["recbole.data.interaction", "recbole.evaluator.metrics"])
def test_numbers_of_old_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def use() -> Any:
        if name.endswith("interaction"):
            return module_of(name)._convert_to_tensor(np.array([[1.5], [2.5]])).tolist()
        metric = module_of(name).NDCG({"topk": [2], "metric_decimal_place": 4})
        return metric.metric_info(np.array([[False, True]]), np.array([1])).tolist()

    expected = use()
    assert np.allclose(expected, [[1.5], [2.5]] if name.endswith("interaction") else [[0, 1 / np.log2(3)]])
    monkeypatch.setattr(module_of(name), "np", np)
    with pytest.raises(AttributeError, match="float"):
        use()


OLD_NAME = re.compile(r"\bnp\.(float|int|bool|str|object|complex|long|unicode)\b")


def test_every_module_that_uses_old_names_of_numpy_has_them() -> None:
    package = Path(str(importlib.import_module("recbole").__file__)).parent
    using = {path for path in package.rglob("*.py") if OLD_NAME.search(path.read_text())}
    names = {".".join(["recbole", *path.relative_to(package).with_suffix("").parts]) for path in using}
    assert names - {"recbole.config.configurator"} == {name for name, own in REPAIRS.items() if "np" in own}
    for name in sorted(names - {"recbole.config.configurator"}):
        source, numpy = Path(str(module_of(name).__file__)).read_text(), vars(module_of(name))["np"]
        assert all(hasattr(numpy, old) for old in OLD_NAME.findall(source))


@pytest.fixture
def config(in_tmp: Path) -> Any:
    """Of a dataset whose items have sequences, numbers and tokens with gaps."""
    folder = in_tmp / "atomic_data" / "gaps"
    folder.mkdir(parents=True)
    rows = [f"u{user}\ti{item}\t{user + item}" for user in range(4) for item in range(3)]
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "gaps.inter").write_text("\n".join([header, *rows]) + "\n")
    items = ["i0\ta b\t1 2\t3\tx", "i1\tb\t3\t\ty", "i2\t\t\t5\t"]
    header = "item_id:token\tkinds:token_seq\tsizes:float_seq\tprice:float\tbrand:token"
    (folder / "gaps.item").write_text("\n".join([header, *items]) + "\n")
    columns = {"inter": ["user_id", "item_id"], "item": ["item_id", "kinds", "sizes", "price", "brand"]}
    values = {"load_col": columns, "normalize_field": ["sizes"], "numerical_features": ["sizes"]}
    return RunConfig("BPR", "gaps", config_dict=values)


def loaded(config: Any) -> dict[str, list[Any]]:
    """Columns of items by field, in the order i0 to i2."""
    dataset = Dataset(config)
    dataset._change_feat_format()
    rows = [dataset.token2id("item_id", f"i{item}") for item in range(3)]
    return {field: dataset.item_feat[field][rows].tolist() for field in ("kinds", "price", "brand")}


def test_gaps_are_filled_as_recbole_means_to(config: Any) -> None:
    assert loaded(config) == {
        "kinds": [[1, 2], [2, 0], [0, 0]],
        "price": [3.0, 4.0, 5.0],
        "brand": [1, 2, 0],
    }


def test_sequences_of_numbers_of_old_numpy(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of("recbole.data.dataset.dataset")
    released = as_released(module.__name__)
    monkeypatch.setattr(Dataset, "_fill_nan", released.Dataset._fill_nan)
    monkeypatch.setattr(module, "np", np)
    with pytest.raises(AttributeError, match="float"):
        loaded(config)


@PANDAS_3
def test_pandas_without_the_replacements(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_of("recbole.data.dataset.dataset")
    with monkeypatch.context() as patched:
        patched.setattr(module, "pd", pd)
        with pytest.raises(AttributeError, match="split"):
            loaded(config)
    with monkeypatch.context() as patched:
        patched.delattr(module, "len")
        with pytest.raises(ValueError, match=r"Length of values \(\d\) does not match"):
            loaded(config)
    released = as_released(module.__name__)
    vars(released)["np"] = compatibility.old_numpy()
    monkeypatch.setattr(Dataset, "_fill_nan", released.Dataset._fill_nan)
    assert not np.isfinite(loaded(config)["price"]).all()


@pytest.mark.parametrize(
    "length", [pytest.param(builtins.len, marks=PANDAS_3), None], ids=["released", "repaired"]
)
def test_lengths_of_sequences_of_entities(length: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``kg_dataset.py``, line 316: items of a sequence are numbered anew together with the entities."""
    frame = pd.DataFrame({"item_list": [np.array([1, 2]), np.array([2])]})
    types = {"item_list": FeatureType.TOKEN_SEQ}
    dataset = SimpleNamespace(
        field2type=types, field2id_token={}, field2token_id={}, field2feats=lambda field: [frame]
    )

    def number_anew() -> list[list[int]]:
        KnowledgeBasedDataset._reset_ent_remapID(dataset, "item_list", np.array([0, 10, 20]), None, None)
        return [values.tolist() for values in frame["item_list"]]

    if length is None:
        assert number_anew() == [[10, 20], [20]]
        return
    monkeypatch.setattr("recbole.data.dataset.kg_dataset.len", length)
    with pytest.raises(ValueError, match="Length of values"):
        number_anew()


@pytest.mark.parametrize(
    "length", [pytest.param(builtins.len, marks=PANDAS_3), None], ids=["released", "repaired"]
)
def test_lengths_of_the_histories_of_a_benchmark_file(length: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = SequentialDataset.__new__(SequentialDataset)
    vars(dataset).update(
        config={"LIST_SUFFIX": "_list"},
        inter_feat=pd.DataFrame({"item_id": [3, 4], "item_id_list": [np.array([1, 2]), np.array([2])]}),
        item_id_list_field="item_id_list",
        item_list_length_field="length",
        set_field_property=lambda *_: None,
    )
    if length:
        monkeypatch.setattr("recbole.data.dataset.sequential_dataset.len", length)
    dataset._benchmark_presets()
    assert (dataset.inter_feat["length"].tolist() == [2, 1]) is (length is None)


@SCIPY_1_13
@pytest.mark.parametrize("name", [name for name, names in REPAIRS.items() if "sp" in names])
def test_entries_of_a_graph(name: str) -> None:
    module = module_of(name)
    matrix = module.sp.dok_matrix((3, 3), dtype=np.float32)
    matrix._update({(0, 1): 1, (2, 0): 1})
    assert matrix.tocoo().toarray().tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert module.sp.coo_matrix is scipy.sparse.coo_matrix
    with pytest.raises(AttributeError, match="_update"):
        as_released(name).sp.dok_matrix((3, 3), dtype=np.float32)._update({(0, 1): 1})


def test_exhaustive_search_with_current_hyperopt(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hyperopt", reason="hyperopt is not installed: pip install 'hyperopt>=0.2.7'")
    from hyperopt import Trials, hp
    from hyperopt.base import Domain

    module = module_of("recbole.trainer.hyper_tuning")
    domain = Domain(lambda _: 0.0, {"layers": hp.choice("layers", [1, 2])}, pass_expr_memo_ctrl=False)
    (first,) = module.exhaustive_search([0], domain, Trials(), seed=1)
    assert first["misc"]["vals"]["layers"][0] in (0, 1)
    monkeypatch.setattr(module, "np", compatibility.old_numpy())
    with pytest.raises(AttributeError, match="integers"):
        module.exhaustive_search([0], domain, Trials(), seed=1)

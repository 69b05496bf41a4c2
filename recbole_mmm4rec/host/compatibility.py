"""RecBole 1.2.1 with current numpy, pandas, scipy and hyperopt: what it lacks, put into its own modules.

RecBole is older than numpy 2, pandas 3, scipy 1.13 and hyperopt 0.2.7. :data:`REPAIRS` lists each name that
it uses and that is gone or works differently today. A name is replaced in the namespace of the module of
RecBole that uses it, when that module is imported; numpy, pandas, scipy and torch themselves stay as they are
for the rest of the program. ``README.md`` beside this file says for each one what happens without it.
"""

import builtins
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Facade(ModuleType):
    """A library as one module of RecBole sees it: some names are ours, all others its own.

    Args:
        library: name of the module that is seen.
        own: names that differ.
    """

    def __init__(self, library: str, **own: Any) -> None:
        super().__init__(library)
        vars(self).update(own, _library=importlib.import_module(library))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)


def old_numpy() -> Facade:
    """numpy with the names of its first release, of which RecBole uses these."""
    import numpy as np

    return Facade("numpy", bool=np.bool_, float=np.float64, long=np.int_, str=np.str_)


def numpy_for_hyperopt() -> Facade:
    """The same; hyperopt since 0.2.7 draws from a ``Generator``, RecBole gives it a ``RandomState``."""
    import numpy as np

    numpy = old_numpy()
    vars(numpy)["random"] = Facade("numpy.random", RandomState=np.random.default_rng)
    return numpy


def old_sparse() -> Facade:
    """scipy.sparse whose dictionary matrices take many entries at once, as they did before scipy 1.13."""
    import scipy.sparse

    class Matrix(scipy.sparse.dok_matrix):
        def _update(self, entries: dict[tuple[int, int], Any]) -> None:
            self._dict.update(entries)

    has_update = hasattr(scipy.sparse.dok_matrix, "_update")
    return Facade("scipy.sparse", **({} if has_update else {"dok_matrix": Matrix}))


def length_of_each() -> Callable[[Any], Any]:
    """``len`` for ``Series.agg(len)``: pandas 3 calls it with the series, not with each of its values."""
    import pandas as pd

    def length(values: Any) -> Any:
        return values.map(builtins.len) if isinstance(values, pd.Series) else builtins.len(values)

    return length


def pandas_without_gaps() -> Facade:
    """pandas whose ``read_csv`` gives an empty text for a missing sequence; RecBole fills a copy only."""
    import pandas as pd

    def read_csv(*args: Any, **options: Any) -> pd.DataFrame:
        frame = pd.read_csv(*args, **options)
        sequences = [column for column in frame if str(column).endswith("_seq")]
        frame[sequences] = frame[sequences].fillna("")
        return frame

    return Facade("pandas", read_csv=read_csv)


def filling() -> Callable[[Any], None]:
    """``Dataset._fill_nan``: pad for tokens, mean for numbers, empty sequences; RecBole fills copies."""
    import numpy as np
    from recbole.utils.enum_type import FeatureType

    def filled(column: Any, kind: FeatureType) -> Any:
        if kind == FeatureType.TOKEN:
            return column.fillna(0)
        if kind == FeatureType.FLOAT:
            return column.fillna(column.mean())
        empty = np.array([], dtype=np.int64 if kind == FeatureType.TOKEN_SEQ else np.float64)
        return column.map(lambda value: empty if isinstance(value, float) else value)

    def fill_nan(dataset: Any) -> None:
        for name in dataset.feat_name_list:
            frame = getattr(dataset, name)
            for field in frame:
                if frame[field].isna().any():
                    frame[field] = filled(frame[field], dataset.field2type[field])

    return fill_nan


def no_aliases() -> Callable[[Any], None]:
    """``Config.compatibility_settings``, which writes into numpy for the whole program; fails on numpy 2."""
    return lambda _config: None


GENERAL, KNOWLEDGE = "recbole.model.general_recommender", "recbole.model.knowledge_aware_recommender"
GRAPHS = [f"{GENERAL}.{name}" for name in ("gcmc", "lightgcn", "ncl", "ngcf", "spectralcf")]
GRAPHS += [f"{KNOWLEDGE}.{name}" for name in ("kgin", "mcclk")]

REPAIRS: dict[str, dict[str, Callable[[], Any]]] = {
    "recbole.config.configurator": {"Config.compatibility_settings": no_aliases},
    "recbole.data.interaction": {"np": old_numpy},
    "recbole.data.dataset.dataset": {
        "np": old_numpy,
        "pd": pandas_without_gaps,
        "len": length_of_each,
        "Dataset._fill_nan": filling,
    },
    "recbole.data.dataset.kg_dataset": {"len": length_of_each},
    "recbole.data.dataset.sequential_dataset": {"len": length_of_each},
    "recbole.evaluator.metrics": {"np": old_numpy},
    "recbole.model.abstract_recommender": {"np": old_numpy},
    "recbole.model.context_aware_recommender.ffm": {"np": old_numpy},
    "recbole.model.layers": {"np": old_numpy},
    "recbole.trainer.hyper_tuning": {"np": numpy_for_hyperopt},
    **{module: {"sp": old_sparse} for module in GRAPHS},
}
"""Module of RecBole -> its name that is replaced -> what makes the replacement."""


def repair(module: ModuleType) -> None:
    """Replace what :data:`REPAIRS` lists for a module of RecBole that has just been imported."""
    for name, make in REPAIRS[module.__name__].items():
        *path, last = name.split(".")
        holder: Any = module
        for part in path:
            holder = getattr(holder, part)
        setattr(holder, last, make())


class RepairFinder(MetaPathFinder):
    """Finds the modules of :data:`REPAIRS` where Python does, and repairs each one once it is imported."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Python's own spec of a module to repair, else None."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in REPAIRS else None
        if spec is not None and spec.loader is not None:
            _repair_after(spec.loader)
        return spec


def _repair_after(loader: Loader) -> None:
    """Let a loader, which serves one module, repair it; whatever else asks the loader finds Python's own."""
    execute = loader.exec_module

    def execute_and_repair(module: ModuleType) -> None:
        execute(module)
        repair(module)

    loader.exec_module = execute_and_repair  # type: ignore[method-assign]


def make_compatible() -> None:
    """Repair what is imported of RecBole now, and the rest later. Calling it again changes nothing."""
    if any(isinstance(finder, RepairFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, RepairFinder())
    for name in REPAIRS:
        if name in sys.modules:
            repair(sys.modules[name])

"""The same order of events, hence the same splits, for models that do not use our sequential dataset."""

from functools import lru_cache
from typing import Any

from recbole.data import dataset as recbole_datasets
from recbole.utils import FeatureSource

from recbole_mmm4rec.data.checked_files import CheckedFiles
from recbole_mmm4rec.data.finite import refuse_infinite
from recbole_mmm4rec.data.full_modality import FullModality
from recbole_mmm4rec.data.known_rows import keep_known_rows
from recbole_mmm4rec.data.real_counts import RealCounts

PREFIX = "Exact"


class ExactOrder(RealCounts):
    """Mixin for RecBole's datasets: order by float64 time, ties and absent times by the file's order.

    RecBole turns times into float32 before it sorts by them, which mixes up events less than 128 s apart
    (RecBole issue 2204), and it cannot split a dataset without times. Sorting the exact times first is
    enough: RecBole's later sorts are stable, and rounding keeps the order of unequal times.
    """

    config: Any
    inter_feat: Any
    time_field: str | None
    _time_is_extra = False

    def _get_load_and_unload_col(self, source: Any) -> tuple[set[str] | None, set[str] | None]:
        """Load the times for the order even where ``load_col`` leaves them out."""
        load, unload = super()._get_load_and_unload_col(source)  # type: ignore[misc]
        if load and source == FeatureSource.INTERACTION and self.time_field not in {None, *load}:
            self._time_is_extra = "TS" not in self.config["eval_args"]["split"]
            load = load | {self.time_field}
        return load, unload

    def _remap_ID_all(self) -> None:  # noqa: N802
        refuse_infinite(self)
        super()._remap_ID_all()  # type: ignore[misc]
        keep_known_rows(self)

    def _change_feat_format(self) -> None:
        if self.time_field in self.inter_feat.columns:
            self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable", ignore_index=True)
            if self._time_is_extra:  # the user wants no model to see it
                self._del_col(self.inter_feat, self.time_field)  # type: ignore[attr-defined]
        super()._change_feat_format()  # type: ignore[misc]

    def sort(self, by: Any, ascending: Any = True) -> None:
        """Sort as RecBole does, leaving out a time that the dataset does not have."""
        fields = [by] if isinstance(by, str) else list(by or ())
        present = [field for field in fields if field != self.time_field or field in self.inter_feat]
        if present:
            super().sort(by=present, ascending=ascending)  # type: ignore[misc]


@lru_cache(maxsize=32)
def exactly_ordered(base: type) -> type:
    """Subclass of one of RecBole's datasets with what every dataset of a run does."""
    mixins = (ExactOrder, CheckedFiles, FullModality)
    return type(f"{PREFIX}{base.__name__}", (*mixins, base), {"__module__": __name__})


def __getattr__(name: str) -> type:
    """``ExactDataset`` and so on by name: pickle looks a saved dataset's class up here."""
    base = getattr(recbole_datasets, name.removeprefix(PREFIX), None) if name.startswith(PREFIX) else None
    if base is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return exactly_ordered(base)

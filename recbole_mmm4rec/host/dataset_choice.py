"""Which dataset class serves a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recbole import data as recbole_data
from recbole.data import dataset as recbole_datasets
from recbole.utils import ModelType

from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.exact_order import exactly_ordered

BY_TYPE = {ModelType.KNOWLEDGE: "KnowledgeBasedDataset"}


def create_dataset(config: Any) -> Any:
    """The dataset of a run: ours for every sequential model, RecBole's in exact order for the others.

    RecBole's ``create_dataset`` does the work, its cache of saved datasets included.

    Raises:
        UserError: a file that the model needs is missing, or does not say what it must.
    """
    with _offered(f"{config['model']}Dataset", dataset_class(config["model"], config["MODEL_TYPE"])):
        try:
            return recbole_data.create_dataset(config)
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{config['model']} on '{config['dataset']}': {error}") from error


def dataset_class(model: str, model_type: ModelType) -> type:
    """The class that serves a model; some of RecBole's sequential models have one of their own."""
    own = vars(recbole_datasets).get(f"{model}Dataset")
    if own is None and model_type == ModelType.SEQUENTIAL:
        return MultiModalDataset
    return exactly_ordered(own or getattr(recbole_datasets, BY_TYPE.get(model_type, "Dataset")))


@contextmanager
def _offered(name: str, dataset: type) -> Iterator[None]:
    """While this holds, RecBole finds a dataset class under a model's name."""
    names = vars(recbole_datasets)
    before = names.get(name)
    names[name] = dataset
    try:
        yield
    finally:
        del names[name]
        if before is not None:
            names[name] = before

"""A dataset's own text: users and items without the pad."""

import re
from pathlib import Path

import pytest

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset


@pytest.mark.parametrize("model", ["SASRec", "Pop", "BPR"])
def test_the_pad_is_not_counted(timeless: Path, model: str) -> None:
    dataset = create_dataset(RunConfig(model, "timeless"))
    lines = (timeless / "timeless.inter").read_text().splitlines()[1:]
    users, items = (len({line.split("\t")[side] for line in lines}) for side in (0, 1))
    text = re.sub(r"\x1b\[[\d;]*m", "", str(dataset))
    assert f"The number of users: {users}\n" in text
    assert f"The number of items: {items}\n" in text
    assert f"The sparsity of the dataset: {100 * (1 - dataset.inter_num / users / items):.4f}%\n" in text
    assert dataset.user_num == users + 1

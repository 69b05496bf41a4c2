"""Vectors and datasets that others made."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.vectors import read_vectors
from tests.prepare.raw_files import feature_rows, rows_of

TOKENS = ["i1", "i2", "zz", "i3"]
MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)
MATRIX[3] = 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    columns = {"user_id:token": ["u"] * 3, "item_id:token": ["i1", "i2", "i3"]}
    write_atomic(tmp_path / "d" / "d.inter", columns)
    (tmp_path / "ids.txt").write_text("\n".join(TOKENS) + "\n")
    return tmp_path


def _save(folder: Path, form: str) -> Path:
    path = folder / f"v.{form.split('-')[0]}"
    if form == "npy":
        np.save(path, MATRIX)
    elif form == "npz-named":
        np.savez(path, ids=np.array(TOKENS), embeddings=MATRIX.astype(np.float64))
    elif form == "npz-alone":
        np.savez(path, MATRIX)
    elif form == "pt-tensor":
        torch.save(torch.from_numpy(MATRIX).half(), path)
    elif form == "pt-dict":
        torch.save({"item_ids": TOKENS, "features": torch.from_numpy(MATRIX)}, path)
    else:
        torch.save(dict(zip(TOKENS, torch.from_numpy(MATRIX), strict=True)), path)
    return path


@pytest.mark.parametrize("form", ["npy", "npz-named", "npz-alone", "pt-tensor", "pt-dict", "pt-vectors"])
def test_forms(root: Path, form: str) -> None:
    flags = ["import", "d", f"--output={root}", "--modality=text", f"--file={_save(root, form)}"]
    assert main([*flags, f"--items={root / 'ids.txt'}"]) == 0
    # items of others and rows of zeros are left out
    assert feature_rows(root / "d" / "d.text.parquet") == {"i1": [0, 1, 2], "i2": [3, 4, 5]}
    assert main([*flags, f"--items={root / 'ids.txt'}"]) == 2


def test_a_modality_has_one_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "d" / "d.text").write_text("item_id:token\tembedding:float_seq\ni1\t1 2\n")
    flags = ["--modality=text", f"--file={_save(root, 'npy')}", f"--items={root / 'ids.txt'}", "--overwrite"]
    assert main(["import", "d", f"--output={root}", *flags]) == 2
    assert "d.text has text features in text form; move it away" in capsys.readouterr().err
    assert not (root / "d" / "d.text.parquet").exists()


def test_an_empty_list_of_items(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The vectors were named, which are right."""
    (root / "ids.txt").write_text("\n")
    flags = ["--modality=text", f"--file={_save(root, 'npy')}", f"--items={root / 'ids.txt'}"]
    assert main(["import", "d", f"--output={root}", *flags]) == 2
    assert f"error: {root / 'ids.txt'}: no items in it; it takes one token a line" in capsys.readouterr().err


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("sprung"),)


def test_nothing_is_unpickled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    torch.save({"features": _Trap()}, root / "a.pt")
    (root / "b.pt").write_bytes(pickle.dumps(_Trap()))
    np.save(root / "c.npy", np.array([_Trap()], dtype=object), allow_pickle=True)
    np.savez(root / "d.npz", embeddings=np.array([_Trap()], dtype=object))
    for name in ("a.pt", "b.pt", "c.npy", "d.npz"):
        with pytest.raises(UserError):
            read_vectors(root / name, root / "ids.txt")
    assert not (root / "sprung").exists()


@pytest.mark.parametrize(
    "value",
    [
        torch.nn.Parameter(torch.from_numpy(MATRIX)),
        {"ids": TOKENS, "features": torch.from_numpy(MATRIX).bfloat16().requires_grad_()},
        dict(zip(TOKENS, torch.nn.Parameter(torch.from_numpy(MATRIX)).bfloat16(), strict=True)),
    ],
)
def test_tensors_of_a_training(root: Path, value: object) -> None:
    torch.save(value, root / "v.pt")
    np.testing.assert_array_equal(read_vectors(root / "v.pt", root / "ids.txt")[1], MATRIX)


def test_a_plain_array_under_the_ending_of_an_archive(root: Path) -> None:
    _save(root, "npy").rename(root / "v.npz")
    np.testing.assert_array_equal(read_vectors(root / "v.npz", root / "ids.txt")[1], MATRIX)


def test_files_that_hold_no_numbers(root: Path) -> None:
    torch.save({"a": torch.ones(3), "note": "mine"}, root / "text.pt")
    torch.save({"ids": 5, "features": {"x": 1}}, root / "nested.pt")
    np.save(root / "strings.npy", np.array(["one", "two"]))
    whole = _save(root, "npz-alone").read_bytes()
    (root / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("text.pt", "nested.pt", "strings.npy", "cut.npz"):
        with pytest.raises(UserError, match=rf"{name}: .*no plain"):
            read_vectors(root / name, root / "ids.txt")


def test_a_byte_order_mark_is_no_part_of_a_token(root: Path) -> None:
    (root / "ids.txt").write_text("\n".join(TOKENS), encoding="utf-8-sig")
    assert read_vectors(_save(root, "npy"), root / "ids.txt")[0] == TOKENS


def test_rows_of_zeros_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(root / "v.npy", np.zeros((4, 3), dtype=np.float32))
    flags = ["import", "d", f"--output={root}", "--modality=text", f"--file={root / 'v.npy'}"]
    assert main([*flags, f"--items={root / 'ids.txt'}"]) == 2
    assert "the rows of all items of d are zeros" in capsys.readouterr().err
    assert not (root / "d" / "d.text.parquet").exists()


def test_numbers_that_disagree(root: Path) -> None:
    with pytest.raises(UserError, match="names no items"):
        read_vectors(_save(root, "npy"))
    (root / "ids.txt").write_text("i1\n")
    with pytest.raises(UserError, match="1 item, but vectors of shape"):
        read_vectors(_save(root, "npy"), root / "ids.txt")
    (root / "v.csv").touch()
    with pytest.raises(UserError, match="is not one of"):
        read_vectors(root / "v.csv")


def _unisrec(folder: Path) -> None:
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    (folder / "S.train.inter").write_text(header + "0\t2\t0\n0\t2 0\t1\n1\t1\t2\n")
    (folder / "S.valid.inter").write_text(header + "0\t2 0 1\t2\n1\t1 2\t0\n")
    (folder / "S.test.inter").write_text(header + "0\t2 0 1 2\t1\n1\t1 2 0\t1\n")
    (folder / "S.text").write_text("item_id:token\ttext:token_seq\n0\tzero\n1\tone\n2\ttwo\n")
    (folder / "S.item2index").write_text("A0\t0\nA1\t1\nA2\t2\n")
    (folder / "S.user2index").write_text("Ann\t0\nBob\t1\n")
    MATRIX[:3].tofile(folder / "S.feat1CLS")


def test_unisrec(tmp_path: Path) -> None:
    _unisrec(tmp_path)
    flags = ["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]
    assert main(flags) == 0
    folder = tmp_path / "out" / "S"
    rows = [(row["user_id:token"], row["item_id:token"]) for row in rows_of(folder / "S.inter")]
    assert rows == [("Ann", item) for item in ["A2", "A0", "A1", "A2", "A1"]] + [
        ("Bob", item) for item in ["A1", "A2", "A0", "A1"]
    ]
    assert feature_rows(folder / "S.text.parquet")["A1"] == [3, 4, 5]
    assert rows_of(folder / "S.item")[2] == {"item_id:token": "A2", "text:token_seq": "two"}


def _as_unisrec_writes(folder: Path, sequences: dict[str, list[str]]) -> None:
    """Training targets from the newest to the oldest, histories of at most fifty, raw ids in the texts."""
    rows: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user, items in sequences.items():
        for end in range(len(items) - 3, 0, -1):
            rows["train"].append(f"{user}\t{' '.join(items[:end][-50:])}\t{items[end]}\n")
        for split, end in (("valid", len(items) - 2), ("test", len(items) - 1)):
            rows[split].append(f"{user}\t{' '.join(items[:end][-50:])}\t{items[end]}\n")
    for split, lines in rows.items():
        text = "user_id:token\titem_id_list:token_seq\titem_id:token\n" + "".join(lines)
        (folder / f"S.{split}.inter").write_text(text)
    tokens = [f"B{number:03d}" for number in range(60)]
    (folder / "S.item2index").write_text("".join(f"{token}\t{n}\n" for n, token in enumerate(tokens)))
    texts = "".join(f"{token}\tthing {token}\n" for token in reversed(tokens))
    (folder / "S.text").write_text("item_id:token\ttext:token_seq\n" + texts)


def test_the_files_that_unisrecs_script_writes(tmp_path: Path) -> None:
    sequences = {"0": [str(n) for n in range(60)], "1": ["3", "3", "1", "2", "0"], "2": ["5", "5", "5", "5"]}
    _as_unisrec_writes(tmp_path, sequences)
    assert main(["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]) == 0
    made: dict[str, list[str]] = {}
    for row in rows_of(tmp_path / "out" / "S" / "S.inter"):
        made.setdefault(row["user_id:token"], []).append(str(int(row["item_id:token"][1:])))
    assert made == sequences
    items = rows_of(tmp_path / "out" / "S" / "S.item")
    assert {"item_id:token": "B007", "text:token_seq": "thing B007"} in items


def test_histories_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _unisrec(tmp_path)
    path = tmp_path / "S.test.inter"
    path.write_text(path.read_text().replace("1\t1 2 0\t1", "1\t1 2 2\t1"))
    assert main(["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert "user number 1: the history before item number 1 is not what came before" in said


def test_unisrec_with_a_file_missing_or_too_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]
    assert main(flags) == 2
    _unisrec(tmp_path)
    (tmp_path / "S.feat1CLS").write_bytes(b"\0" * 16)
    assert main(flags) == 2
    assert "4 numbers cannot belong to 3 items" in capsys.readouterr().err
    assert not (tmp_path / "out" / "S").exists()


def test_a_unisrec_index_with_a_byte_order_mark_or_from_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _unisrec(tmp_path)
    flags = ["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]
    index = tmp_path / "S.item2index"
    index.write_text(index.read_text(), encoding="utf-8-sig")
    assert main(flags) == 0
    assert sorted(feature_rows(tmp_path / "out" / "S" / "S.text.parquet")) == ["A0", "A1", "A2"]
    index.write_text("A0\t1\nA1\t2\nA2\t3\n")
    assert main([*flags, "--overwrite"]) == 2
    assert "S.item2index: no item has number 0" in capsys.readouterr().err


def test_the_rule_of_ids_holds_for_unisrecs_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ids were written as they stood; a double quote became an apostrophe in one of the files only."""
    _unisrec(tmp_path)
    (tmp_path / "S.item2index").write_text('4.0063e+7\t0\n cafe\u0301 \t1\nA"2\t2\n')
    (tmp_path / "S.user2index").write_text("007\t0\n \t1\n")
    flags = ["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]
    assert main(flags) == 0
    folder = tmp_path / "out" / "S"
    rows = [(row["user_id:token"], row["item_id:token"]) for row in rows_of(folder / "S.inter")]
    assert rows == [("007", "40063000"), ("007", "caf\u00e9"), ("007", "caf\u00e9")]
    assert [row["item_id:token"] for row in rows_of(folder / "S.item")] == ["40063000", "caf\u00e9"]
    assert feature_rows(folder / "S.text.parquet") == {"40063000": [0, 1, 2], "caf\u00e9": [3, 4, 5]}
    assert "interactions skipped: no user: 4 (first: user number 1)" in caplog.messages
    assert "interactions skipped: item with a double quote: 2 (first: item number 2)" in caplog.messages
    assert "items skipped: item with a double quote: 1 (first: item number 2)" in caplog.messages


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("7\t0\n7.0\t1\nA2\t2\n", "S.item2index: '7' and '7.0' are one item"),
        (" \t0\n \t1\n \t2\n", "no interaction is left of 9: interactions skipped: no item (9, first: item"),
        ("[PAD]\t0\nA1\t1\nA2\t2\n", "S.item2index: the item is [PAD], which RecBole keeps"),
    ],
)
def test_ids_of_unisrecs_files_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], index: str, said: str
) -> None:
    _unisrec(tmp_path)
    (tmp_path / "S.item2index").write_text(index)
    assert main(["import-unisrec", "S", f"--source={tmp_path}", f"--output={tmp_path / 'out'}"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "S").exists()

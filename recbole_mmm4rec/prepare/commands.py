"""The commands beside making a dataset: merge, split, sample, import, import-unisrec, inspect."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from recbole_mmm4rec.columns import UNKNOWN
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.names import check_dataset_name, check_modality_name

LOGGER = logging.getLogger("recbole_mmm4rec")


def merge_command(arguments: Sequence[str]) -> None:
    """``merge NAME --datasets A B ...``."""
    from recbole_mmm4rec.prepare.merge import merge

    parser = _parser("merge", "Join datasets into one; tokens carry the name of their dataset.")
    parser.add_argument("--datasets", nargs="+", required=True, help="names of the datasets to join")
    parser.add_argument("--modalities", nargs="*", help="feature files to join (all)")
    options = _parsed(parser, arguments)
    for name in options.datasets:
        check_dataset_name(name)
    for modality in options.modalities or ():
        check_modality_name(modality)
    root = root_of(options)
    merge(options.name, options.datasets, root, options.modalities, options.overwrite)


def import_command(arguments: Sequence[str]) -> None:
    """``import NAME --modality=M --file=F [--items=I]``."""
    from recbole_mmm4rec.prepare.import_vectors import import_vectors

    parser = _parser("import", "Add vectors that exist already (.npy, .npz, .pt) to a dataset.")
    parser.add_argument("--modality", required=True, help="text, image, or another name")
    parser.add_argument("--file", required=True, help="the vectors, one row per item")
    parser.add_argument(
        "--items", help="text file with one item token per line, where the file names no items"
    )
    parser.add_argument("--encoder", default=UNKNOWN, help="what computed them, for the metadata")
    options = _parsed(parser, arguments)
    check_modality_name(options.modality)
    items = Path(options.items) if options.items else None
    file, root = Path(options.file), root_of(options)
    import_vectors(options.name, options.modality, file, items, root, options.encoder, options.overwrite)


def split_command(arguments: Sequence[str]) -> None:
    """``split NAME --parts A B ... [--by=user|item|COLUMN]``."""
    from recbole_mmm4rec.prepare.split import split

    parser = _parser(
        "split", "Divide a dataset into several, for pre-training on one and training on another."
    )
    parser.add_argument("--parts", nargs="+", required=True, help="names of the datasets to make")
    parser.add_argument(
        "--by",
        default="user",
        help="user: no user is in two parts (default); item: no item is; a column of the item file, such as "
        "category: items of one value stay together",
    )
    options = _parsed(parser, arguments)
    for name in options.parts:
        check_dataset_name(name)
    split(options.name, options.parts, root_of(options), options.by, options.overwrite)


def sample_command(arguments: Sequence[str]) -> None:
    """``sample NAME --dataset=D --users=N [--seed=S]``."""
    from recbole_mmm4rec.prepare.sample import sample

    parser = _parser("sample", "Make a smaller dataset of random users, with all their interactions.")
    parser.add_argument("--dataset", required=True, help="name of the dataset to draw from")
    parser.add_argument("--users", type=int, required=True, help="number of users")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (0)")
    options = _parsed(parser, arguments)
    check_dataset_name(options.dataset)
    root = root_of(options)
    sample(options.name, options.dataset, root, options.users, options.seed, options.overwrite)


def unisrec_command(arguments: Sequence[str]) -> None:
    """``import-unisrec NAME --source=DIR``."""
    from recbole_mmm4rec.prepare.unisrec import import_unisrec

    parser = _parser(
        "import-unisrec", "Make a dataset of UniSRec's files (NAME.train.inter, NAME.text, ...)."
    )
    parser.add_argument("--source", required=True, help="folder of the files")
    options = _parsed(parser, arguments)
    target = root_of(options) / options.name
    import_unisrec(options.name, Path(options.source), target, options.overwrite)


def inspect_command(arguments: Sequence[str]) -> None:
    """``inspect NAME [--page=FILE.html] [--pictures=DIR]``."""
    from recbole_mmm4rec.prepare.inspection import inspect
    from recbole_mmm4rec.prepare.inspection_page import check_page, write_page

    parser = _parser(
        "inspect", "Print a dataset's figures; write a page of random items with their pictures."
    )
    parser.add_argument("--page", help="HTML file to write")
    parser.add_argument(
        "--pictures", help="folder of the pictures (by default those the dataset was made with)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random items")
    options = _parsed(parser, arguments)
    if options.page:
        check_page(Path(options.page))
    folder = root_of(options) / options.name
    report = []
    for line in inspect(options.name, folder):
        LOGGER.info(line)
        report.append(line)
    if options.page:
        pictures = Path(options.pictures) if options.pictures else None
        write_page(options.name, folder, pictures, Path(options.page), report, seed=options.seed)


COMMANDS = {
    "merge": merge_command,
    "split": split_command,
    "sample": sample_command,
    "import": import_command,
    "import-unisrec": unisrec_command,
    "inspect": inspect_command,
}


def add_output(parser: argparse.ArgumentParser) -> None:
    """The flag ``--output``, which every command has."""
    parser.add_argument(
        "--output", default="atomic_data", help="folder that holds the datasets (atomic_data)"
    )


def root_of(options: argparse.Namespace) -> Path:
    """The folder that ``--output`` names, which may not exist yet.

    Raises:
        UserError: it cannot be made, because it or a folder above it is a file.
    """
    root = Path(options.output)
    there = next((part for part in (root, *root.parents) if part.exists()), None)
    if there is not None and not there.is_dir():
        raise UserError(f"--output: {there} is a file; the folder that holds the datasets is needed")
    return root


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    program = f"python -m recbole_mmm4rec.prepare {command}"
    parser = argparse.ArgumentParser(program, description=description, allow_abbrev=False)
    parser.add_argument("name", help="the dataset")
    add_output(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace what exists")
    return parser


def _parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    check_dataset_name(options.name)
    return options

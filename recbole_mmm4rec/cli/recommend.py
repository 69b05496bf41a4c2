"""``recommend``, ``similar``, ``search`` and ``export``: a checkpoint's answers on the command line."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from recbole_mmm4rec.cli.id_lists import allowed_ids, ids_of_file, ids_of_flag
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.guard import guarded

CHECKPOINT = click.argument("checkpoint", type=click.Path())
K = click.option("--k", default=10, show_default=True, help="Items per list.")
DEVICE = click.option("--device", help="Such as cpu or cuda:1; a GPU where there is one by default.")
ALLOW = click.option("--allow", type=click.Path(), help="Text file of ids, one per line: only these.")
DENY = click.option("--deny", type=click.Path(), help="Text file of ids, one per line: never these.")
DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
SEEN = click.option(
    "--exclude-seen/--include-seen",
    default=None,
    help="Leave out the items of a user's history; by default as the model was evaluated.",
)


MAY_BE_SEEN = "lists may hold items of the users' own histories; --exclude-seen leaves them out"


@click.command("recommend")
@CHECKPOINT
@click.option(
    "--users",
    required=True,
    type=click.Path(),
    help="Histories: .csv, .tsv, .parquet, .jsonl with user_id, item_id, perhaps timestamp; or a folder.",
)
@click.option("--output", type=click.Path(), help="File to write (.parquet, .csv, .jsonl), or a folder.")
@click.option("--page", type=click.Path(), help="HTML page to write: histories, recommendations and reasons.")
@click.option("--page-users", default=12, show_default=True, help="Users on the page, the first of the file.")
@click.option(
    "--dataset", type=click.Path(), help="The dataset's folder: titles and pictures of the page, categories."
)
@click.option("--pictures", type=click.Path(), help="Folder of pictures named as items, for the page.")
@K
@SEEN
@ALLOW
@DENY
@click.option(
    "--categories", help="Categories of items: a field of --dataset, or a .csv or .parquet file (see README)."
)
@click.option("--per-category", type=int, help="Items of one category in a list, at most.")
@click.option(
    "--on-unknown",
    type=click.Choice(["warn", "raise", "ignore"]),
    default="warn",
    show_default=True,
    help="Ids that the model does not know: leave out and count, refuse, or leave out in silence.",
)
@click.option("--index", help="ann: by an approximate index (extra ann); or the file to keep it in.")
@click.option("--shard-users", default=20_000, show_default=True, help="Users per shard of one file.")
@click.option("--workers", type=click.IntRange(1), help="Processes that share the shards (default 1).")
@DEVICE
@DEBUG
def recommend(**given: Any) -> int:
    """Write the best next items of every user of a file; the same command goes on after a kill."""

    def work() -> None:
        if not (given["output"] or given["page"]):
            raise UserError("recommend: --output or --page (or both) names the file to write")
        _check_targets(given)
        asked = _asked(given)
        shared = (given["workers"] or 1) > 1
        leaves_out = False
        if given["output"] and shared:
            leaves_out = _write_lists(None, given, asked)
        recommender = None if shared and not given["page"] else _load(given)
        if recommender is not None:
            leaves_out = recommender.exclude_seen
        if given["output"] and not shared:
            _write_lists(recommender, given, asked)
        if given["page"]:
            _write_page(recommender, given, asked)
        if given["exclude_seen"] is None and not leaves_out:
            click.echo(f"note: {MAY_BE_SEEN}", err=True)

    return answered(work, given["debug"])


def _check_targets(given: dict[str, Any]) -> None:
    from recbole_mmm4rec.recommend.targets import check_targets

    output, page = (given[name] and Path(given[name]) for name in ("output", "page"))
    names = ("checkpoint", "allow", "deny", "categories", "dataset", "pictures", "index")
    inputs = (Path(given[name]) for name in names if given[name])
    check_targets(output, page, Path(given["users"]), filter(Path.exists, inputs))


def _write_lists(recommender: Any, given: dict[str, Any], asked: dict[str, Any]) -> bool:
    """By this process where it has a recommender, else by several; whether evaluation left out seen items."""
    from recbole_mmm4rec.recommend.batch_run import recommend_file, recommend_shards
    from recbole_mmm4rec.recommend.model_facts import ModelFacts
    from recbole_mmm4rec.recommend.orders import Order
    from recbole_mmm4rec.recommend.workers import Processes

    if recommender is None and given["device"] not in (None, "cpu"):
        raise UserError("--workers: processes share a model on the CPU; leave out --device or --workers")
    order = Order(
        users=Path(given["users"]),
        output=Path(given["output"]),
        shard_users=given["shard_users"],
        **asked,
    )
    model = given["checkpoint"], given["index"]
    facts = ModelFacts.read(*model) if recommender is None else ModelFacts.of(recommender)
    if recommender is not None:
        done = recommend_file(recommender, order, show_progress=sys.stderr.isatty())
    else:
        done = recommend_shards(
            facts,
            order,
            lambda tick: Processes(*model, order, given["workers"], tick),
            show_progress=sys.stderr.isatty(),
        )
    left = f", {done.left_out:,} left out" if done.left_out else ""
    click.echo(f"{order.output}: {done.rows:,} rows for {done.users:,} users{left}")
    return facts.leaves_out_seen


def _write_page(recommender: Any, given: dict[str, Any], asked: dict[str, Any]) -> None:
    from recbole_mmm4rec.recommend.dataset_facts import read_dataset
    from recbole_mmm4rec.recommend.page import PageOrder, write_page

    folders = (None if given[name] is None else Path(given[name]) for name in ("dataset", "pictures"))
    order = PageOrder(users=Path(given["users"]), path=Path(given["page"]), most=given["page_users"], **asked)
    users = write_page(recommender, read_dataset(*folders), order, show_progress=sys.stderr.isatty())
    click.echo(f"{order.path}: a page of {users:,} users")


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """What lists and page share, as arguments."""
    plain = {name: given[name] for name in ("k", "exclude_seen", "on_unknown", "per_category")}
    lists = {"allow": allowed_ids(given["allow"]), "deny": ids_of_file(given["deny"])}
    return plain | lists | {"categories": _categories(given["categories"], given["dataset"])}


@click.command("similar")
@CHECKPOINT
@click.argument("items", nargs=-1, required=True)
@K
@ALLOW
@DENY
@DEVICE
@DEBUG
def similar(**given: Any) -> int:
    """Print the items most alike to some items: item, rank, similar, score, separated by tabs."""

    def work() -> None:
        found = _load(given).similar(
            list(given["items"]),
            given["k"],
            allow=allowed_ids(given["allow"]),
            deny=ids_of_file(given["deny"]),
        )
        click.echo(found.to_csv(sep="\t", index=False), nl=False)

    return answered(work, given["debug"])


SEPARATED = """separated by commas (one with a comma in it as '"a,b",c'), or a JSON list"""


@click.command("search")
@CHECKPOINT
@click.option("--text", help="A text, encoded as the items' texts were.")
@click.option("--image", type=click.Path(), help="A picture, encoded as the items' pictures were.")
@click.option("--like", help=f"Ids of items, {SEPARATED}.")
@click.option("--vector", type=click.Path(), help="A .npy file with the features of the query.")
@click.option("--history", help=f"Ids of items that a user chose, the oldest first, {SEPARATED}.")
@K
@SEEN
@ALLOW
@DENY
@DEVICE
@DEBUG
def search(**given: Any) -> int:
    """Print the items that go with a query, and with a history: rank, item, score, separated by tabs."""

    def work() -> None:
        found = _load(given).search(
            vector=_vector(given["vector"]),
            text=given["text"],
            image=given["image"],
            like=ids_of_flag("--like", given["like"]),
            history=ids_of_flag("--history", given["history"]),
            k=given["k"],
            allow=allowed_ids(given["allow"]),
            deny=ids_of_file(given["deny"]),
            exclude_seen=given["exclude_seen"],
        )
        click.echo(found.to_csv(sep="\t", index=False), nl=False)

    return answered(work, given["debug"])


@click.command("export")
@CHECKPOINT
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["onnx", "safetensors", "vectors"]),
    help="User encoder and item tower; a folder for the Hugging Face Hub; item vectors.",
)
@click.option("--output", required=True, type=click.Path(), help="A folder; of vectors a .parquet or .npz.")
@click.option("--license", "license_name", default="other", show_default=True, help="For the model card.")
@DEBUG
def export(**given: Any) -> int:
    """Write a model in a form that other programs read."""

    def work() -> None:
        from recbole_mmm4rec.recommend.export.forms import export as write

        write(given["checkpoint"], given["form"], given["output"], given["license_name"])
        click.echo(f"{given['output']}: {given['form']} of {given['checkpoint']}")

    return answered(work, given["debug"])


COMMANDS = (recommend, similar, search, export)


def _load(given: dict[str, Any]) -> Any:
    from recbole_mmm4rec.recommend.loading import load

    return load(given["checkpoint"], given["device"], given.get("index"))


def _categories(name: str | None, dataset: str | None) -> dict[str, str] | None:
    """Item -> category, by a file or by a field of a dataset."""
    if name is None:
        return None
    from recbole_mmm4rec.recommend.categories import categories_of

    return categories_of(name, None if dataset is None else Path(dataset))


def _vector(path: str | None) -> Any:
    if path is None:
        return None
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except ValueError:
        raise UserError(f"{path}: not a .npy file of numbers") from None


def answered(
    work: Callable[[], None], debug: bool, interrupted: str = "interrupted; the same command goes on with it"
) -> int:
    """Do what a command does, with notes and errors in one line each; its exit code."""
    from recbole_mmm4rec.host.host_warnings import ignore_host_warnings

    ignore_host_warnings()
    with _notes():
        return guarded(work, debug, interrupted)


@contextmanager
def _notes() -> Iterator[None]:
    """What a recommender tells is one line each on standard error."""
    from recbole_mmm4rec.recommend.telling import RecommendWarning

    with warnings.catch_warnings():
        show = warnings.showwarning

        def note(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, RecommendWarning):
                click.echo(f"note: {message}", err=True)
            else:
                show(message, category, *rest, **more)

        warnings.simplefilter("always", RecommendWarning)
        warnings.showwarning = note
        yield

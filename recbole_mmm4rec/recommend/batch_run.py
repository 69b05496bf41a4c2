"""Histories in files -> lists in files: in shards, so that a killed run goes on where it was.

Every shard has a part, a Parquet file. Where the output is a folder, the parts lie there, beside
``manifest.json``, which says whose they are; where it is a file, in a folder ``.<output>.parts`` beside it,
until they become the output.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from tqdm import tqdm

from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import locked
from recbole_mmm4rec.recommend.category_cap import category_cap
from recbole_mmm4rec.recommend.history_files import SUFFIXES, read_history_file
from recbole_mmm4rec.recommend.merging import merge
from recbole_mmm4rec.recommend.model_facts import ModelFacts
from recbole_mmm4rec.recommend.orders import FILES, Order
from recbole_mmm4rec.recommend.part_folder import PartFolder, plan_of
from recbole_mmm4rec.recommend.parts import Counted, Part, listed_users, read_part, user_in_two
from recbole_mmm4rec.recommend.ranking import Filters, check_k
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.shards import Shard, is_one_file, shards_of_files, shards_of_users
from recbole_mmm4rec.recommend.telling import check_on_unknown, tell, treat_unknown
from recbole_mmm4rec.recommend.workers import Here, Tick, Workers

__all__ = ["Order", "Outcome", "recommend_file", "recommend_shards"]


@dataclass(frozen=True)
class Outcome:
    """Numbers of a finished batch: users with a list, users left out, rows."""

    users: int
    left_out: int
    rows: int


def recommend_file(recommender: Recommender, order: Order, show_progress: bool = True) -> Outcome:
    """Recommend in this process to every user of some files; errors as for :func:`recommend_shards`."""
    facts = ModelFacts.of(recommender)
    return recommend_shards(facts, order, lambda tick: Here(recommender, order, tick), show_progress)


def recommend_shards(
    facts: ModelFacts, order: Order, hire: Callable[[Tick], Workers], show_progress: bool = True
) -> Outcome:
    """Recommend to every user of some files; call it again after a kill, and it goes on.

    Args:
        facts: of the model.
        order: what to recommend.
        hire: makes those who do the shards; given what moves the bar.
        show_progress: a bar on standard error.

    Raises:
        UserError: bad input, mostly before any work; a folder with the lists of another run; another process
            at work on the same output; a user in two files; shards that were not done, after all others.
    """
    _check(facts, order)
    shards = _shards(facts, order)
    folder = PartFolder(order, plan_of(facts, order))
    folder.check(shards)
    with locked(order.parts):
        folder.take_up()
        todo = [shard for shard in shards if not folder.is_done(shard)]
        with _bar(shards, show_progress) as bar:
            bar.update(sum(shard.size for shard in shards) - sum(shard.size for shard in todo))
            if todo:
                _do_shards(todo, shards, folder, hire(bar.update))
        outcome = _finish(order, folder, shards)
    if order.is_file:
        shutil.rmtree(order.parts)
    return outcome


def _check(facts: ModelFacts, order: Order) -> None:
    check_k(order.k, len(facts.catalogue) - 1)
    check_on_unknown(order.on_unknown)
    if order.output.suffix and not order.is_file:
        raise UserError(f"{order.output}: an output ends in {', '.join(FILES)}, or is a folder without a dot")
    if order.shard_users < 1:
        raise UserError(f"shard_users: {order.shard_users} is not a whole number from 1")
    if order.users.resolve() == order.output.resolve():
        raise UserError(f"{order.output}: the output would replace the histories")
    if is_one_file(order.users) and order.users.suffix not in SUFFIXES:
        raise UserError(f"{order.users}: a file of histories ends in {', '.join(SUFFIXES)}")
    cap = category_cap(facts.catalogue, order.categories, order.per_category)
    lists = Filters(facts.catalogue, np.zeros(0, object), order.allow, order.deny, False, cap)
    treat_unknown(lists.unknown, "allow and deny", order.on_unknown)


def _shards(facts: ModelFacts, order: Order) -> list[Shard]:
    """All shards. One file is read here, and its users are shared out."""
    if not is_one_file(order.users):
        return shards_of_files(order.users)
    histories, unknown = read_history_file(order.users, facts.catalogue)
    treat_unknown(unknown, str(order.users), order.on_unknown)
    if not (histories.lengths > 0).any():
        raise UserError(f"{order.users}: no user has an item that the model knows")
    return shards_of_users(order.users, histories, np.arange(len(histories)), order.shard_users)


def _bar(shards: Sequence[Shard], show_progress: bool) -> tqdm:
    unit = "file" if shards[0].rows is None else "user"
    total = sum(shard.size for shard in shards)
    return tqdm(total=total, desc="recommend", unit=unit, disable=not show_progress)


def _do_shards(todo: Sequence[Shard], shards: Sequence[Shard], folder: PartFolder, workers: Workers) -> None:
    """Do shards; one whose process dies is done a second time, and the rest goes on.

    Raises:
        UserError: bad input, at once; what was begun twice and not done, at the end.
    """
    waiting, second, lost, running = deque(todo), set[str](), dict[str, str](), 0
    left = {shard.name for shard in todo}
    try:
        while waiting or running:
            while waiting and workers.free():
                shard = waiting.popleft()
                workers.start(shard, folder.part(shard), folder.plan_hash)
                running += 1
            for shard, error, ending in workers.wait():
                running -= 1
                if error:
                    raise UserError(error)
                if not ending:
                    left.remove(shard.name)
                    _check_now_and_then([shard for shard in shards if shard.name not in left], folder)
                elif shard.name in second:
                    lost[shard.name] = ending
                else:
                    second.add(shard.name)
                    waiting.append(shard)
    finally:
        workers.stop()
        folder.tidy()
    if lost:
        name, ending = next(iter(lost.items()))
        raise UserError(f"{len(lost)} of {len(shards)} shards were not done, such as {name}: {ending}, twice")


def _check_now_and_then(done: Sequence[Shard], folder: PartFolder) -> None:
    """Events of one user in several files are found early, at twice the cost of finding them at the end."""
    if len(done) & (len(done) - 1) == 0:
        _refuse_spread_users(done, folder)


def _refuse_spread_users(shards: Sequence[Shard], folder: PartFolder) -> None:
    if shards and shards[0].rows is not None:  # of one file, which is read as a whole
        return
    found = user_in_two([folder.part(shard) for shard in shards])
    if found is not None:
        user, *parts = found
        one, other = (shard.source for shard in shards if folder.part(shard) in parts)
        raise UserError(f'user "{user}" is in {one} and in {other}: all events of a user belong in one file')


def _finish(order: Order, folder: PartFolder, shards: Sequence[Shard]) -> Outcome:
    """Tell what is missing, and make the file where one was asked for."""
    _refuse_spread_users(shards, folder)
    paths = [folder.part(shard) for shard in shards]
    users = rows = fewer = 0
    for path in paths:
        lengths = listed_users(path).lengths
        users, rows = users + len(lengths), rows + int(lengths.sum())
        fewer += int((lengths < order.k).sum())
    read = zip(shards, map(read_part, paths), strict=True)
    left_out = _tell(order, [(shard, part) for shard, part in read if part is not None])
    if not users:
        raise UserError(f"{order.users}: no user has an item that the model knows, or may be given one")
    if fewer:
        tell(f"fewer than {order.k} items left after filters for {fewer:,} of {users:,} users")
    outcome = Outcome(users, left_out, rows)
    if order.is_file:
        merge(paths, order.output)
    folder.complete(asdict(outcome))
    return outcome


def _tell(order: Order, parts: Sequence[tuple[Shard, Part]]) -> int:
    """Tell what the histories lack; return the number of users left out."""
    unknown = sum((part.unknown for _, part in parts), Counted())
    left_out = sum((part.left_out for _, part in parts), Counted())
    if unknown.count and order.on_unknown != "ignore":
        tell(f"{order.users}: the model does not know {unknown}; left out")
    read = {shard.source.name: part.timeless for shard, part in parts if part.users}
    timeless = [name for name, lacks in read.items() if lacks]
    if timeless:
        where = "" if len(timeless) == len(read) else f" in {named(timeless)}"
        reason = "the model, trained with times, takes all events as simultaneous"
        tell(f"{order.users}: no timestamp{where}: {reason}")
    if left_out.count:
        tell(f"{order.users}: users without an item that the model knows, left out: {left_out}")
    return left_out.count

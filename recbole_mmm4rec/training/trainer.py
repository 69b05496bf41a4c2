"""RecBole's trainer with what it lacks: NAdam, accumulation, bf16, exact resume and fast full ranking."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch
from recbole.utils import early_stopping, get_gpu_usage, set_color
from torch import Tensor, optim
from torch.nn.utils import clip_grad_norm_
from torch.utils.data.distributed import DistributedSampler
from tqdm import tqdm

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import TrainedModel, hooks_of
from recbole_mmm4rec.nn.co_occurrence import UNCHOSEN
from recbole_mmm4rec.nn.sharing import within
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import load_weights
from recbole_mmm4rec.training.count_weight import can_choose, choose_weight, chooses_counts
from recbole_mmm4rec.training.evaluation import FullRanking, counting_suffices
from recbole_mmm4rec.training.gathering import RankedEvaluation
from recbole_mmm4rec.training.gradients import sum_gradients
from recbole_mmm4rec.training.loss_sum import LossSum
from recbole_mmm4rec.training.optimisers import make_optimiser
from recbole_mmm4rec.training.random_state import kept_random_state
from recbole_mmm4rec.training.rate_scales import rate_scales, scaled_groups
from recbole_mmm4rec.training.rate_schedule import RateSchedule
from recbole_mmm4rec.training.resume import ResumableTrainer
from recbole_mmm4rec.training.stopwatch import Spent, Stopwatch
from recbole_mmm4rec.training.weight_decay import AUTO, decay_at_first, fit_decay

PRECISIONS = ("float32", "bf16")
FEW_STEPS = 10
"""Optimiser steps in an epoch below which accumulating batches is worth a word."""


class MultiModalTrainer(RankedEvaluation, ResumableTrainer):
    """Trains and evaluates any sequential model.

    Attributes:
        record: :class:`~recbole_mmm4rec.training.run_record.RunRecord`, numbers of the run so far.
        last_ranks: (n,) int64 array, the number of items that scored higher than the target in every row of
            the last full-ranking evaluation, in the order of the data; ``None`` where RecBole's own path was
            taken.
        last_ties: (n,) int64 array, the number of other items with the target's score; from the largest k of
            ``topk`` on, where no metric looks, they are not counted.
    """

    def __init__(self, config: Any, model: Any) -> None:
        super().__init__(config, model)
        self.accumulation_steps = int(config["accumulation_steps"] or 1)
        if config["patience"] is not None:
            self.stopping_step = int(config["patience"]) - 1  # RecBole stops when the counter exceeds it
        self.precision = config["precision"] or "float32"
        if self.precision not in PRECISIONS:
            raise UserError(f"precision: {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        self._schedule: RateSchedule | None = None
        self._valid_data: Any = None
        self._interval = 0
        self.last_ranks: np.ndarray | None = None
        self.last_ties: np.ndarray | None = None

    @property
    def hooks(self) -> TrainedModel:
        """What the model brings to its training; the defaults for RecBole's models."""
        return hooks_of(self.model)

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float] | None]:
        """Train as RecBole's ``fit`` does, and keep the training state of every epoch.

        Pre-training of a model whose scores mean nothing there is not validated. With ``eval_interval_steps``
        there are validations before the first step and within epochs too; only those at the ends of epochs
        choose the best one and stop the run.

        Returns:
            Best validation score and result; ``(-inf, None)`` without validation.

        Raises:
            UserError: a loss that is not a number (names epoch and batch), or a resumed run on other items.
        """
        if self.config["stage"] == "pretrain" and not self.hooks.ranks_in_pretraining:
            valid_data = None
        distributed.share_draws()
        self._valid_data = valid_data
        self._interval = int(self.config["eval_interval_steps"] or 0) if valid_data else 0
        self._begin_run(train_data, bool(valid_data) and self.eval_step > 0, saved)
        if self._is_finished():
            self._save_if_nowhere()
            self.eval_collector.data_collect(train_data)
            self.logger.info(f"The run is already finished: {self.record.summary()}")
            return self.best_valid_score, self.best_valid_result
        self._fit_decay(len(train_data.dataset))
        self._mind_few_steps(self._steps_per_epoch(train_data))
        self._mind_unchosen_counts()
        if self.start_epoch >= self.epochs:  # no epoch will validate
            self._weigh_counts()
        if self._interval and not self.record.steps and not self.record.within:
            self.eval_collector.data_collect(train_data)
            self._validate_within(Spent(0.0, 0.0))
        show_progress = show_progress and distributed.rank() == 0
        result = super().fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)
        self._save_state()
        if not saved and self.average is not None:  # what was validated; there is no file to load it from
            self.average.load()
        self.logger.info(set_color("training", "green") + f": {self.record.summary()}")
        self._compare_with_start()
        return result

    def _fit_decay(self, targets: int) -> None:
        if self.weight_decay == AUTO:
            decay = fit_decay(self.optimizer, targets)
            self.logger.info(f"weight_decay: {decay:g} for {targets:,} training targets")

    def _mind_unchosen_counts(self) -> None:
        if chooses_counts(self.model) and not self._can_weigh():
            self.logger.warning(
                "co_occurrence: auto needs a validation with full ranking and a metric of ranks, this run "
                f"has none: it is {UNCHOSEN:g}"
            )

    def _can_weigh(self) -> bool:
        looks = self._validates or (bool(self._valid_data) and not self.epochs)
        return looks and can_choose(self.model, self._valid_data, self.valid_metric)

    def _weigh_counts(self) -> None:
        """Let validation choose the weight of the model's counts, where that is asked for."""
        if chooses_counts(self.model) and self._can_weigh():
            chunk = self.config["eval_chunk_size"]
            seen, weight = choose_weight(self.model, self._valid_data, self.valid_metric, chunk)
            also = " with points for seen items" if seen else ""
            self.logger.info(f"co_occurrence: {weight:g}{also} ranks validation best")

    def _mind_few_steps(self, steps: int) -> None:
        if self.accumulation_steps > 1 and steps < FEW_STEPS:
            self.logger.warning(
                f"accumulation_steps: {self.accumulation_steps} leaves {steps} optimiser steps an epoch; "
                "with 1 a model learns in fewer epochs"
            )

    def _compare_with_start(self) -> None:
        """Say so where no epoch validated better than the weights that the run began with."""
        start, best = self.record.start_result, self.record.best_result
        if start is None or best is None:
            return
        metric, sign = self.valid_metric, 1 if self.valid_metric_bigger else -1
        if sign * best[metric] <= sign * start[metric]:
            self.logger.warning(
                f"valid {metric} was {start[metric]:.4f} before the first step, {best[metric]:.4f} in the "
                "best epoch: training did not help; too few histories, or too large a learning rate?"
            )

    def _build_optimizer(self, **kwargs: Any) -> optim.Optimizer:
        learner = str(kwargs.pop("learner", self.learner)).lower()
        rate = kwargs.pop("learning_rate", self.learning_rate)
        decay = decay_at_first(kwargs.pop("weight_decay", self.weight_decay))
        params = kwargs.pop("params", None)
        if params is None:
            scales = rate_scales(self.config, self.model)
            params = scaled_groups(self.hooks.parameter_groups(decay), self.model, rate, scales)
        if decay and self.config["reg_weight"]:
            self.logger.warning("weight_decay and reg_weight are both set: weights may be penalised twice")
        return make_optimiser(learner, params, rate, decay)

    def _train_epoch(
        self,
        train_data: Any,
        epoch_idx: int,
        loss_func: Callable[[Any], Tensor | tuple[Tensor, ...]] | None = None,
        show_progress: bool = False,
    ) -> float | tuple[float, ...]:
        """One epoch; returns the sum of the batches' losses, a tuple for a model with several."""
        self._enter_epoch(train_data, epoch_idx)
        watch, losses = Stopwatch(self.device), LossSum(epoch_idx)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.enable_scaler)
        loaded = self._batches(train_data, epoch_idx, show_progress)
        batches = zip(loaded, distributed.shares(train_data), strict=False)
        while group := list(islice(batches, self.accumulation_steps)):
            with self.hooks.shared_item_table() if len(group) > 1 else nullcontext():
                for interaction, share in group:
                    with self._autocast(), within(share):
                        loss = (loss_func or self.model.calculate_loss)(interaction.to(self.device))
                    scaler.scale(losses.add(loss, share.weight)).backward()
            self._step(scaler)
            if self._is_due(train_data):
                with watch.paused() as spent:
                    self._validate_within(spent)
        total = losses.total()
        self.record.end_epoch(watch.read(), sum(total))
        return total if len(total) > 1 else total[0]

    def _enter_epoch(self, train_data: Any, epoch_idx: int) -> None:
        self._pass_boundary(epoch_idx)
        self._schedule = RateSchedule.of_run(self.config, self._steps_per_epoch(train_data))
        if isinstance(getattr(train_data, "sampler", None), DistributedSampler):
            train_data.sampler.set_epoch(epoch_idx)
        self.optimizer.zero_grad()
        self.model.train()
        self.hooks.before_epoch(epoch_idx)
        distributed.barrier()  # only steps are subject to the limit of a process that hangs

    def _steps_per_epoch(self, train_data: Any) -> int:
        return -(-len(train_data) // self.accumulation_steps)

    def _batches(self, train_data: Any, epoch_idx: int, show_progress: bool) -> Iterator[Any]:
        if not show_progress:
            yield from train_data
            return
        label = set_color(f"Train {epoch_idx:>5}", "pink")
        bar = tqdm(train_data, total=len(train_data), ncols=100, desc=label)
        for interaction in bar:
            yield interaction
            if self.gpu_available:
                usage = set_color("GPU RAM: " + get_gpu_usage(self.device), "yellow")
                bar.set_postfix_str(usage, refresh=False)

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = torch.bfloat16 if self.precision == "bf16" else None
        return torch.autocast(self.device.type, dtype=dtype, enabled=bool(dtype or self.enable_amp))

    def _step(self, scaler: torch.amp.GradScaler) -> None:
        """One optimiser step with the summed gradients of the batches since the last one."""
        sum_gradients(self.model.parameters())
        if self.clip_grad_norm:
            scaler.unscale_(self.optimizer)
            clip_grad_norm_(self.model.parameters(), **self.clip_grad_norm)
        if self._schedule is not None:
            self._schedule.apply(self.optimizer, self._rates, self.record.steps)
        scaler.step(self.optimizer)
        scaler.update()
        self.optimizer.zero_grad()
        self.record.steps += 1
        if self.average is not None:
            self.average.update()

    def _is_due(self, train_data: Any) -> bool:
        """Whether it is time to validate within an epoch; its end is a matter of ``eval_step``."""
        steps, interval = self.record.steps, self._interval
        return bool(interval) and steps % interval == 0 and steps % self._steps_per_epoch(train_data) != 0

    def _validate_within(self, spent: Spent) -> None:
        """Add a point to the learning curve, at this time of the epoch; training goes on as without it."""
        loader, training = self._valid_data, self.model.training
        with kept_random_state(getattr(loader, "generator", None)), self._averaged():
            distributed.barrier()  # only steps are subject to the limit of a process that hangs
            self._weigh_counts()
            result = self.evaluate(loader, load_best_model=False)
            distributed.barrier()
        self.model.train(training)
        assert result is not None
        self.record.add_point(result, spent)
        score = set_color("valid_score", "blue") + f": {result[self.valid_metric]:f}"
        self.logger.info(set_color(f"step {self.record.steps} evaluating", "green") + f" [{score}]")

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        with self._averaged():
            self._weigh_counts()
            score, result = super()._valid_epoch(valid_data, show_progress)
        self.record.add_validation(result)
        *_, improved = early_stopping(
            score, self.best_valid_score, self.cur_step, self.stopping_step, self.valid_metric_bigger
        )
        if improved:
            self.record.mark_best()
        return score, result

    @torch.no_grad()
    def evaluate(
        self,
        eval_data: Any,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> dict[str, float] | None:
        """RecBole's result for ``eval_data``, ties in no order; by counting where that gives the same values.

        Args:
            eval_data: a RecBole evaluation loader.
            load_best_model: load the best weights first, from ``model_file`` or this run's own checkpoint.
            model_file: a checkpoint of ours.
            show_progress: draw a progress bar.
        """
        if not eval_data:
            return None
        if load_best_model:
            self._load_best(model_file or self.saved_model_file)
        self.last_ranks, self.last_ties, self.eval_collector.loader = None, None, eval_data
        show_progress = show_progress and distributed.rank() == 0
        with self.hooks.shared_item_table(histories=len(eval_data.dataset)):
            if not counting_suffices(self.config["metrics"], eval_data, self.model):
                return super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)
            above, tied = self._rank_all(eval_data, show_progress).unbind(1)
        self.last_ranks, self.last_ties = above.numpy(), tied.numpy()
        result = self.evaluator.of_ranks(above, tied)
        self.wandblogger.log_eval_metrics(result, head="eval")
        return result

    def _rank_all(self, eval_data: Any, show_progress: bool) -> Tensor:
        self.model.eval()
        n_items, depth = eval_data._dataset.item_num, max(self.config["topk"])
        ranking = FullRanking(self.model, n_items, depth, self.config["eval_chunk_size"])
        label = set_color("Evaluate   ", "pink")
        batches = tqdm(eval_data, total=len(eval_data), ncols=100, desc=label, disable=not show_progress)
        places = []
        for batch, seen, _, targets in batches:
            left_out = None if seen is None else (seen[0].to(self.device), seen[1].to(self.device))
            places.append(ranking.places(batch.to(self.device), targets.to(self.device), left_out))
        return distributed.gather_rows(torch.cat(places), eval_data)

    def _load_best(self, path: str) -> None:
        with brought(path) as here:
            load_weights(path, self.model, read_checkpoint(here).state_dict)
        self.logger.info(f"Loading model structure and parameters from {path}")

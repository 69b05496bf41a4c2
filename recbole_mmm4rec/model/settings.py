"""From a configuration's keys to the settings of layers."""

from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.extras import require_extra
from recbole_mmm4rec.nn.item_table import Absent, ModalityTable
from recbole_mmm4rec.nn.kernels import BACKENDS, MAMBA_SSM, PACKAGES
from recbole_mmm4rec.nn.mamba import MambaSettings
from recbole_mmm4rec.nn.time_aware import CAUSAL, PAPER, TIME_BRANCHES, TimeSettings
from recbole_mmm4rec.nn.tissd import SKIPS, SSDSettings

ACTIVATIONS = {"silu": F.silu, "hardswish": F.hardswish}


def chosen(config: Any, key: str, choices: Collection[str]) -> str:
    """The value of a key that has a few.

    Raises:
        UserError: another one.
    """
    if config[key] not in choices:
        raise UserError(f"{key}: {config[key]!r} is not one of {', '.join(choices)}")
    return config[key]


def masks_missing(config: Any) -> bool:
    """Whether items without a modality get no vector from it, key ``missing_modality``.

    Raises:
        UserError: another value than 'mask' or 'constant'.
    """
    return chosen(config, "missing_modality", ("mask", "constant")) == "mask"


def absent_vectors(config: Any, table: ModalityTable) -> nn.ModuleDict:
    """The vector that replaces an item without one in histories, by modality."""
    width, std = config["hidden_size"], config["initializer_range"]
    return nn.ModuleDict({name: Absent(width, std) for name in table.incomplete})


def mamba_settings(config: Any) -> MambaSettings:
    """Settings of Mamba-1 blocks."""
    return MambaSettings(
        config["hidden_size"], config["d_state"], config["d_conv"], config["expand"], config["keep_step_init"]
    )


def conv_activation(config: Any) -> Callable[[Tensor], Tensor]:
    """What follows the convolutions, key ``conv_activation``.

    With 'by_heads' it is SiLU where the number of heads is a multiple of 8, else Hardswish, because the
    released codes take another path there (their fused kernel needs a multiple of 8).

    Raises:
        UserError: another value than 'silu', 'hardswish' or 'by_heads'.
    """
    name = chosen(config, "conv_activation", (*ACTIVATIONS, "by_heads"))
    if name == "by_heads":
        heads = config["expand"] * config["hidden_size"] // config["head_dim"]
        name = "hardswish" if heads % 8 else "silu"
    return ACTIVATIONS[name]


def check_backend(config: Any) -> None:
    """Refuse ``ssd_backend: mamba_ssm`` where its kernels cannot run, before anything is trained.

    Raises:
        UserError: no GPU, or a package is missing.
    """
    if config["ssd_backend"] != MAMBA_SSM:
        return
    if config["device"].type != "cuda":
        raise UserError(f"ssd_backend: {MAMBA_SSM} needs a CUDA GPU, and this run is on {config['device']}")
    require_extra("cuda", PACKAGES, f"ssd_backend: {MAMBA_SSM}")


def ssd_settings(config: Any, **own: Any) -> SSDSettings:
    """Settings of SSD blocks: the keys that every model of them has, and the model's ``own``."""
    return SSDSettings(
        width=config["hidden_size"],
        expand=config["expand"],
        head_dim=config["head_dim"],
        d_state=config["d_state"],
        n_groups=config["n_groups"],
        d_conv=config["d_conv"],
        norm_eps=config["norm_eps"],
        skip=chosen(config, "skip", SKIPS),
        backend=chosen(config, "ssd_backend", BACKENDS),
        **own,
    )


def time_branch(config: Any) -> str:
    """The value of the key; checkpoints from before there was a choice have the paper's branch.

    Raises:
        UserError: another one than 'paper' or 'causal'.
    """
    return PAPER if config["time_branch"] is None else chosen(config, "time_branch", TIME_BRANCHES)


def time_settings(config: Any, heads: int, **own: Any) -> TimeSettings:
    """Settings of a time branch: the keys that every model with one has, and the model's ``own``."""
    return TimeSettings(
        length=config["MAX_ITEM_LIST_LENGTH"],
        heads=heads,
        kernel=config["d_conv"],
        dropout=config["time_dropout_prob"],
        eps=config["norm_eps"],
        tanhshrink=config["time_tanhshrink"],
        masked=config["gap_mask"],
        lively=config["time_lively_init"],
        causal=time_branch(config) == CAUSAL,
        **own,
    )

"""Names and layouts of the released MMM4Rec checkpoints, translated to ours."""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

_LAYER = r"(?:encoder|decoder)_ssd_layers\.(\d+)\."

_RENAMED = [
    (r"text_item_embedding_bias", r"table.item_bias.text"),
    (r"vision_item_embedding_bias", r"table.item_bias.image"),
    (r"text_adapter\.0\.", r"table.adapters.text."),
    (r"vision_adapter\.0\.", r"table.adapters.image."),
    (r"text_in_layer_norm\.", r"input_norm.text."),
    (r"vision_in_layer_norm\.", r"input_norm.image."),
    (r"fusion_factor", r"fusion.logits"),
    (r"layer_norm_time\.", r"gap_norm.norm."),
    (r"encoder_ssd_layers\.(\d+)\.layer_norm\.", r"layers.\1.text_norm."),
    (r"encoder_ssd_layers\.(\d+)\.ffn\.", r"layers.\1.text_ffn."),
    (r"decoder_ssd_layers\.(\d+)\.layer_norm\.", r"layers.\1.image_norm."),
    (r"decoder_ssd_layers\.(\d+)\.co_layer_norm\.", r"layers.\1.fusion_norm."),
    (r"decoder_ssd_layers\.(\d+)\.ffn\.", r"layers.\1.fusion_ffn."),
    # The released code's "vision" map is the one that filters the text signal, and the other way round.
    (r"decoder_ssd_layers\.(\d+)\.vision_complex_weight\.0\.", r"time_layers.\1.filter.text."),
    (r"decoder_ssd_layers\.(\d+)\.text_complex_weight\.0\.", r"time_layers.\1.filter.image."),
    (r"decoder_ssd_layers\.(\d+)\.co_complex_weight\.0\.", r"time_layers.\1.filter.co."),
    (_LAYER + r"ssd\.time_gate_residual\.1\.", r"time_layers.\1.gate.gate."),
    (_LAYER + r"ssd\.time_layer_norm\.", r"time_layers.\1.gate.norm."),
]

_BLOCKS = [(_LAYER + r"ssd\.", "align"), (_LAYER + r"co_ssd\.", "fuse")]

_IN_BLOCK = [
    (r"conv1d4time_1\.", "time_layers.{n}.{block}.convs.0."),
    (r"conv1d4time_2\.", "time_layers.{n}.{block}.convs.1."),
    (r"mlp4time_scale\.1\.", "time_layers.{n}.{block}.fc1."),
    (r"mlp4time_scale\.3\.", "time_layers.{n}.{block}.fc2."),
    (r"dt_bias", "layers.{n}.{block}.dt_bias"),
    (r"A_log", "layers.{n}.{block}.a_log"),
    (r"D$", "layers.{n}.{block}.skip"),
    (r"norm\.", "layers.{n}.{block}.norm."),
    (r"out_proj\.", "layers.{n}.{block}.out_proj."),
    (r"u_in_proj\.", "layers.{n}.{block}.in_proj."),
    (r"z_in_proj\.", "layers.{n}.{block}.gate_proj."),
    (r"q_in_proj\.", "layers.{n}.{block}.query_proj."),
    (r"u_conv1d\.", "layers.{n}.{block}.conv."),
    (r"q_conv1d\.", "layers.{n}.{block}.query_conv."),
]

_NOT_LEARNT = {"text_embedding", "vision_embedding"}


def convert_mmm4rec(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and split the entries of a released state.

    Args:
        state: the "model" entry of a released file, or any part of it (gradients have the same names).

    Returns:
        entries under our names; feature tables are left out, the shared block appears once.

    Raises:
        ValueError: an entry has a name that the released code does not use.
    """
    converted: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _NOT_LEARNT or (name == "fusion_factor" and value.ndim == 0):
            continue
        converted.update(_translate(name, value, state))
    return converted


def _translate(name: str, value: Tensor, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for pattern, ours in _RENAMED:
        if re.match(pattern, name):
            return iter([(re.sub("^" + pattern, ours, name), value)])
    for prefix, block in _BLOCKS:
        if match := re.match(prefix, name):
            return _translate_block(name[match.end() :], value, match[0], match[1], block, state)
    raise ValueError(f"{name} is not an entry of a released MMM4Rec checkpoint")


def _translate_block(
    rest: str, value: Tensor, prefix: str, layer: str, block: str, state: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    if rest.startswith(("in_proj.", "conv1d_1.")):
        return _split(rest, value, f"layers.{layer}.{block}", *_sizes(prefix, state))
    for pattern, ours in _IN_BLOCK:
        if re.match(pattern, rest):
            return iter([(re.sub("^" + pattern, ours.format(n=layer, block=block), rest), value)])
    raise ValueError(f"{prefix}{rest} is not an entry of a released MMM4Rec checkpoint")


def _sizes(prefix: str, state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Inner width E and width of the maps G * S of a block."""
    inner = len(state[prefix + "norm.weight"])
    return inner, (len(state[prefix + "conv1d_1.weight"]) - inner) // 2


def _split(rest: str, value: Tensor, block: str, inner: int, maps: int) -> Iterator[tuple[str, Tensor]]:
    """The released self block projects z, x, B, C and step sizes at once, and convolves x, B, C at once."""
    kind = rest.split(".")[1]
    if rest.startswith("conv1d_1."):
        x_and_b, c = value.split([inner + maps, maps])
        return iter([(f"{block}.conv.{kind}", x_and_b), (f"{block}.query_conv.{kind}", c)])
    z, x, b, c, steps = value.split([inner, inner, maps, maps, len(value) - 2 * (inner + maps)])
    return iter(
        [
            (f"{block}.gate_proj.{kind}", z),
            (f"{block}.in_proj.{kind}", torch.cat([x, b, steps])),
            (f"{block}.query_proj.{kind}", c),
        ]
    )

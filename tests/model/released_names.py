"""Entries of the released baselines' states under our names, for the golden files."""

import re
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

Renames = Iterable[tuple[str, str]]

TRANSFORMER = [
    (r"multi_head_attention\.LayerNorm\.", "attention.layer_norm."),
    (r"multi_head_attention\.dense\.", "attention.out."),
    (r"multi_head_attention\.", "attention."),
    (r"feed_forward\.LayerNorm\.", "ffn.layer_norm."),
    (r"feed_forward\.dense_1\.", "ffn.fc1."),
    (r"feed_forward\.dense_2\.", "ffn.fc2."),
]

SASREC = [
    (r"^trm_encoder\.layer\.", "encoder.stack.layers."),
    (r"^LayerNorm\.", "encoder.input.layer_norm."),
    (r"^position_embedding\.", "encoder.input.position."),
    (r"^item_embedding\.", "table.embedding."),
    (r"^adapter\.0\.", "table.adapters.text."),
    *TRANSFORMER,
]

BSAREC = [
    (r"^item_encoder\.", "trm_encoder."),
    (r"^item_embeddings\.", "item_embedding."),
    (r"^position_embeddings\.", "position_embedding."),
    (r"^trm_encoder\.blocks\.(\d+)\.", r"encoder.layers.\1."),
    (r"layer\.attention_layer\.", "multi_head_attention."),
    (r"layer\.filter_layer\.LayerNorm\.", "filter.layer_norm."),
    (r"layer\.filter_layer\.", "filter."),
    *SASREC,
]

MAMBA4REC = [
    (r"^mamba_layers\.(\d+)\.LayerNorm\.", r"encoder.layers.\1.layer_norm."),
    (r"^mamba_layers\.(\d+)\.mamba\.", r"encoder.layers.\1.block."),
    (r"^mamba_layers\.(\d+)\.ffn\.", r"encoder.layers.\1.ffn."),
    (r"ffn\.LayerNorm\.", "ffn.layer_norm."),
    (r"ffn\.w_", "ffn.fc"),
    (r"block\.A_log", "block.scan.a_log"),
    (r"block\.D$", "block.scan.skip"),
    (r"block\.conv1d\.", "block.conv."),
    (r"block\.x_proj\.", "block.maps."),
    (r"^LayerNorm\.", "encoder.input_norm."),
    (r"^item_embedding\.", "table.embedding."),
    (r"^adapter\.0\.", "table.adapters.text."),
]

M3REC = [
    (r"^LayerNorm\.", "encoder.input_norms.id."),
    (r"^img_", "image_"),
    (r"^(text|image)_LayerNorm\.", r"encoder.input_norms.\1."),
    (r"^(id|text|image)_mamba_ffn\.(\d+)\.", r"encoder.layers.\2.experts.\1."),
    (r"^(text|image)_trans\.", r"table.adapters.\1."),
    (r"^(text|image)_(alpha|beta)$", r"scales.\1"),
    (r"^item_embedding\.", "ids.embedding."),
    (r"^mamba_block\.(\d+)\.LayerNorm\.", r"encoder.layers.\1.shared.layer_norm."),
    (r"^mamba_block\.(\d+)\.mamba\.", r"encoder.layers.\1.shared.block."),
    (r"(experts\.\w+)\.LayerNorm\.", r"\1.layer_norm."),
    (r"(experts\.\w+)\.w_", r"\1.fc"),
    *[(pattern, ours) for pattern, ours in MAMBA4REC if pattern.startswith("block")],
]

_TIME = [
    (r"conv1d4time_1\.", "convs.0."),
    (r"conv1d4time_2\.", "convs.1."),
    (r"mlp4time_scale\.1\.", "fc1."),
    (r"mlp4time_scale\.3\.", "fc2."),
]

TIM4REC = [
    *[(rf"^ssd_layers\.(\d+)\.ssd\.{a}", rf"time.scales.\1.{b}") for a, b in _TIME],
    (r"^ssd_layers\.(\d+)\.ssd\.time_gate_residual\.1\.", r"time.gates.\1.gate."),
    (r"^ssd_layers\.(\d+)\.ssd\.time_layer_norm\.", r"time.gates.\1.norm."),
    (r"^ssd_layers\.(\d+)\.ssd\.conv1d_1\.", r"ssd_layers.\1.ssd.conv1d."),
    (r"^ssd_layers\.(\d+)\.ssd\.", r"encoder.layers.\1.block."),
    (r"^ssd_layers\.(\d+)\.", r"encoder.layers.\1."),
    (r"block\.A_log", "block.a_log"),
    (r"block\.D$", "block.skip"),
    (r"^layer_norm_time\.", "time.gap_norm.norm."),
    (r"^in_layer_norm\.", "encoder.input_norm."),
    (r"^item_embedding\.", "table.embedding."),
    (r"^adapter\.0\.", "table.adapters.text."),
]


def rename(state: Mapping[str, Tensor], renames: Renames) -> dict[str, Tensor]:
    """Apply every rename to every name, in order."""
    renamed = {}
    for name, value in state.items():
        for pattern, ours in renames:
            name = re.sub(pattern, ours, name)
        renamed[name] = value
    return renamed


def mamba4rec(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mamba4Rec's entries."""
    return _split_projections(rename(state, MAMBA4REC))


def m3rec(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """M3Rec's entries."""
    return _split_projections(rename(state, M3REC))


def _split_projections(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """The released Mamba block projects inputs and gates at once."""
    for name in [name for name in ours if name.endswith("block.in_proj.weight")]:
        ours[name], ours[name.replace("in_proj", "gate_proj")] = ours[name].chunk(2)
    return ours


def tim4rec(state: Mapping[str, Tensor], inner: int, maps: int, layers: int) -> dict[str, Tensor]:
    """The released block projects z, x, B, C and steps at once and convolves x, B, C at once.

    The last layer's gate feeds a stream that nothing reads; ours has none.
    """
    unread = f"time.gates.{layers - 1}."
    ours = {name: value for name, value in rename(state, TIM4REC).items() if not name.startswith(unread)}
    for name in [name for name in ours if ".block.conv1d." in name]:
        value, to = ours.pop(name), name.replace("conv1d", "conv")
        ours[to], ours[to.replace("conv.", "query_conv.")] = value.split([inner + maps, maps])
    for name in [name for name in ours if ".block.in_proj." in name]:
        heads = len(ours[name]) - 2 * (inner + maps)
        z, x, b, c, steps = ours[name].split([inner, inner, maps, maps, heads])
        ours[name] = torch.cat([x, b, steps])
        ours[name.replace("in_proj", "gate_proj")] = z
        ours[name.replace("in_proj", "query_proj")] = c
    return ours


def bsarec(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The released filter's gains have two dimensions of size one in front."""
    return {
        name: value.flatten() if name.endswith("sqrt_beta") else value
        for name, value in rename(state, BSAREC).items()
    }


UNISREC = [
    (r"^moe_adaptor\.experts\.(\d+)\.lin\.", r"table.adaptor.maps.\1."),
    (r"^moe_adaptor\.experts\.(\d+)\.bias$", r"table.adaptor.shift[\1]"),
    (r"^moe_adaptor\.w_gate", "table.adaptor.gate"),
    (r"^moe_adaptor\.w_noise", "table.adaptor.gate_noise"),
    (r"^item_embedding\.", "table.ids.embedding."),
    *SASREC,
]

VQREC = [
    (r"^pq_code_embedding\.", "table.codes.embedding."),
    (r"^trans_matrix$", "permutation.weight"),
    *SASREC,
]

FDSA = [
    (r"^item_trm_encoder\.layer\.", "id_stack.layers."),
    (r"^feature_trm_encoder\.layer\.", "text_stack.layers."),
    (r"^adapter\.mlp_layers\.1\.", "texts.adapters.text."),
    (r"^concat_layer\.", "merge."),
    (r"^item_embedding\.", "ids.embedding."),
    (r"^LayerNorm\.", "input.layer_norm."),
    (r"^position_embedding\.", "input.position."),
    *TRANSFORMER,
]

S3REC = [
    (r"^adapter\.mlp_layers\.1\.", "attributes.adapters.text."),
    (r"^(aap|mip|map|sp)_norm\.", r"heads.\1."),
    *SASREC,
]


HM4SR = [
    (r"^img_", "image_"),
    (r"^txt_", "text_"),
    (r"^item_(ln|seq)", r"id_\1"),
    (r"(gate|placeholder)_img\.", r"\1_image."),
    (r"(gate|placeholder)_txt\.", r"\1_text."),
    (r"^(id|text|image)_seq\.layer\.", r"encoder.encoders.\1.stack.layers."),
    (r"^(id|text|image)_ln\.", r"encoder.encoders.\1.layer_norm."),
    (r"^(text|image)_projection\.", r"table.adapters.\1."),
    (r"^placeholder_", "encoder.placeholders."),
    (r"^start_moe\.gate_", "encoder.interaction.gates."),
    (r"^start_moe\.weight", "encoder.interaction.weight"),
    (r"^start_moe\.expert\.(\d+)\.(weight|bias)$", r"encoder.interaction.experts.\2[\1]"),
    (r"^time_moe\.expert\.(\d+)$", r"encoder.temporal.experts[\1]"),
    (r"^time_moe\.gate\.", "encoder.temporal.gate."),
    (r"^time_moe\.time_embedding\.", "encoder.moments.gap."),
    (r"^time_moe\.absolute_w\.", "encoder.moments.moment."),
    (r"^position_embedding\.", "encoder.position."),
    (r"^item_embedding\.", "ids.embedding."),
    (r"^cat_linear\.", "categories.linear."),
    *TRANSFORMER,
]


def unisrec(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The released experts hold their shifts one by one."""
    return _joined(rename(state, UNISREC), torch.stack)


def _joined(pieces: Mapping[str, Tensor], join: Callable[[list[Tensor]], Tensor]) -> dict[str, Tensor]:
    """``name[0]``, ``name[1]``, ... of one parameter become ``name``."""
    ours: dict[str, Tensor] = {}
    numbered: dict[str, dict[int, Tensor]] = {}
    for name, value in pieces.items():
        whole, _, number = name.partition("[")
        if number:
            numbered.setdefault(whole, {})[int(number.removesuffix("]"))] = value
        else:
            ours[name] = value
    return ours | {name: join([parts[k] for k in sorted(parts)]) for name, parts in numbered.items()}


def s3rec(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The released table's last row is the mask token."""
    ours = rename(state, S3REC)
    if "table.embedding.weight" in ours:
        table = ours["table.embedding.weight"]
        ours["table.embedding.weight"], ours["table.mask.weight"] = table[:-1], table[-1:]
    return ours


def hm4sr(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The released experts stand one by one; one of its maps is never used."""
    return _joined(rename({n: v for n, v in state.items() if "absolute_m" not in n}, HM4SR), torch.cat)

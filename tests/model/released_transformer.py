"""Entries of torch's own Transformer, which MMSRec and MISSRec use, under our names."""

from collections.abc import Mapping

from torch import Tensor

RENAMES = [
    (r"\.self_attn\.out_proj\.", ".attention.out."),
    (r"\.self_attn\.", ".attention."),
    (r"\.multihead_attn\.out_proj\.", ".cross_attention.out."),
    (r"\.multihead_attn\.", ".cross_attention."),
    (r"\.linear1\.", ".ffn.fc1."),
    (r"\.linear2\.", ".ffn.fc2."),
    (r"\.norm1\.", ".attention.layer_norm."),
    (r"(decoder.*)\.norm2\.", r"\1.cross_attention.layer_norm."),
    (r"\.norm[23]\.", ".ffn.layer_norm."),
]


def split_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torch's own attention projects queries, keys and values at once."""
    ours = dict(state)
    for name in [name for name in ours if ".in_proj_" in name]:
        stem, kind = name.split("in_proj_")
        for part, value in zip(("query", "key", "value"), ours.pop(name).chunk(3), strict=True):
            ours[f"{stem}{part}.{kind}"] = value
    return ours

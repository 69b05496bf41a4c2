"""The token layers of MMM4Rec written out with nothing but torch: what the package's kernels must compute.

Convolutions are torch's own, the state-space scan is the masked matrix of equation (8) for every head, both
streams and all positions run at full length. Slow and obvious; used by the tests and as the yardstick of
``tests.model.measure_twin``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.model.mmm4rec.mmm4rec import TokenLayer
from recbole_mmm4rec.nn.convolution import CausalConv
from recbole_mmm4rec.nn.tissd import TiSSD


def convolve(conv: CausalConv, x: Tensor) -> Tensor:
    """(B, L, C) -> (B, L, C) by ``torch.nn.functional.conv1d`` and the activation."""
    before = conv.weight.shape[-1] - 1
    first = x[:, :1] if conv.edge else torch.zeros_like(x[:, :1])
    padded = torch.cat([first.expand(-1, before, -1), x], dim=1).transpose(1, 2)
    return conv.activation(F.conv1d(padded, conv.weight, conv.bias, groups=x.shape[-1])).transpose(1, 2)


def scan(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Equations (7) to (9): (B, L, H, P), (B, L, H), (H,), (B, L, H, S) twice -> (B, L, H, P)."""
    steps = (dt * a).transpose(1, 2)  # (B, H, L)
    length = steps.shape[-1]
    lower = torch.ones(length, length, dtype=torch.bool).tril()
    # sum_{k=j+1..l} steps_k, summed up term by term
    summands = steps.unsqueeze(-1).expand(-1, -1, -1, length).masked_fill(~lower.tril(-1), 0)
    decay = summands.cumsum(-2).masked_fill(~lower, -torch.inf).exp()
    similarity = torch.einsum("blhs,bjhs->bhlj", c, b)
    return torch.einsum("bhlj,bjh,bjhp->blhp", similarity * decay, dt, x)


def tissd(block: TiSSD, source: Tensor, query: Tensor, gate: Tensor, scale: Tensor | None) -> Tensor:
    """Equations (3) to (9) at every position: (B, L, D) each -> (B, L, D)."""
    s = block.settings
    maps = s.n_groups * s.d_state
    mapped, raw_dt = block.in_proj(source).split([s.inner + maps, s.heads], dim=-1)
    x, b = convolve(block.conv, mapped).split([s.inner, maps], dim=-1)
    c = convolve(block.query_conv, block.query_proj(query))
    b, c = (
        part.unflatten(-1, (s.n_groups, s.d_state)).repeat_interleave(s.heads // s.n_groups, dim=2)
        for part in (b, c)
    )
    x = x.unflatten(-1, (s.heads, s.head_dim))
    raw_dt = raw_dt if scale is None else raw_dt * scale
    dt = F.softplus(raw_dt) + block.dt_bias[:, None] if s.bias_outside else F.softplus(raw_dt + block.dt_bias)
    y = scan(x, dt, -block.a_log.exp(), b, c)
    if block.skip is not None:
        y = y + block.skip[:, None] * x * (dt.unsqueeze(-1) if s.skip == "dt_x" else 1)
    gated = y.flatten(2) * F.silu(block.gate_proj(gate))
    normed = gated * torch.rsqrt(gated.square().mean(-1, keepdim=True) + block.norm.eps) * block.norm.weight
    return block.out_proj(normed)


def token_layer(
    layer: TokenLayer, text: Tensor, image: Tensor, scales: list[Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Equations (10), (11) and (16) to (18) at every position of both streams."""
    at_text, at_image, at_fused = scales or (None, None, None)
    image_block = layer.own_align_image or layer.align
    one_stream = image is text and layer.own_align_image is None
    aligned = aligned_image = layer.dropout(tissd(layer.align, text, text, text, at_text))
    if not one_stream:
        aligned_image = layer.dropout(tissd(image_block, image, image, image, at_image))
    text = layer.text_ffn(layer.text_norm(text + aligned))
    image = layer.image_ffn(layer.image_norm(image + aligned_image))
    fused = tissd(layer.fuse, text, image, image + text, at_fused)
    return text, layer.fusion_ffn(layer.fusion_norm(layer.dropout(fused) + image + text))

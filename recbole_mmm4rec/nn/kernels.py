"""CUDA kernels of mamba-ssm and causal-conv1d in the place of plain PyTorch, key ``ssd_backend``.

The kernels know one step size per position and head and one decay rate per head, which is all that time-aware
blocks have: their time branch is in the step sizes. So every SSD block can take them. The scan's kernel may
multiply in TF32. Kernels pay on long histories; from which length on was not measured, nor were they run on a
GPU: ``tests/nn/test_kernels.py`` compares them with PyTorch where there is one.
"""

from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

AUTO, TORCH, MAMBA_SSM = BACKENDS = ("auto", "torch", "mamba_ssm")
PACKAGES = ("mamba_ssm", "causal_conv1d")

AUTO_FROM = 256
"""Shortest history for which ``auto`` takes the kernels: one chunk of theirs. A guess, not a measurement."""

CHUNK = 256
CONV_WIDTHS = range(2, 5)
"""Kernel widths that causal-conv1d has."""


def takes_kernel(x: Tensor, backend: str) -> bool:
    """Whether the kernels compute on (B, L, ...): on a GPU, where they are wanted and installed."""
    if not x.is_cuda or backend == TORCH or torch.compiler.is_compiling():
        return False
    return backend == MAMBA_SSM or (x.shape[1] >= AUTO_FROM and installed())


@lru_cache(maxsize=1)
def installed() -> bool:
    """Whether both packages are there; nothing is imported."""
    return all(find_spec(name) is not None for name in PACKAGES)


def ssd_by_kernel(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """:func:`recbole_mmm4rec.nn.ssd.ssd` at all positions: (B, L, H, P) float32."""
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    with torch.autocast(x.device.type, enabled=False):
        x, dt, b, c = (tensor.float().contiguous() for tensor in (x, dt, b, c))
        return mamba_chunk_scan_combined(x, dt, a.float(), b, c, chunk_size=CHUNK)


def conv_by_kernel(x: Tensor, taps: Tensor, bias: Tensor, edge: bool = False) -> Tensor:
    """:func:`recbole_mmm4rec.nn.convolution.causal_conv`: (B, L, C), (C, K), (C,) -> (B, L, C)."""
    from causal_conv1d import causal_conv1d_fn

    before = taps.shape[1] - 1 if edge else 0
    padded = torch.cat([x[:, :1].expand(-1, before, -1), x], dim=1).transpose(1, 2)
    return causal_conv1d_fn(padded.contiguous(), taps.contiguous(), bias)[..., before:].transpose(1, 2)

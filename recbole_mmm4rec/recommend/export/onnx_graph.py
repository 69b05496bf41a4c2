"""One module -> one ONNX file that onnxruntime runs, checked against the module."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recbole_mmm4rec.errors import UserError

TOLERANCE = 1e-4
_INLINE = 1 << 30
"""Bytes of tables from which they lie beside the graph: one file cannot hold more than 2 GiB."""


class NotExportableError(UserError):
    """ONNX has no operators for a model, or says something else with them."""


@dataclass
class Graph:
    """A module and how it is called.

    Attributes:
        module: in evaluation mode, on the CPU.
        arguments: an example; mappings and tensors.
        inputs, outputs: names, in the order in which the tensors stand.
        axes: as ``arguments``, with names of free axes by number in the place of tensors.
        tables: inputs that have a default value.
        replaceable: whether a caller may give others in the place of ``tables``.
    """

    module: nn.Module
    arguments: tuple[Any, ...]
    inputs: list[str]
    outputs: list[str]
    axes: tuple[Any, ...]
    tables: dict[str, Tensor] = field(default_factory=dict)
    replaceable: bool = True


def write_graph(path: Path, graph: Graph, facts: Mapping[str, str]) -> None:
    """Write a graph and run it once.

    Args:
        path: of the ``.onnx`` file; large tables lie beside it, in ``<path>.data``.
        graph: what to write.
        facts: properties of the file.

    Raises:
        NotExportableError: an operator that ONNX does not have, or another result than the module's.
    """
    import onnx

    proto = _translated(graph)
    for node in (*proto.graph.node, *(n for function in proto.functions for n in function.node)):
        del node.metadata_props[:]  # where in whose source a node was made
    onnx.helper.set_model_props(proto, dict(facts))
    for name, value in graph.tables.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(value.numpy(), name))
    if not graph.replaceable:
        for value in [entry for entry in proto.graph.input if entry.name in graph.tables]:
            proto.graph.input.remove(value)
    large = sum(value.nbytes for value in graph.tables.values()) > _INLINE
    # external data are appended to a file that is there
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    onnx.save(proto, path, save_as_external_data=large, location=f"{path.name}.data")
    _check(path, graph)


def _translated(graph: Graph) -> Any:
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph.module,
                (*graph.arguments, {}),  # a mapping that stood last would be taken for arguments by name
                input_names=graph.inputs,
                output_names=graph.outputs,
                dynamic_shapes=graph.axes,
                dynamo=True,
                optimize=False,  # its rules take the 1e-12 of a layer norm for zero and leave it out
                verbose=False,
            )
    except Exception as error:  # the exporter fails in as many ways as there are operators
        reason = str(error.__cause__ or error).strip().split("\n")[0][:200]
        raise NotExportableError(f"cannot be written as ONNX: {reason}") from error
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on packages that are not there, and the graphs that it could not write."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _check(path: Path, graph: Graph) -> None:
    with torch.inference_mode():
        wanted = flat(graph.module(*graph.arguments))
    names = (name for name in graph.inputs if name not in graph.tables)
    values = flat(graph.arguments)[len(graph.tables) :]
    found = session(path).run(None, dict(zip(names, (v.numpy() for v in values), strict=True)))
    for name, ours, theirs in zip(graph.outputs, wanted, found, strict=True):
        if not np.allclose(theirs, ours.numpy(), rtol=TOLERANCE, atol=TOLERANCE):
            raise NotExportableError(f"cannot be written as ONNX: its graph gives another {name}")


def session(path: str | os.PathLike[str]) -> Any:
    """An onnxruntime session on the CPU with as many threads as PyTorch has here."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # initial values that can be replaced are worth a warning to it
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])


def flat(value: Any) -> list[Tensor]:
    """All tensors of mappings and sequences, in their order."""
    if isinstance(value, Tensor):
        return [value]
    parts: Sequence[Any] = list(value.values()) if isinstance(value, Mapping) else list(value)
    return [tensor for part in parts for tensor in flat(part)]

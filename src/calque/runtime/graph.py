"""A PyTorch model as one ONNX graph, checked by running both.

Choices and trade-offs
- Two exporters, one check. PyTorch's older exporter traces: it knows every encoder tried here (BERT, ELECTRA, RoBERTa, XLM-R, T5,
  DeBERTa, ModernBERT), takes under a second and writes the smaller graph. The newer one does not trace, takes seconds and cannot
  do T5; it stands in where the older one fails or is gone. Neither's word is taken: the graph runs at several shapes, alone,
  padded and longer than what was traced, and is refused where it differs from PyTorch.
- Attention is exported in its plain form ("eager"): the fused kernels of PyTorch have no counterpart in ONNX, and the exporters
  break them up differently from version to version.
- Weights of more than two gigabytes cannot be inside an ONNX file: they go beside it, in ``model.onnx.data``.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calque.errors import ModelError
from calque.formats.files import UNWRITABLE
from calque.runtime.opening import open_session
from calque.runtime.session import ONNX_FILE, inputs_of
from calque.wordforms import SLOTS

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-4  # of logits, relative to the largest where that is above 1
SHAPES = ((3, 5, 12), (1, 1, 3), (2, 7, 40), (1, 30, 60))  # rows, words, pieces; the first one is traced
OPSET = 17
Bounds = tuple[int, int, int]  # numbers of pieces and of word features are below these (no features: 0); features of a word
EXPORTERS = ("traced", "dynamo")
ONE_FILE_BYTES = 1_800_000_000  # protobuf's limit is 2 GiB


@dataclass(frozen=True, slots=True)
class Extra:
    """An input beside the usual ones."""

    name: str
    make: Callable[[int], torch.Tensor]  # an example, for so many rows
    axes: dict[int, str]  # that may have any size


def to_onnx(
    model: torch.nn.Module,
    outputs: Sequence[str],
    folder: Path,
    *,
    vocabulary: int,
    features: int = 0,
    slots: int = SLOTS,
    extras: Sequence[Extra] = (),
) -> tuple[Path, str, float]:
    """Write the float graph of a model.

    :param model: ``forward(input_ids, attention_mask, pooling, features, *extras) -> {name: tensor}``.
    :param outputs: names of outputs, in order.
    :param folder: where ``model.onnx`` goes.
    :param vocabulary: piece numbers are below this.
    :param features: numbers of word features are below this; 0 for a model that reads none.
    :param slots: features of a word.
    :param extras: further inputs; only the older exporter takes them.
    :returns: the file, which exporter made it, and the largest difference of a logit.
    :raises ModelError: when no exporter makes a graph that computes the same.
    """
    import torch

    class Graph(torch.nn.Module):
        """The model with a tuple for an output, as exporters want it, and any number of inputs."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, pooling: torch.Tensor, *rest: torch.Tensor
        ) -> tuple[torch.Tensor, ...]:
            given = rest if features else (None, *rest)
            found = self.model(input_ids, attention_mask, pooling, *given)
            return tuple(found[key] for key in outputs)

    class Plain(torch.nn.Module):
        """With named arguments alone, as the newer exporter wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            pooling: torch.Tensor,
            features: torch.Tensor | None = None,
        ) -> tuple[torch.Tensor, ...]:
            found = self.model(input_ids, attention_mask, pooling, features)
            return tuple(found[key] for key in outputs)

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ONNX_FILE
    names = list(outputs)
    bounds = (vocabulary, features, slots)
    failures: list[str] = []
    with _ready(model):
        graph: torch.nn.Module = (Graph() if extras else Plain()).eval()
        for exporter in EXPORTERS[: 1 if extras else None]:
            for old in folder.iterdir():
                old.unlink()
            try:
                _export(graph, path, names, exporter, bounds, extras)
                difference = _difference(graph, path, names, bounds, extras)
                if difference <= TOLERANCE:
                    difference = _fused(graph, path, names, bounds, extras, difference)
            except Exception as error:  # exporters raise whatever they meet
                if isinstance(error, OSError) and error.errno in UNWRITABLE:
                    raise  # the disk's fault, not the encoder's
                failures.append(f"{exporter}: {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}")
                continue
            if difference <= TOLERANCE:
                return path, exporter, difference
            failures.append(f"{exporter}: results differ by {difference:.1e}")
    raise ModelError(
        f"this encoder cannot be written as ONNX ({'; '.join(failures)}); it still runs with PyTorch (--backend torch)"
    )


@contextmanager
def _ready(model: torch.nn.Module) -> Iterator[None]:
    """The model on the CPU, in float32, without dropout, with plain attention; put back as it was afterwards."""
    import torch

    training = model.training
    kinds = {p: (p.device, p.dtype) for p in model.parameters()}
    configs: list[Any] = [m.config for m in model.modules() if hasattr(getattr(m, "config", None), "_attn_implementation")]
    attention = [config._attn_implementation for config in configs]
    level = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)
        model.eval().to(device="cpu", dtype=torch.float32)
        for config in configs:
            config._attn_implementation = "eager"
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        for config, kind in zip(configs, attention, strict=True):
            config._attn_implementation = kind
        for parameter, (device, dtype) in kinds.items():
            parameter.data = parameter.data.to(device=device, dtype=dtype)
        model.train(training)


def _export(
    graph: torch.nn.Module, path: Path, outputs: Sequence[str], exporter: str, bounds: Bounds, extras: Sequence[Extra]
) -> None:
    import torch

    example = (*_inputs(*SHAPES[0], bounds), *(extra.make(SHAPES[0][0]) for extra in extras))
    inputs = [*inputs_of(features=bounds[1] > 0), *(extra.name for extra in extras)]
    rows, words, pieces = "rows", "words", "pieces"
    if exporter == "traced":
        of_pieces = {0: rows, 1: pieces}
        of_words = {0: rows, 1: words}
        axes = {"input_ids": of_pieces, "attention_mask": of_pieces, "pooling": {**of_words, 2: pieces}, "features": of_words}
        axes |= {extra.name: extra.axes for extra in extras}
        axes = {name: axes[name] for name in inputs}
        axes |= {name: _axes_of(name) for name in outputs}
        torch.onnx.export(
            graph, example, str(path), dynamo=False, opset_version=OPSET, input_names=inputs, output_names=list(outputs),
            dynamic_axes=axes,
        )  # fmt: skip
        return
    any_size = torch.export.Dim.DYNAMIC
    two, three = {0: any_size, 1: any_size}, {0: any_size, 1: any_size, 2: any_size}
    shapes = (two, two, three, two)[: len(inputs)]
    torch.onnx.export(
        graph, example, str(path), dynamo=True, verbose=False, opset_version=OPSET + 1, input_names=inputs,
        output_names=list(outputs), dynamic_shapes=shapes, external_data=_bytes(graph) > ONE_FILE_BYTES,
    )  # fmt: skip


def _fused(
    graph: torch.nn.Module, path: Path, outputs: Sequence[str], bounds: Bounds, extras: Sequence[Extra], difference: float
) -> float:
    """Put nodes together where that computes the same; the largest difference of what is there then."""
    import onnx
    import onnx.helper
    import onnx.numpy_helper

    from calque.runtime.fusing import fuse

    proto = onnx.load(str(path), load_external_data=False)  # what lies beside the file stays as it is
    if not fuse(onnx, proto).total():
        return difference
    kept = path.with_suffix(".before")
    path.rename(kept)
    try:
        onnx.save_model(proto, str(path))
        fused = _difference(graph, path, outputs, bounds, extras)
    except Exception:  # an ONNX Runtime without these operators
        fused = float("inf")
    if fused > TOLERANCE:
        kept.replace(path)
        return difference
    kept.unlink()
    return max(difference, fused)


def _axes_of(name: str) -> dict[int, str]:
    """The axes of an output that may have any size: rows, words, and in trees the words as heads (with the root)."""
    if name.endswith("_arcs"):
        return {0: "rows", 1: "words", 2: "heads"}
    return {0: "rows", 1: "heads" if name.endswith("_parents") else "words"}


def _difference(
    graph: torch.nn.Module, path: Path, outputs: Sequence[str], bounds: Bounds, extras: Sequence[Extra] = ()
) -> float:
    session = open_session(path, threads=1)
    names = (*inputs_of(features=bounds[1] > 0), *(extra.name for extra in extras))
    worst = 0.0
    for shape in SHAPES:
        tensors = (*_inputs(*shape, bounds), *(extra.make(shape[0]) for extra in extras))
        wanted = [t.numpy() for t in graph(*tensors)]
        found = session.run(list(outputs), {name: t.numpy() for name, t in zip(names, tensors, strict=True)})
        for a, b in zip(wanted, found, strict=True):
            difference = float(np.abs(a - b).max()) / max(1.0, float(np.abs(a).max()))
            worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst


def _inputs(rows: int, words: int, pieces: int, bounds: Bounds) -> tuple[torch.Tensor, ...]:
    """Random pieces of the given shape; every row after the first is padded to its half."""
    import torch

    generator = torch.Generator().manual_seed(rows * 1000 + pieces)
    ids = torch.randint(0, bounds[0], (rows, pieces), generator=generator)
    mask = torch.ones(rows, pieces, dtype=torch.int64)
    mask[1:, max(pieces // 2, 1) :] = 0
    pooling = torch.rand(rows, words, pieces, generator=generator) * mask[:, None, :]
    inputs = (ids, mask, pooling / pooling.sum(dim=2, keepdim=True))
    if not bounds[1]:
        return inputs
    return *inputs, torch.randint(0, bounds[1], (rows, words, bounds[2]), generator=generator, dtype=torch.int32)


def _bytes(graph: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in graph.parameters())


def save_graph(proto: Any, path: Path) -> None:
    """Write a graph, its weights beside it where they are too large for one file."""
    import onnx

    if proto.ByteSize() <= ONE_FILE_BYTES:
        onnx.save_model(proto, str(path))
        return
    onnx.save_model(proto, str(path), save_as_external_data=True, location=path.name + ".data", convert_attribute=False)

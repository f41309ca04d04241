"""What is trained and how fast: parameter groups, freezing, the learning rate over time.

Choices and trade-offs
- AdamW in PyTorch's fused form; no decay on biases, norms and other vectors.
- Word embeddings of large vocabularies, and those that are most of an encoder, are frozen by default. XLM-R base has 192 of its
  278 million parameters there: an Adam step over them moves 5 GB of memory whatever the batch, most rows are never touched by the
  data, and those that are move away from the rows of languages that were not trained on, which is what transfer lives from.
- A new head gets ten times the encoder's rate: it starts from nothing and the encoder does not.
- The rate follows the part of the run that is done, not a count of steps, so that a time limit and fractions of epochs need no
  special care.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

import torch
from torch import nn

from calque.errors import TrainingError
from calque.models.model import Model
from calque.training.options import Options, Schedule

LARGE_EMBEDDINGS = 50_000_000  # parameters; from here on frozen by default, and so where they are most of an encoder
MOST = 0.5
RATES = ("dropout", "attention_dropout", "dropout_rate", "dropout_prob")  # of dropout, where it is no module but a number


def freeze(model: Model, tasks: Collection[str], options: Options) -> list[str]:
    """Freeze what the options say, and the heads of other tasks; returns what was frozen, in words."""
    for parts in (model.heads, model.layermix):
        for name, part in parts.items() if parts is not None else ():
            part.requires_grad_(name in tasks)
    if options.freeze_backbone:
        model.encoder.freeze(everything=True)
        return ["the encoder"]
    size = sum(p.numel() for p in model.encoder.parameter_groups()[0])
    large = size >= LARGE_EMBEDDINGS or size > MOST * sum(p.numel() for p in model.encoder.parameters())
    frozen = large if options.freeze_embeddings is None else options.freeze_embeddings
    model.encoder.freeze(embeddings=frozen)
    return [f"the embeddings ({size / 1e6:.0f} M parameters)"] if frozen else []


def set_dropout(model: Model, rate: float | None) -> None:
    """Set the dropout of every layer of the encoder; None leaves it as configured."""
    if rate is not None:
        set_dropout_of(model.encoder, rate)


def set_dropout_of(part: nn.Module, rate: float) -> None:
    """The same of any part: of its dropout modules, and of the rates that families keep as plain numbers (T5, ModernBERT)."""
    for module in part.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        for name in RATES:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, rate)


def trainable(model: Model) -> dict[str, nn.Parameter]:
    """Names and parameters that training changes, each once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def make_optimiser(model: Model, factors: Mapping[str, float], options: Options, *, rate: float) -> torch.optim.AdamW:
    """AdamW with a group for each rate and decay.

    :param factors: the rate of each task's head over the encoder's.
    :raises TrainingError: when everything is frozen.
    """
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    encoder = {id(p) for p in model.encoder.parameters()}
    # a hashed row is seen in few steps, and decay in all the others would wear it away
    kept = {id(model.mixer.table.weight)} if model.mixer is not None else set()
    for parameter, scale in _scaled(model, factors, options.layer_decay):
        decay = options.weight_decay if parameter.ndim > 1 and id(parameter) not in kept else 0.0
        groups.setdefault((scale, decay, id(parameter) in encoder), []).append(parameter)
    if not groups:
        raise TrainingError("nothing is left to train: everything is frozen")
    device = next(iter(groups.values()))[0].device
    plain = [
        {"params": ps, "lr": rate * scale, "peak": rate * scale, "weight_decay": decay, "encoder": of_encoder}
        for (scale, decay, of_encoder), ps in groups.items()
    ]
    return torch.optim.AdamW(plain, lr=rate, betas=(0.9, 0.999), eps=1e-8, fused=device.type in ("cpu", "cuda"))


def _scaled(model: Model, factors: Mapping[str, float], layer_decay: float) -> Iterator[tuple[nn.Parameter, float]]:
    """Every trainable parameter with its rate over the encoder's: the top layer has the full rate, the embeddings the lowest."""
    embeddings, layers, rest = model.encoder.parameter_groups()
    for depth, group in enumerate([embeddings, *layers]):
        yield from ((p, layer_decay ** (len(layers) - depth)) for p in group if p.requires_grad)
    yield from ((p, 1.0) for p in rest if p.requires_grad)
    if model.some_adapters is not None:
        heads = {id(p) for p in model.adapters.heads.parameters()}
        of_heads = min(factors.values())
        yield from ((p, of_heads if id(p) in heads else 1.0) for p in model.adapters.parameters() if p.requires_grad)
    if model.mixer is not None:
        yield from ((p, min(factors.values())) for p in model.mixer.parameters() if p.requires_grad)
    for task, factor in factors.items():
        for parts in (model.heads, model.layermix):
            if parts is not None and task in parts:
                yield from ((p, factor) for p in parts[task].parameters() if p.requires_grad)


def rate_factor(done: float, *, warmup: float, schedule: Schedule) -> float:
    """The learning rate over its peak when the part ``done`` (0 to 1) of the run lies behind."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    left = (1.0 - min(1.0, done)) / (1.0 - warmup)
    return left if schedule == "linear" else 0.5 * (1.0 - math.cos(math.pi * left))


def encoder_ramp(done: float, options: Options) -> float:
    """A second warm-up, of the encoder, where word features trained alone before: Adam knows nothing of its gradients yet."""
    if not options.lexical_warmup:
        return 1.0
    return min(1.0, max(0.0, done - options.lexical_warmup) / max(options.warmup, 1e-3) + 1e-3)


def set_rate(optimiser: torch.optim.Optimizer, factor: float, *, ramp: float = 1.0) -> None:
    """Set every group's rate to ``factor`` of its peak, the encoder's to ``ramp`` of that."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor * (ramp if group["encoder"] else 1.0)

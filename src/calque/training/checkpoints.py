"""The state of a run on disk, safe against being killed at any moment, and averages of weights.

Choices and trade-offs
- One file holds it all (weights in training, Adam's moments, place in the epoch, scores so far) as safetensors with a JSON part:
  never pickle. It is written beside, flushed to disk and renamed; the one before is kept, so that at every moment one of the two
  is whole.
- No random states are stored: every random number is drawn from the seed and the step's number (``mixtures.generator`` and
  :func:`seed_step`), so when a checkpoint was written cannot influence what follows.
- Weights at evaluations ("snapshots") are files of their own that never change: a checkpoint names them, and does not grow with
  the number that is averaged. They are averaged from disk, one at a time.
- A checkpoint belongs to its options, data and starting weights (the fingerprint): others are refused with the difference named.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from calque.errors import TrainingError

CURRENT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
VERSION = 1


@dataclass(slots=True)
class Snapshot:
    """The weights of one evaluation."""

    step: int
    score: float

    @property
    def file(self) -> str:
        """Its name in the training folder."""
        return f"weights-{self.step}.safetensors"


@dataclass(slots=True)
class State:
    """Where a run stands."""

    step: int = 0
    epoch: int = 0
    position: int = 0  # batches done of the epoch
    alone: bool = True  # word features train without the encoder; once it has joined, it stays
    seconds: float = 0.0  # of training, over all resumptions
    words: int = 0  # trained on
    loss: float = 0.0  # sum over the steps since the last log line
    loss_steps: int = 0
    stale: int = 0  # evaluations without a better score
    done: bool = False  # the loop is over: what is left is choosing and saving
    tenths: int = 0  # of the run that an evaluation has closed
    log_size: int = 0  # bytes of train-log.jsonl that belong to this state
    best: list[Snapshot] = field(default_factory=list)  # best first


def write_checkpoint(
    folder: Path,
    state: State,
    parameters: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    fingerprint: Mapping[str, Any],
) -> None:
    """Write the state as the current checkpoint; the current one becomes the previous.

    :raises TrainingError: when the disk is full or cannot be written.
    """
    tensors = {f"weight {name}": p.detach() for name, p in parameters.items()}
    for name, parameter in parameters.items():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"adam {key} {name}"] = value
    meta = {"version": VERSION, "state": asdict(state), "fingerprint": fingerprint}
    beside = folder / "checkpoint.new"
    save_tensors(tensors, beside, {"calque": json.dumps(meta)})
    current = folder / CURRENT
    if current.exists():
        os.replace(current, folder / PREVIOUS)
    os.replace(beside, current)
    _sync_folder(folder)


def read_checkpoint(
    folder: Path, parameters: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer, fingerprint: Mapping[str, Any]
) -> State | None:
    """Restore weights and optimiser from the newest whole checkpoint; None when there is none.

    :raises TrainingError: when the checkpoint is of other options, data or weights.
    """
    for name in (CURRENT, PREVIOUS):
        path = folder / name
        try:
            with safe_open(path, framework="pt") as file:
                meta = json.loads((file.metadata() or {})["calque"])
                if meta["version"] != VERSION:
                    raise TrainingError(
                        f"{path}: written by another version of calque: give --no-resume to start over, or another --output"
                    )
                check_fingerprint(folder, meta["fingerprint"], fingerprint)
                _restore(file, parameters, optimiser)
        except (OSError, SafetensorError, KeyError, ValueError):
            continue  # absent, cut short by a crash of the machine, or not ours: the one before serves
        plain = meta["state"]
        plain["best"] = [Snapshot(**s) for s in plain["best"]]
        return State(**{f.name: plain[f.name] for f in fields(State) if f.name in plain})
    return None


def check_fingerprint(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with other options.

    :raises TrainingError: naming what differs.
    """
    differ = [key for key in sorted({*stored, *wanted}) if stored.get(key) != wanted.get(key)]
    if not differ:
        return
    shown = "; ".join(f"{key} was {_short(stored.get(key))} and is {_short(wanted.get(key))}" for key in differ[:4])
    raise TrainingError(
        f"{folder} holds an unfinished run with other settings ({shown}): repeat its settings to go on with it, "
        "give --no-resume to throw it away and start over, or give another --output"
    )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _restore(file: Any, parameters: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer) -> None:  # noqa: ANN401 - untyped handle
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(file.get_tensor(f"weight {name}"))
        for key in file.keys():  # noqa: SIM118 - a handle, not a mapping
            if not key.startswith("adam "):
                continue
            _, kind, name = key.split(" ", 2)
            parameter, value = parameters[name], file.get_tensor(key)
            # Adam's step counts stay where PyTorch made them: with the parameter, since its update is fused
            optimiser.state[parameter][kind] = value.to(parameter.device)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to ``path`` and flush them to disk.

    :raises TrainingError: when they cannot be written.
    """
    try:
        save_file({k: v.detach().to("cpu").contiguous() for k, v in tensors.items()}, path, metadata=metadata)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({error}): free some space and run the same command again; "
            "it goes on from the last whole checkpoint"
        ) from error


def write_snapshot(folder: Path, snapshot: Snapshot, parameters: Mapping[str, nn.Parameter]) -> None:
    """Keep the weights of an evaluation."""
    beside = folder / f"{snapshot.file}.new"
    save_tensors(dict(parameters), beside)
    os.replace(beside, folder / snapshot.file)


def drop_snapshots(folder: Path, keep: Iterable[Snapshot]) -> None:
    """Remove snapshots that no checkpoint names any more."""
    names = {s.file for s in keep}
    for path in folder.glob("weights-*"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def stored_meta(folder: Path, *names: str) -> dict[str, Any] | None:
    """The JSON part of the newest whole checkpoint (or of the first of ``names``)."""
    for name in names or (CURRENT, PREVIOUS):
        try:
            with safe_open(folder / name, framework="pt") as file:
                meta: dict[str, Any] = json.loads((file.metadata() or {})["calque"])
                return meta
        except (OSError, SafetensorError, KeyError, ValueError):
            continue
    return None


def named_snapshots(folder: Path) -> list[Snapshot]:
    """The snapshots that the checkpoints on disk name."""
    metas = (stored_meta(folder, name) for name in (CURRENT, PREVIOUS))
    return [Snapshot(**s) for meta in metas if meta is not None for s in meta["state"]["best"]]


def load_average(folder: Path, snapshots: list[Snapshot], parameters: Mapping[str, nn.Parameter]) -> None:
    """Set the parameters to the mean of the snapshots (float64 sums: the order cannot show)."""
    with torch.no_grad():
        sums: dict[str, Tensor] = {}
        for snapshot in sorted(snapshots, key=lambda s: s.step):
            with safe_open(folder / snapshot.file, framework="pt") as file:
                for name in parameters:
                    value = file.get_tensor(name)
                    sums[name] = value.double() if name not in sums else sums[name].add_(value.double())
        for name, parameter in parameters.items():
            parameter.copy_(sums[name] / len(snapshots))


def seed_step(seed: int, step: int) -> None:
    """Seed PyTorch for one step, so that dropout depends on the step's number and not on what ran before."""
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest, "little") >> 1)


def weights_digest(model: nn.Module) -> str:
    """A short hash of a model's weights: names, shapes and a thousand numbers of each tensor."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().reshape(-1)
        sample = flat[:: max(1, flat.numel() // 1000)][:1024]
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(sample.to(torch.float32).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # a rename is on disk only when its folder is
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

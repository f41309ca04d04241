"""Adapters on disk: written whole or not at all, and refused on an encoder they were not trained on.

Choices and trade-offs
- A folder is written beside its place and renamed into it, as models are.
- The fingerprint is checked before a number is read. ``force`` is for those who know better (an encoder that was saved anew in
  another precision); what follows is theirs.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from calque.adapters import CONFIG_FILE, HEAD_FILE, WEIGHTS_FILE, AdapterConfig, check_name
from calque.errors import ModelError
from calque.models.adapters.collection import Adapters
from calque.models.heads import make_head
from calque.models.saving import beside, settle


def save_adapter(adapters: Adapters, name: str, folder: str | Path) -> Path:
    """Write one adapter; what was in the folder before is replaced when the new one is whole.

    :raises ModelError: when there is no such adapter, or the folder cannot be written.
    """
    config = adapters.config(name)
    target = Path(folder).expanduser()
    if target.exists() and not (target.is_dir() and (not any(target.iterdir()) or (target / CONFIG_FILE).is_file())):
        raise ModelError(f"{target}: something else is there: give another folder")
    with beside(target, "the adapter") as fresh:
        save_file(_plain(adapters.state(name)), str(fresh / WEIGHTS_FILE), metadata={"format": "pt"})
        head = adapters.head(name)
        if head is not None:
            save_file(_plain(head.state_dict()), str(fresh / HEAD_FILE), metadata={"format": "pt"})
        (fresh / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
        settle(fresh)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
            target.rename(old / "adapter")
            try:
                fresh.rename(target)
            except OSError:
                (old / "adapter").rename(target)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(target)
    return target


def load_adapter(
    adapters: Adapters, folder: str | Path, *, fingerprint: str, name: str | None = None, force: bool = False
) -> AdapterConfig:
    """Put an adapter from disk in.

    :param fingerprint: of the encoder that the adapters belong to.
    :param name: another name than its own.
    :param force: take it although it was trained on another encoder, if it fits.
    :raises ModelError: when it is damaged, of another encoder, or its name is taken; for a fusion, when its members are missing.
    """
    path = Path(folder).expanduser()
    config = AdapterConfig.from_folder(path)
    check_base(config, fingerprint, path, force=force)
    config.name = check_name(name or config.name)
    weights = read_tensors(path / WEIGHTS_FILE)
    if config.role == "fusion":
        made = adapters.fuse(config.members, config.name)
        try:
            adapters.set_weights(made.name, weights)
        except ModelError:
            adapters.remove(made.name)
            raise
        adapters.configs[made.name] = config
    else:
        adapters.add(config, weights)
    if config.task and config.head is not None:
        head = make_head(adapters.sizes["width"], config.head)
        try:
            head.load_state_dict(read_tensors(path / HEAD_FILE))
        except (RuntimeError, ModelError) as error:
            adapters.remove(config.name)
            raise ModelError(f"{path / HEAD_FILE}: the head cannot be read ({str(error).splitlines()[0]})") from error
        adapters.set_head(config.name, config.task, head, config.head)
    return config


def check_base(config: AdapterConfig, fingerprint: str, where: object, *, force: bool = False) -> None:
    """Refuse an adapter of another encoder.

    :raises ModelError: with the name of the encoder it belongs to.
    """
    if config.fingerprint and config.fingerprint != fingerprint and not force:
        base = f" ({config.base})" if config.base else ""
        raise ModelError(
            f"{where}: adapter '{config.name}' was trained on another encoder{base}: its numbers mean nothing on this one "
            f"(fingerprint {config.fingerprint[:8]}, here {fingerprint[:8]}); load it on that encoder"
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    :raises ModelError: when it is missing or damaged.
    """
    try:
        return load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({str(error).splitlines()[0]}): train or copy the adapter again") from error


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: t.detach().to("cpu", torch.float32).contiguous() for key, t in state.items()}

"""What a model does with adapters, as a user calls it: add, use, stack, fuse, merge, train, save and load.

Choices and trade-offs
- ``use_adapter`` and ``stack`` set what this model goes through where a call does not say otherwise. A call that does
  (``tag(…, adapters=[…])``) is not touched by it, nor by what other threads do.
- The encoder is never changed here. Training it (``fine_tune``) makes a new model, on which the old adapters would mean nothing:
  they are left behind, and said to be.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from calque.adapters import DEFAULT_SIZE, FOLDER, Activation, AdapterConfig, AdapterShape, Placement, adapters_in, mean_name
from calque.errors import ModelError
from calque.models.adapters import Adapters, Setup, Wanted
from calque.models.adapters.adapterhub import is_adapterhub, read_adapterhub, write_adapterhub
from calque.models.adapters.fingerprint import fingerprint
from calque.models.adapters.store import load_adapter, save_adapter
from calque.models.adapters.tuners import is_peft, make_config, read_peft, write_peft
from calque.models.encoder import Encoder
from calque.models.hub import fetch_adapter
from calque.models.saving import beside, settle

if TYPE_CHECKING:
    from calque.training.corpus import Data

_ONE_AT_A_TIME = threading.Lock()  # makes a mean: of two threads that want the same one, one makes it


class Adapted(nn.Module):
    """The part of a model that has to do with adapters."""

    encoder: Encoder
    _adapters: Adapters | None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def adapters(self) -> Adapters:
        """The adapters of this model, by name (:mod:`calque.models.adapters`); empty at first.

        :raises ModelError: for an encoder that has no place for them.
        """
        if self._adapters is None:
            self._adapters = Adapters(self.encoder.backbone).to(self.device)
        return self._adapters

    @property
    def some_adapters(self) -> Adapters | None:
        """The adapters where there are any, else None."""
        return self._adapters if self._adapters is not None and len(self._adapters) else None

    @property
    def adapter_configs(self) -> dict[str, AdapterConfig]:
        """What is known about the adapters, by name."""
        return dict(self._adapters.configs) if self._adapters is not None else {}

    def mean_adapter(self, names: Sequence[str]) -> str:
        """The name of an adapter whose weights are the mean of others'; made where it is not there.

        :raises ModelError: when they are not of one shape.
        """
        with _ONE_AT_A_TIME:
            configs = self.adapters.configs
            name = mean_name(names, configs)
            if name not in configs:
                self.adapters.merge(names, name, temporary=True)
        return name

    def add_adapter(
        self,
        name: str,
        *,
        kind: str = "bottleneck",
        adapter_size: int | None = None,
        reduction_factor: float | None = None,
        placement: Placement = "feed_forward",
        activation: Activation = "relu",
        invertible: bool | int = False,
        skip_layers: Sequence[int] = (),
        languages: Sequence[str] = (),
        seed: int = 0,
        **peft_options: Any,
    ) -> AdapterConfig:
        """Add an adapter that changes nothing yet; train it next (:meth:`train_adapter`).

        :param name: such as ``es`` or ``pos``.
        :param kind: ``bottleneck``, or one of the library ``peft``: ``lora``, ``ia3``, ``loha`` … with its own options
            (``r=8``, ``target_modules=[…]``) in place of those that follow.
        :param adapter_size: of the bottleneck, by default 64; or ``reduction_factor``: how many times narrower than the encoder.
        :param placement: ``feed_forward`` (one a layer, Pfeiffer et al. 2021) or ``both`` (one after attention too, Houlsby et
            al. 2019).
        :param activation: relu, gelu, silu, tanh or leaky_relu.
        :param invertible: add an invertible part at the embeddings (MAD-X, Pfeiffer et al. 2020), for languages; a number is the
            inner size of its networks, by default a quarter of the embeddings' width.
        :param skip_layers: layers without, counted from 0.
        :raises ModelError: for values that cannot be, or a name that is taken.
        """
        base = self.encoder.repo or self.encoder.name
        if kind != "bottleneck":
            plain = (adapter_size, reduction_factor, placement, activation, invertible, tuple(skip_layers))
            if plain != (None, None, "feed_forward", "relu", False, ()):
                raise ModelError(
                    f"an adapter of kind '{kind}' has no size, reduction factor, placement, activation, invertible part or "
                    "layers to skip: leave these out, and give options of the library peft, such as r=8"
                )
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                made = AdapterConfig(name, languages=list(languages), base=base, peft=make_config(kind, peft_options))
                return self.adapters.add(made)
        if peft_options:
            raise ModelError(f"a bottleneck adapter has no option {', '.join(peft_options)}; LoRA and its kin: kind='lora'")
        width, embeddings = self.adapters.sizes["width"], self.adapters.sizes["embeddings"]
        if adapter_size is not None and reduction_factor is not None:
            raise ModelError("an adapter has a size or a reduction factor, not both: leave one out")
        if reduction_factor is not None and not 0 < reduction_factor <= width:
            raise ModelError(f"a reduction factor of {reduction_factor:g}: give one above 0, and {width} at most")
        size = DEFAULT_SIZE if adapter_size is None else adapter_size
        size = size if reduction_factor is None else int(width // reduction_factor)
        inner = (max(1, embeddings // 4) if invertible else 0) if isinstance(invertible, bool) else invertible
        shape = AdapterShape(size, placement, activation, inner, tuple(skip_layers))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.adapters.add(AdapterConfig(name, shape, languages=list(languages), base=base))

    def train_adapter(
        self,
        name: str,
        data: Data | None = None,
        **options: Any,
    ) -> AdapterConfig:
        """Train an adapter of this model, in place: ``calque.train_adapter(self, name, data, …)``, which tells of the options."""
        import calque

        return calque.train_adapter(self, name, data, **options)

    def align_adapter(self, name: str, pairs: Data, **options: Any) -> AdapterConfig:
        """Train a language adapter on translations, in place: see ``calque.align_adapter(self, name, pairs, …)``."""
        import calque

        return calque.align_adapter(self, name, pairs, **options)

    def use_adapter(self, name: Wanted) -> Setup:
        """Let this model go through an adapter (or a stack ``"es,pos"``) where a call does not say otherwise; None: through none.

        :raises ModelError: for an unknown name; it lists the nearest ones.
        """
        self.adapters.active = self.adapters.check(name)
        return self.adapters.active

    def stack(self, *names: str) -> Setup:
        """Let this model go through several adapters, lowest first: the language's, then the task's.

        :raises ModelError: for an unknown name; it lists the nearest ones.
        """
        return self.use_adapter(names)

    def fuse(self, members: Sequence[str], name: str | None = None, *, seed: int = 0) -> AdapterConfig:
        """See :meth:`calque.models.adapters.Adapters.fuse`."""
        return self.adapters.fuse(members, name, seed=seed)

    def merge(self, shares: Mapping[str, float] | Sequence[str], name: str) -> AdapterConfig:
        """See :meth:`calque.models.adapters.Adapters.merge`."""
        return self.adapters.merge(shares, name)

    def drop_adapters(self) -> None:
        """Take all adapters away, before the encoder is trained; what the library ``peft`` wrapped is unwrapped."""
        for name, config in self.adapter_configs.items():
            if config.peft is not None:
                self.adapters.remove(name)
        self._adapters = None

    def fingerprint(self) -> str:
        """Of the encoder: an adapter belongs to one (:mod:`calque.models.adapters.fingerprint`)."""
        return fingerprint(self.encoder.backbone)

    def save_adapter(self, name: str, folder: str | Path) -> Path:
        """Write one adapter into a folder (its base's fingerprint included), such as ``adapters/es``.

        :raises ModelError: when there is none of that name, or the folder cannot be written.
        """
        self.adapters.config(name).fingerprint = self.fingerprint()
        return save_adapter(self.adapters, name, folder)

    def load_adapter(self, folder: str | Path, name: str | None = None, *, force: bool = False) -> AdapterConfig:
        """Put an adapter in from a folder or from the Hub: calque's own, one of AdapterHub (``adapters``), or one of ``peft``.

        :param folder: or an id on the Hub (``org/name``, ``org/name@revision``).
        :param name: another name than its own.
        :param force: take one of another encoder, if it fits.
        :raises ModelError: when it is damaged, of another encoder, or its name is taken.
        """
        path = fetch_adapter(folder)
        if is_peft(path):
            peft_config, weights = read_peft(path)
            own = re.sub(r"[^\w+-]", "_", str(folder).rstrip("/").rpartition("/")[2].partition("@")[0])
            made = AdapterConfig(name or own, role="task", peft=peft_config)
            made.base = str(peft_config.get("base_model_name_or_path") or "")
            return self.adapters.add(made, weights)
        if is_adapterhub(path):
            kind = str(self.encoder.backbone.config.model_type)  # type: ignore[union-attr]
            return read_adapterhub(self.adapters, path, model_type=kind, name=name)
        return load_adapter(self.adapters, path, fingerprint=self.fingerprint(), name=name, force=force)

    def export_adapter(self, name: str, folder: str | Path) -> Path:
        """Write one adapter in the format of the library ``adapters`` (AdapterHub), or of ``peft`` where it is one of its
        kinds, into a folder of its own.

        :raises ModelError: when there is none of that name, the folder is not empty, or the family's names are not known.
        """
        path = Path(folder).expanduser()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ModelError(f"{path}: is not empty: give a folder that does not exist yet")
        kind, base = str(self.encoder.backbone.config.model_type), self.encoder.repo or self.encoder.name  # type: ignore[union-attr]
        config = self.adapters.config(name)
        with beside(path, "the adapter") as fresh:
            if config.peft is not None:
                write_peft(fresh, config.peft, self.adapters.state(name), base=base)
            else:
                write_adapterhub(self.adapters, name, fresh, model_type=kind, model_name=base)
            settle(fresh)
            if path.exists():  # and is empty
                path.rmdir()
            fresh.rename(path)
        return path

    def save_adapters(self, folder: Path) -> None:
        """Write all adapters into ``adapters/`` of a model's folder."""
        for name, config in self.adapter_configs.items():
            if not config.training.get("temporary"):
                self.save_adapter(name, folder / FOLDER / name)

    def load_adapters(self, folder: Path, *, base: str | None = None) -> None:
        """Put all adapters of a model's folder in, fusions after their members.

        :param base: fingerprint of an encoder whose adapters are taken too: the one that this was before it was rounded.
        """
        found = {path: AdapterConfig.from_folder(path) for path in adapters_in(folder).values()}
        for path, config in sorted(found.items(), key=lambda item: item[1].role == "fusion"):
            self.load_adapter(path, force=base is not None and config.fingerprint == base)

"""The adapters of a model: add, take away, stack, fuse, merge, and say which of them a batch goes through.

Choices and trade-offs
- A collection never touches the encoder or the model's heads. An adapter that was trained on labels brings a head of its own, so
  that training it cannot change what the model did before.
- Adapters in training stand apart from the others (:meth:`unlock`): the optimiser sees a stack of just those, and the frozen ones
  cannot move.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from calque.adapters import AdapterConfig, AdapterShape, Setup, Wanted, as_setup, check_name, parameters, unknown
from calque.config import TaskConfig
from calque.errors import ModelError
from calque.models.adapters import tuners
from calque.models.adapters.bank import Bank, average
from calque.models.adapters.fusion import Fusion
from calque.models.adapters.routing import Plan
from calque.models.adapters.sites import embedding_width, install
from calque.models.heads import Head, WordHead
from calque.models.treehead import TreeHead


def _described(config: AdapterConfig) -> str:
    """The shape of an adapter, in words."""
    shape = config.shape
    if shape is None or config.role == "fusion":
        return f"{config.name} {'a fusion' if config.role == 'fusion' else 'of another kind'}"
    more = [", invertible"] * bool(shape.invertible) + [f", without layers {list(shape.skipped)}"] * bool(shape.skipped)
    return f"{config.name} {shape.size}, {shape.placement}, {shape.activation}{''.join(more)}"


class Adapters(nn.Module):
    """Adapters by name, for one encoder.

    :param backbone: the encoder; it is not a part of this module.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        config = backbone.config
        self.sizes = {
            "layers": int(config.num_hidden_layers),  # type: ignore[union-attr,arg-type]
            "width": int(config.hidden_size),  # type: ignore[union-attr,arg-type]
            "embeddings": embedding_width(backbone),
        }
        self.banks = nn.ModuleList()
        self.fusions = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        self.configs: dict[str, AdapterConfig] = {}
        self.active: Setup = ()
        self._apart: set[str] = set()  # names in training
        self._backbone = (backbone,)  # in a tuple: it is no part of this module
        install(backbone)

    def __len__(self) -> int:
        return len(self.configs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.configs)

    def __contains__(self, name: object) -> bool:
        return name in self.configs

    def __delitem__(self, name: str) -> None:
        self.remove(name)

    def config(self, name: str) -> AdapterConfig:
        """What is known about an adapter.

        :raises ModelError: when there is none of that name.
        """
        if name not in self.configs:
            raise unknown(name, self.configs)
        return self.configs[name]

    @property
    def device(self) -> torch.device:
        """Where the weights are; of an empty collection, where the encoder's are."""
        return next(p.device for module in (self, self._backbone[0]) for p in module.parameters())

    def add(self, config: AdapterConfig, weights: Mapping[str, Tensor] | None = None) -> AdapterConfig:
        """Put an adapter in.

        :param config: with its shape.
        :param weights: by default fresh ones, which change nothing.
        :raises ModelError: for a name that is taken or cannot be, or weights that do not fit.
        """
        check_name(config.name)
        if config.name in self.configs:
            raise ModelError(f"there is an adapter '{config.name}' already: remove it first, or give another name")
        if config.peft is not None:
            return self._add_tuner(config, weights)
        if config.shape is None:
            raise ModelError(f"adapter '{config.name}': it has no shape, so it is no bottleneck adapter")
        bad = [n for n in config.shape.skipped if not 0 <= n < self.sizes["layers"]]
        if bad:
            raise ModelError(f"adapter '{config.name}' leaves out layer {bad[0]}: this encoder has {self.sizes['layers']}")
        bank = self._bank(config.shape)
        try:
            bank.add(config.name, bank.fresh() if weights is None else weights)
        finally:
            self._tidy()
        self.configs[config.name] = config
        return config

    def _add_tuner(self, config: AdapterConfig, weights: Mapping[str, Tensor] | None) -> AdapterConfig:
        """An adapter of the library ``peft``."""
        assert config.peft is not None  # noqa: S101 - the caller looked
        tuners.inject(self._backbone[0], config.name, config.peft)
        try:
            if weights is not None:
                tuners.set_weights(self._backbone[0], config.name, weights)
        except ModelError:
            tuners.remove(self._backbone[0], config.name)
            raise
        self.configs[config.name] = config
        return config

    def remove(self, name: str) -> None:
        """Take an adapter, or a fusion, away; the setup that was active goes where it is part of it.

        :raises ModelError: when there is none of that name, or a fusion stands on it.
        """
        config = self.config(name)
        standing = [c.name for c in self.configs.values() if name in c.members]
        if standing:
            raise ModelError(f"adapter '{name}' is part of the fusion {', '.join(standing)}: remove that first")
        if config.role == "fusion":
            del self.fusions[f"{name}/fusion"]
        elif config.peft is not None:
            tuners.remove(self._backbone[0], name)
        else:
            self._holder(name).remove(name)
            self._tidy()
        if f"{name}/head" in self.heads:
            del self.heads[f"{name}/head"]
        del self.configs[name]
        if name in self.active:
            self.active = ()
        self._outdate([name])

    def fuse(self, members: Sequence[str], name: str | None = None, *, seed: int = 0) -> AdapterConfig:
        """Attention over several adapters (:mod:`calque.models.adapters.fusion`), to be trained, and used by its name.

        :param name: by default the members' names with ``+`` between them.
        :param seed: for its new weights: a run that another process goes on with has to start from the same.
        :raises ModelError: when they are not there or not of one shape.
        """
        if len(members) < 2 or len(set(members)) < len(members):
            raise ModelError(f"a fusion needs two adapters or more, each once; given: {', '.join(members) or 'none'}")
        configs = [self.config(m) for m in members]
        shapes = {c.shape for c in configs}
        if len(shapes) != 1 or None in shapes or any(c.role == "fusion" for c in configs):
            raise ModelError(
                f"{', '.join(members)} cannot be fused: they must be bottleneck adapters of one shape "
                f"(they are {'; '.join(_described(c) for c in configs)})"
            )
        made = AdapterConfig(check_name(name or "+".join(members)), shape=configs[0].shape, role="fusion", members=list(members))
        if made.name in self.configs:
            raise ModelError(f"there is an adapter '{made.name}' already: remove it first, or give another name")
        made.languages = sorted({lang for c in configs for lang in c.languages})
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.fusions[f"{made.name}/fusion"] = Fusion(self._holder(members[0]), list(members)).to(self.device)
        self.configs[made.name] = made
        return made

    def merge(self, shares: Mapping[str, float] | Sequence[str], name: str, *, temporary: bool = False) -> AdapterConfig:
        """A new adapter whose weights are the weighted mean of others' (as in AdapterSoup, Chronopoulou et al. 2023).

        Their heads are averaged likewise where all have one for the same task and labels; else the new adapter has none.

        :param shares: name → share (they are made to add up to one), or names, which count alike.
        :param temporary: it is no language's own, is not saved, and goes where one of the others changes.
        :raises ModelError: when they are not there or not of one shape, or a share is not above 0.
        """
        wanted = dict(shares) if isinstance(shares, Mapping) else dict.fromkeys(shares, 1.0)
        configs = [self.config(n) for n in wanted]
        bad = next((n for n, share in wanted.items() if not (math.isfinite(share) and share > 0)), None)
        if bad is not None:
            raise ModelError(f"a share of {wanted[bad]:g} for '{bad}': give numbers above 0")
        total = sum(wanted.values())
        if len({c.shape for c in configs}) != 1 or not all(self._stacked(n) for n in wanted):
            raise ModelError(
                f"{', '.join(wanted) or 'nothing'} cannot be merged: give bottleneck adapters of one shape"
                + (f" (they are {'; '.join(_described(c) for c in configs)})" if configs else "")
            )
        weights = average([(self.state(n), share / total) for n, share in wanted.items()])
        languages = sorted({lang for c in configs for lang in c.languages}) if not temporary else []
        training: dict[str, Any] = {"merged": {n: round(share / total, 6) for n, share in wanted.items()}}
        if temporary:
            training["temporary"] = True
        data = [d for c in configs for d in c.data]
        licences = sorted({c.licence for c in configs if c.licence})
        made = AdapterConfig(name, configs[0].shape, configs[0].role, languages, training=training, data=data)
        made.licence = ", ".join(licences)
        first = configs[0]
        if all((c.below, c.training.get("under")) == (first.below, first.training.get("under")) for c in configs) and first.below:
            made.below, training["under"] = list(first.below), first.training.get("under", {})
        self.add(made, weights)
        self._merge_heads(made, configs, [share / total for share in wanted.values()])
        return made

    def _merge_heads(self, made: AdapterConfig, configs: Sequence[AdapterConfig], shares: Sequence[float]) -> None:
        """Give a merged adapter the mean of the heads, where they can have one."""
        heads = [head for c in configs if (head := self.head(c.name)) is not None]
        first = configs[0]
        alike = len(heads) == len(configs) and all((c.task, c.head) == (first.task, first.head) for c in configs)
        if alike and first.task is not None and first.head is not None:
            head = copy.deepcopy(heads[0])
            head.load_state_dict(average([(one.state_dict(), share) for one, share in zip(heads, shares, strict=True)]))
            self.set_head(made.name, first.task, head, copy.deepcopy(first.head))

    def state(self, name: str) -> dict[str, Tensor]:
        """A copy of an adapter's (or fusion's) weights."""
        config = self.config(name)
        if config.role == "fusion":
            return self._fusion(name).get()
        return self._holder(name).get(name) if config.peft is None else tuners.get_weights(self._backbone[0], name)

    def set_weights(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Give an adapter (or fusion) other weights.

        :raises ModelError: when they do not fit.
        """
        self._outdate([name])
        if self.config(name).role == "fusion":
            self._fusion(name).set(weights)
            return
        if self.config(name).peft is not None:
            tuners.set_weights(self._backbone[0], name, weights)
            return
        bank, old = self._holder(name), self.state(name)
        bank.remove(name)
        try:
            bank.add(name, weights)
        except ModelError:
            bank.add(name, old)
            raise

    def set_head(self, name: str, task: str, head: Head, config: TaskConfig) -> None:
        """Give an adapter a head of its own."""
        owner = self.config(name)
        owner.task, owner.head = task, config
        self.heads[f"{name}/head"] = head.to(self.device).requires_grad_(False)  # until it is unlocked

    def head(self, name: str) -> Head | None:
        """An adapter's own head."""
        found = self.heads[f"{name}/head"] if f"{name}/head" in self.heads else None
        return found if isinstance(found, WordHead | TreeHead) else None

    def size(self, name: str) -> int:
        """Numbers in an adapter, its head included."""
        config = self.config(name)
        head = self.head(name)
        own = sum(p.numel() for p in head.parameters()) if head is not None else 0
        if config.role == "fusion":
            return own + sum(p.numel() for p in self._fusion(name).parameters())
        if config.peft is not None:
            return own + sum(p.numel() for p in tuners.parameters_of(self._backbone[0], name).values())
        assert config.shape is not None  # noqa: S101 - add() saw to it
        return own + parameters(config.shape, **self.sizes)

    def check(self, wanted: Wanted) -> Setup:
        """A setup whose names are all there.

        :raises ModelError: with the nearest names otherwise.
        """
        setup = as_setup(wanted)
        if sum(self.config(name).peft is not None for name in setup) > 1:
            raise ModelError(f"{','.join(setup)}: one adapter of the kind of LoRA at most in a stack")
        return setup

    def plan(self, setups: Sequence[Wanted]) -> Plan:
        """The way of a batch through the adapters.

        :param setups: one for each row.
        :raises ModelError: for unknown names.
        """
        known: dict[Wanted, Setup] = {}
        checked: list[Setup] = []
        for wanted in setups:
            key = wanted if wanted is None or isinstance(wanted, str) else tuple(wanted)
            if key not in known:
                known[key] = self.check(key)
            checked.append(known[key])
        place = {name: self._place(name) for setup in set(checked) for name in setup if self.configs[name].peft is None}
        return Plan(checked, place, self.device)

    @contextmanager
    def unlock(self, names: Sequence[str]) -> Iterator[list[nn.Parameter]]:
        """Let some adapters (with their heads) be trained inside the block: they stand apart, and all others are frozen."""
        for name in names:
            self.config(name)
        self._move(names, apart=True)
        parts: list[nn.Module] = [self._holder(n) for n in names if self._stacked(n)]
        parts += [self._fusion(n) for n in names if self.configs[n].role == "fusion"]
        parts += [head for n in names if (head := self.head(n)) is not None]
        found = list({id(p): p for part in parts for p in part.parameters()}.values())
        of_peft = [n for n in names if self.configs[n].peft is not None]
        found += [p for n in of_peft for p in tuners.parameters_of(self._backbone[0], n).values()]
        try:
            for p in found:
                p.requires_grad_(True)
            yield found
        finally:
            for p in found:
                p.requires_grad_(False)
            self._move(names, apart=False)
            self._outdate(names)

    def _outdate(self, names: Sequence[str]) -> None:
        """Remove means that were made of adapters whose weights change, or go."""
        for config in list(self.configs.values()):
            if config.training.get("temporary") and not set(names).isdisjoint(config.training["merged"]):
                self.remove(config.name)

    def _move(self, names: Sequence[str], *, apart: bool) -> None:
        bottlenecks = [n for n in names if self._stacked(n)]
        taken = {n: self._holder(n).remove(n) for n in bottlenecks}
        self._apart = (self._apart | set(bottlenecks)) if apart else (self._apart - set(bottlenecks))
        for name, weights in taken.items():
            shape = self.configs[name].shape
            assert shape is not None  # noqa: S101 - bottlenecks have one
            self._bank(shape, apart=apart).add(name, weights)
        self._tidy()

    def _stacked(self, name: str) -> bool:
        return self.configs[name].role != "fusion" and self.configs[name].peft is None

    def _bank(self, shape: AdapterShape, *, apart: bool = False) -> Bank:
        """The bank for adapters of a shape, made where there is none."""
        for bank in self.banks:
            assert isinstance(bank, Bank)  # noqa: S101 - nothing else is put there
            if bank.shape == shape and any(n in self._apart for n in bank.names) == apart:
                return bank
        made = Bank(replace(shape), **self.sizes).to(self.device)
        self.banks.append(made)
        return made

    def _tidy(self) -> None:
        """Drop empty banks."""
        self.banks = nn.ModuleList(b for b in self.banks if isinstance(b, Bank) and b.names)

    def _holder(self, name: str) -> Bank:
        for bank in self.banks:
            if isinstance(bank, Bank) and name in bank.names:
                return bank
        raise unknown(name, self.configs)

    def _fusion(self, name: str) -> Fusion:
        found = self.fusions[f"{name}/fusion"]
        assert isinstance(found, Fusion)  # noqa: S101 - nothing else is put there
        return found

    def _place(self, name: str) -> tuple[Bank, int, Fusion | None]:
        if self.configs[name].role == "fusion":
            fusion = self._fusion(name)
            return self._holder(fusion.members[0]), 0, fusion
        bank = self._holder(name)
        return bank, bank.names.index(name), None

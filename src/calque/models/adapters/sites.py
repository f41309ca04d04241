"""Where adapters read and write inside a transformer, for every family of encoders, and the hooks that let them.

Choices and trade-offs
- Forward hooks, not other classes: the backbone stays the library's own, with its names and its bytes, and costs nothing while no
  adapter is asked for. The hooks hold nothing; what they add comes from the route of the call that is under way, which lives in a
  :class:`contextvars.ContextVar`. So threads, and copies of a model, do not see each other.
- ``feed_forward`` (Pfeiffer et al. 2021): the adapter reads what the feed-forward block gives after its residual connection and,
  in encoders that normalise afterwards (BERT, XLM-R …), its norm; what it adds goes in before that norm, which is then applied
  again. In encoders that normalise before (T5, ModernBERT, XLM-R XL) it reads and writes the sum itself. This is ``seq_bn`` of
  the library ``adapters``.
- ``both`` (Houlsby et al. 2019): after attention and after the feed-forward block, before the residual connection; there
  ``double_seq_bn``.
- Invertible adapters work on what the embeddings give, below the first layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from calque.errors import ModelError
from calque.models.encoder import layer_list

EMBEDDINGS = "embeddings"
PLACES = ("attention", "output")  # of a layer
Key = tuple[int, str, bool]  # layer, place, after the residual connection


class Route(Protocol):
    """What a forward pass does at the sites: see :class:`calque.models.adapters.routing.Plan`."""

    def at(self, key: Key, state: Tensor, read: Callable[[Tensor], Tensor] | None) -> Tensor | None:
        """The state with what adapters add; None where none has a part.

        :param read: makes of the state what adapters read (a norm); None: the state itself.
        """
        ...

    def at_embeddings(self, state: Tensor) -> Tensor:
        """The embeddings after invertible adapters."""
        ...


_ROUTE: ContextVar[Route | None] = ContextVar("route", default=None)


@contextmanager
def routed(route: Route | None) -> Iterator[None]:
    """Let forward passes of this thread (or task) inside the block go by a route."""
    token = _ROUTE.set(route)
    try:
        yield
    finally:
        _ROUTE.reset(token)


def current_route() -> Route | None:
    """The route of the call that is under way."""
    return _ROUTE.get()


@dataclass(frozen=True, slots=True)
class Hook:
    """Called by PyTorch after a module of the backbone."""

    key: Key | None  # None: the embeddings
    norm: bool = False  # the module is a norm, whose input is the sum that adapters add to

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        """Change the module's output, or leave it (None)."""
        route = _ROUTE.get()
        if route is None:
            return None
        if self.key is None:
            return route.at_embeddings(output)
        if self.norm:
            # ``module.forward`` rather than the module: no hook of ours may run inside ours
            state = route.at(self.key, args[0], module.forward)
            return None if state is None else module.forward(state)
        whole = output if isinstance(output, Tensor) else output[0]
        state = route.at(self.key, whole, None)
        if state is None:
            return None
        return state if isinstance(output, Tensor) else (state, *output[1:])


def embedding_width(backbone: nn.Module) -> int:
    """How wide what the embeddings give is: not always as wide as the layers (ELECTRA, RemBERT)."""
    config: Any = backbone.config
    kind = config.model_type
    if kind == "electra":
        return int(config.embedding_size)
    return int(config.input_embedding_size if kind == "rembert" else config.hidden_size)


def install(backbone: nn.Module) -> None:
    """Set the hooks, once.

    :raises ModelError: for an encoder whose insides are not known.
    """
    if getattr(backbone, "_calque_sites", False):
        return
    for module, hook in _hooks(backbone):
        module.register_forward_hook(hook)
    backbone._calque_sites = True  # type: ignore[assignment]  # a mark on the module, as hooks are


def _hooks(backbone: nn.Module) -> list[tuple[nn.Module, Hook]]:
    kind = str(backbone.config.model_type)  # type: ignore[union-attr]
    _, _, layers = layer_list(backbone)
    find = _FAMILIES.get(kind)
    if find is None:
        raise ModelError(f"adapters have no place in a {kind} encoder yet: give one of {', '.join(sorted(_FAMILIES))}")
    found: list[tuple[nn.Module, Hook]] = [(_embeddings(backbone, kind), Hook(None))]
    for depth, layer in enumerate(layers):
        attention, output, end, norm = find(layer)
        found += [
            (attention, Hook((depth, "attention", False))),
            (output, Hook((depth, "output", False))),
            (end, Hook((depth, "output", True), norm=norm)),
        ]
    return found


def _embeddings(backbone: Any, kind: str) -> nn.Module:  # noqa: ANN401
    found: nn.Module = backbone.encoder.embed_tokens if kind in {"t5", "mt5", "umt5"} else backbone.embeddings
    return found


Places = tuple[nn.Module, nn.Module, nn.Module, bool]
"""The module that gives the attention block's own part, the feed-forward block's own part, the end of the layer (the norm of the
sum, or what gives the sum), and whether that is a norm."""


def _bert(layer: Any) -> Places:  # noqa: ANN401
    return layer.attention.output.dropout, layer.output.dropout, layer.output.LayerNorm, True


def _distilbert(layer: Any) -> Places:  # noqa: ANN401
    return layer.attention, layer.ffn, layer.output_layer_norm, True


def _xlm_roberta_xl(layer: Any) -> Places:  # noqa: ANN401
    return layer.attention.output.dropout, layer.output.dense, layer.output, False


def _t5(layer: Any) -> Places:  # noqa: ANN401
    first, last = layer.layer[0], layer.layer[-1]
    return first.dropout, last.dropout, last, False


def _modernbert(layer: Any) -> Places:  # noqa: ANN401
    return layer.attn, layer.mlp, layer, False


_FAMILIES: dict[str, Callable[[Any], Places]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "rembert", "deberta-v2"), _bert),
    **dict.fromkeys(("t5", "mt5", "umt5"), _t5),
    "distilbert": _distilbert,
    "xlm-roberta-xl": _xlm_roberta_xl,
    "modernbert": _modernbert,
}

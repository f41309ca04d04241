"""A pre-trained multilingual transformer as calque uses it: piece numbers in, one vector a piece out.

Choices and trade-offs
- The transformer is the library's own class, so that every published checkpoint serves; what differs between families (windows,
  which layers are embeddings, encoder halves of T5) is settled here and not met anywhere else.
- Weights are float32 once loaded, whatever the file holds: float16 training is unstable, and bf16 is a matter of autocast.
- The tokenizer is the folder's ``tokenizer.json`` as it was trained, without the library's wrapper, which rebuilds some of them
  from their vocabulary. Where a checkpoint has none (mT5, mDeBERTa), :mod:`calque.models.spm` makes it.
- ``.bin`` checkpoints are read with ``weights_only``: numbers, never objects. Code of a model's own is never run.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from calque.config import ModelConfig, is_calque_model, is_export
from calque.errors import MissingExtraError, ModelError
from calque.models import hub, spm
from calque.models.architectures import check_architecture, window
from calque.pieces import NEW_POOLING, Pooling, WordPieces
from calque.runtime.packing import PACKED, unpack
from calque.spacemarks import without_space_marks

Parameters = list[nn.Parameter]


class Encoder(nn.Module):
    """A transformer encoder and its tokenizer.

    :param backbone: a Hugging Face encoder (``XLMRobertaModel``, ``MT5EncoderModel`` …).
    :param pieces: cuts words into the encoder's pieces.
    :param name: how the user called it.
    :param repo: its Hub id, where it came from the Hub; ``revision`` is then the commit.
    """

    def __init__(
        self, backbone: nn.Module, pieces: WordPieces, *, name: str = "", repo: str | None = None, revision: str | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        config: Any = backbone.config
        self.train(backbone.training)
        self.pieces = pieces
        self.name = name
        self.repo = repo
        self.revision = revision
        self.hidden_size = int(config.hidden_size)
        _agree(config, pieces, name)

    @classmethod
    def load(cls, name_or_path: str | Path, *, revision: str | None = None, pooling: Pooling = NEW_POOLING) -> Encoder:
        """Load an encoder by name (``xlm_roberta_base``), Hub id (``org/name@revision``) or folder.

        A calque model's folder gives the encoder inside it.

        :raises ModelError: when it cannot be found, downloaded or read, or is no encoder.
        """
        resolved = hub.resolve(str(name_or_path), revision=revision)
        folder = hub.fetch(resolved)
        at = folder / "encoder" if (folder / "encoder" / "config.json").is_file() else folder
        if at is folder and is_calque_model(folder):  # its encoder stayed on the Hub
            if is_export(folder):
                from calque.models.model import Model

                return Model.from_pretrained(folder).encoder
            config = ModelConfig.from_folder(folder)
            if config.encoder == "encoder":
                raise ModelError(
                    f"{resolved.name}: no encoder/ in this model, so it cannot be trained on: give the one it was made from"
                )
            return cls.load(config.encoder, revision=config.encoder_revision, pooling=pooling)
        commit = folder.name if resolved.repo else None
        return cls(
            load_backbone(at, resolved.name),
            load_pieces(at, pooling=pooling, tokenizer_folder=folder, fresh=True),
            name=resolved.name,
            repo=resolved.repo if at is folder else None,
            revision=commit if at is folder else None,
        )

    @property
    def architecture(self) -> dict[str, Any]:
        """The transformer's ``config.json``, of which :func:`backbone_like` makes one like it."""
        config: Any = self.backbone.config
        found: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
        return {key: value for key, value in found.items() if not key.startswith("_")}  # no name of a folder of this machine

    @property
    def layers(self) -> list[nn.Module]:
        """The transformer's layers, lowest first."""
        return list(layer_list(self.backbone)[2])

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Vectors of the last layer.

        :param input_ids: int64 ``[B, P]``.
        :param attention_mask: int64 ``[B, P]``, 0 where padded.
        :returns: ``[B, P, H]``.
        """
        out: Tensor = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return out

    def all_layers(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Vectors of every layer, embeddings first: ``layers + 1`` tensors ``[B, P, H]``."""
        out: tuple[Tensor, ...] = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states
        return out

    def parameter_groups(self) -> tuple[Parameters, list[Parameters], Parameters]:
        """Parameters of the embeddings, of each layer (lowest first), and the rest (final norm, relative positions)."""
        layers = [list(layer.parameters()) for layer in self.layers]
        of_layers = {id(p) for group in layers for p in group}
        embeddings: Parameters = []
        rest: Parameters = []
        for name, parameter in self.backbone.named_parameters():
            if id(parameter) not in of_layers:
                (embeddings if _is_embedding(name) else rest).append(parameter)
        return embeddings, layers, rest

    def freeze(self, *, everything: bool = False, embeddings: bool = False, layers: int = 0) -> None:
        """Stop the training of parts; parts not named are thawed.

        :param everything: the whole encoder.
        :param embeddings: the embeddings (of XLM-R base, two thirds of all numbers).
        :param layers: this many layers from below (the embeddings under them freeze too).
        :raises ModelError: when the encoder has fewer layers.
        """
        first, each, _ = self.parameter_groups()
        if not 0 <= layers <= len(each):
            raise ModelError(f"cannot freeze {layers} layers: this encoder has {len(each)}")
        self.backbone.requires_grad_(not everything)
        if everything:
            return
        for group in ([first] if embeddings or layers else []) + each[:layers]:
            for parameter in group:
                parameter.requires_grad_(False)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the Hugging Face folder: config, safetensors, tokenizer. Not atomic: give a fresh folder."""
        self.save_backbone(folder)
        self.pieces.save(Path(folder))
        tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": self.pieces.max_length}
        specials = {"pad_token": self.pieces.pad_id, "unk_token": self.pieces.unknown_id}
        named = {key: self.pieces.tokenizer.id_to_token(number) for key, number in specials.items()}
        text = json.dumps({**tokenizer, **named}, ensure_ascii=False, indent=2)
        (Path(folder) / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")

    def save_backbone(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` alone."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        model: Any = self.backbone
        wrapped = hasattr(model, "peft_config")  # LoRA and the like around its layers: the encoder is saved without
        if not wrapped:
            with quiet():
                model.save_pretrained(str(folder))
            return
        from calque.models.adapters.tuners import plain_state

        state = {key: t.detach().to("cpu", copy=True).contiguous() for key, t in plain_state(model).items()}
        model.config.save_pretrained(str(folder))
        save_file(state, str(Path(folder) / "model.safetensors"), metadata={"format": "pt"})


def load_backbone(folder: Path, name: object) -> nn.Module:
    """The encoder of a Hugging Face folder, in float32, without heads or pooler.

    :param name: what the user called it, for messages.
    :raises ModelError: when it is no encoder, or its weights are missing or damaged.
    """
    import transformers

    config = read_config(folder, name)
    kind = check_architecture(config, name)
    window(config, name)
    cls: Any = _class_of(kind) or transformers.AutoModel
    return load_weights(cls, folder, name, **_without_pooler(kind))


def backbone_like(architecture: Mapping[str, Any], name: object) -> nn.Module:
    """An encoder with fresh weights, like the one whose :attr:`Encoder.architecture` this is.

    :param name: of the model, for messages.
    :raises ModelError: when it is none that calque knows.
    """
    import transformers

    kind = check_architecture(architecture, name)
    config = transformers.AutoConfig.for_model(kind).from_dict(dict(architecture))
    own = _class_of(kind)
    made: nn.Module = own(config) if own else transformers.AutoModel.from_config(config, **_without_pooler(kind))
    return made.to(torch.float32).eval()


def _class_of(kind: str) -> Any:  # noqa: ANN401 - a library class
    """The class that is the encoder half of a family with two halves, None for others."""
    import transformers

    halves = {"t5": "T5", "mt5": "MT5", "umt5": "UMT5"}
    return getattr(transformers, halves[kind] + "EncoderModel") if kind in halves else None


def _without_pooler(kind: str) -> dict[str, bool]:
    return {"add_pooling_layer": False} if kind in _WITH_POOLER else {}


_WITH_POOLER = {"bert", "rembert", "roberta", "camembert", "xlm-roberta", "xlm-roberta-xl"}


def load_weights(cls: Any, folder: Path, name: object, **options: Any) -> nn.Module:  # noqa: ANN401 - library classes
    """``cls.from_pretrained`` with its many errors told apart.

    :raises ModelError: when weights are missing, damaged or of another model.
    """
    hub.check_weights(folder, name)
    if (folder / PACKED).is_file():
        return _load_packed(cls, folder, name, **options)
    again = f"download it again (delete {folder} first) or give another model"
    try:
        with quiet():
            model, report = cls.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # reported below, in words
                output_loading_info=True,
                **options,
            )
    except MemoryError as error:
        raise ModelError(f"{name}: not enough memory to load its weights: give a smaller encoder, such as mini") from error
    except ImportError as error:
        raise MissingExtraError(f"Loading {name}", "train") from error
    except Exception as error:  # pickle, safetensors, JSON, tensor shapes: the library lets each through as it is
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name}: its weights in {folder} cannot be read ({first}): {again}") from error
    for keys, what in ((report.get("missing_keys"), "lack"), (report.get("mismatched_keys"), "have in other sizes")):
        bad = sorted(str(key[0] if isinstance(key, tuple) else key) for key in keys or ())
        if bad:
            raise ModelError(
                f"{name}: the weights in {folder} {what} {len(bad)} tensors of the encoder (first: {bad[0]}): {again}"
            )
    model.eval()
    out: nn.Module = model
    return out


def _load_packed(cls: Any, folder: Path, name: object, **options: Any) -> nn.Module:  # noqa: ANN401 - library classes
    """An encoder out of 8-bit weights (:mod:`calque.runtime.packing`)."""
    from transformers import AutoConfig

    with quiet():
        model: Any = cls.from_config(AutoConfig.from_pretrained(str(folder), local_files_only=True), **options)
    stored = {key: torch.from_numpy(value.copy()) for key, value in unpack(folder / PACKED).items()}
    try:
        report = model.load_state_dict(stored, strict=False)
    except RuntimeError as error:  # sizes
        raise ModelError(f"{name}: the weights in {folder} do not belong to its config.json ({error})") from error
    if report.missing_keys:
        raise ModelError(f"{name}: the weights in {folder} lack {len(report.missing_keys)} tensors ({report.missing_keys[0]})")
    model.eval()
    out: nn.Module = model
    return out


def load_pieces(
    folder: Path,
    *,
    pooling: Pooling = "mean",
    max_length: int | None = None,
    tokenizer_folder: Path | None = None,
    fresh: bool = False,
) -> WordPieces:
    """The tokenizer of an encoder's folder, with the encoder's window.

    :param max_length: a smaller window than the encoder's own.
    :param tokenizer_folder: where the tokenizer lies when not in ``folder``.
    :param fresh: for an encoder without heads that were trained on it (:mod:`calque.spacemarks`).
    :raises ModelError: when there is none, or it cannot be converted.
    """
    length = window(read_config(folder, folder), folder)
    length = min(length, max_length or length)
    for place in (tokenizer_folder, folder):
        if place is not None and (place / "tokenizer.json").is_file():
            found = WordPieces.from_folder(place, max_length=length, pooling=pooling)
            break
    else:
        found = WordPieces(_converted(folder), max_length=length, pooling=pooling)
    made = without_space_marks(found.tokenizer) if fresh and found.own is None else found.tokenizer
    return found if made is found.tokenizer else WordPieces(made, max_length=length, pooling=pooling)


def _converted(folder: Path) -> Tokenizer:
    """A fast tokenizer out of older files (``spiece.model``, ``vocab.txt`` …)."""
    if not hub.has_tokenizer(folder):
        raise ModelError(
            f"{folder}: no tokenizer there (tokenizer.json, a SentencePiece model or vocab.txt): add the encoder's own"
        )
    found = next((folder / name for name in spm.FILES if (folder / name).is_file()), None)
    own = spm.convert(found, str(read_config(folder, folder).get("model_type"))) if found else None
    if own is not None:
        return own
    from transformers import AutoTokenizer

    try:
        with quiet():
            wrapped = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        backend = wrapped.backend_tokenizer
    except Exception as error:  # conversion fails in as many ways as there are formats
        raise ModelError(
            f"{folder}: its tokenizer cannot be converted ({error}): give an encoder that has a tokenizer.json"
        ) from error
    return Tokenizer.from_str(backend.to_str())  # a copy of our own: WordPieces sets options on it


def read_config(folder: Path, name: object) -> dict[str, Any]:
    """The parsed ``config.json`` of a Hugging Face folder.

    :raises ModelError: when it is missing or no JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{name}: no model in {folder} (config.json is missing)") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}): download the model again") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: is no JSON object: download the model again")
    return config


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and advice off a user's terminal (its errors become ours)."""
    from transformers.utils import logging as library

    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.CRITICAL)
    library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()


def _agree(config: Any, pieces: WordPieces, name: str) -> None:  # noqa: ANN401 - a library configuration
    """Make padding the encoder's own (XLM-R counts positions by it), and refuse a tokenizer of another encoder."""
    if config.pad_token_id is not None:
        pieces.pad_with(int(config.pad_token_id))
    size = pieces.tokenizer.get_vocab_size(with_added_tokens=False)
    if size > config.vocab_size:
        raise ModelError(
            f"{name}: its tokenizer has {size} pieces, the encoder only {config.vocab_size}: they belong to different models"
        )


def layer_list(backbone: nn.Module) -> tuple[nn.Module, str, nn.ModuleList]:
    """Where a backbone keeps its layers, which every family names differently: the module, the attribute's name, the list.

    :raises ModelError: when no list has as many members as the configuration says there are layers.
    """
    depth = int(getattr(backbone.config, "num_hidden_layers", 0))
    for module in backbone.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == depth:
                return module, name, child
    raise ModelError(f"{type(backbone).__name__}: its layers were not found, so that it can only be used whole")


def _is_embedding(name: str) -> bool:
    return any(part.startswith("embed") or part == "shared" for part in name.split("."))

"""A model: one encoder and its heads, loaded, run and saved as a whole.

Choices and trade-offs
- One product gives word vectors, ``pooling @ pieces``: the same in training, here and in ONNX, for every pooling rule. All heads
  read one pass of the encoder. How a model is run on sentences and texts: :mod:`calque.models.running`.
- ``Model.load`` takes whatever has an encoder in it; what comes without heads trains, what comes with a ``pos`` head also parses.
- On disk a model is its folder (``config.json`` last or renamed as a whole, see :mod:`calque.models.saving`): safetensors and
  JSON, never pickle. The encoder is copied into it, so that a model is one thing that can be moved; ``link_encoder`` leaves a
  frozen encoder on the Hub instead (one encoder, many small heads).
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from calque.config import ModelConfig, TaskConfig, is_calque_model, is_export
from calque.errors import ModelError
from calque.models import hub
from calque.models.adapters import Adapters, Plan, Route, routed
from calque.models.adapters.heads import all_outputs
from calque.models.card import model_card
from calque.models.encoder import Encoder, backbone_like, load_backbone, load_pieces, read_config
from calque.models.heads import Head, WordHead, grown, make_head
from calque.models.layermix import LayerMix
from calque.models.mixer import DEFAULTS, WordMixer
from calque.models.published import is_token_classifier, load_classifier
from calque.models.running import POS, Running
from calque.models.saving import recover, whole_folder
from calque.models.treehead import TreeHead
from calque.models.vectors import Vectors, pooled
from calque.pieces import NEW_POOLING, WordPieces, pooling_named
from calque.runtime.restoring import stored_weights
from calque.runtime.session import ONNX_FILE
from calque.tasks import TASKS, kind_of
from calque.wordforms import VERSION, forms_of


class Model(Running):
    """An encoder with heads.

    :param encoder: shared by all heads.
    :param config: name, tasks (one head is made for each), provenance; a fresh one by default.
    """

    def __init__(self, encoder: Encoder, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        short = encoder.name if encoder.repo else Path(encoder.name).name  # of a folder no one else has, its last part
        self.config = config if config is not None else ModelConfig(name=short, base=encoder.repo or short)
        self.config.max_length = min(self.config.max_length, encoder.pieces.max_length)
        self.config.pooling = encoder.pieces.pooling
        self.mixer: WordMixer | None = None
        self.layermix: nn.ModuleDict | None = None
        if self.config.layer_mix:
            self.layermix = nn.ModuleDict({task: LayerMix(len(encoder.layers)) for task in self.config.tasks})
        self._adapters: Adapters | None = None
        encoder.pieces.forms = None
        encoder.pieces.named, encoder.pieces.treebanks = self.config.language_token, frozenset(self.config.treebanks)
        if self.config.word_features:
            self._mix()
        self.heads = nn.ModuleDict()
        for task, made in self.config.tasks.items():
            kind_of(made, task)  # refuses what this calque does not know
            self.heads[task] = make_head(encoder.hidden_size, made)
        self.train(encoder.training)

    @classmethod
    def load(cls, name_or_path: str | Path, revision: str | None = None, *, heads: bool = True) -> Model:
        """Load an encoder, a calque model or a published UPOS tagger: by name, Hub id or folder.

        :param heads: False leaves heads that come along out, and takes the encoder alone.
        :raises ModelError: when it cannot be found, downloaded, read or used.
        """
        recover(name_or_path)
        resolved = hub.resolve(name_or_path, revision=revision)
        folder = hub.fetch(resolved)
        if is_calque_model(folder):
            model = cls.from_pretrained(folder)
            if heads:
                return model
            model.drop_adapters()
            return cls(model.encoder)
        config = read_config(folder, resolved.name)
        origin = {"repo": resolved.repo, "revision": folder.name if resolved.repo else None}
        if not heads or not is_token_classifier(config):
            pieces = load_pieces(folder, pooling=NEW_POOLING, fresh=True)
            return cls(Encoder(load_backbone(folder, resolved.name), pieces, name=resolved.name, **origin))
        encoder, head, task = load_classifier(folder, config, resolved.name, **origin)
        model = cls(encoder)
        model.set_head(POS, head, task)
        return model.eval()

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Model:
        """Load a saved calque model from its folder.

        An export has its weights in the graph (:mod:`calque.runtime.restoring`): rounded, and ready to be trained on.

        :raises ModelError: when it is damaged, or lacks the weights (an export that does not say where they are).
        """
        path = Path(folder).expanduser()
        recover(path)
        config = ModelConfig.from_folder(path)
        if is_export(path):
            return cls._restored(path, config)
        again = "save or download the model again"
        pooling = pooling_named(config.pooling, path)
        if config.encoder == "encoder":
            at = path / "encoder"
            if not at.is_dir():
                raise ModelError(f"{path}: no encoder/ in this model: {again}")
            pieces = load_pieces(at, pooling=pooling, max_length=config.max_length, tokenizer_folder=path)
            encoder = Encoder(load_backbone(at, path), pieces, name=config.base or config.name)
        else:
            linked = Encoder.load(config.encoder, revision=config.encoder_revision)
            longest = min(config.max_length, linked.pieces.max_length)
            # its own tokenizer: published taggers keep marks of spaces that a fresh encoder's loses (calque/spacemarks.py)
            pieces = WordPieces.from_folder(path, max_length=longest, pooling=pooling)
            encoder = Encoder(linked.backbone, pieces, name=linked.name, repo=linked.repo, revision=linked.revision)
        forms_of(config.word_features, path, config.treebanks)  # refuses what this calque does not know
        model = cls(encoder, config)
        parts = {"heads": model.heads if config.tasks else None, "mixer": model.mixer, "layermix": model.layermix}
        for what, module in parts.items():
            file = path / f"{what}.safetensors"
            try:
                if module is not None:
                    module.load_state_dict(load_file(str(file)))
            except (OSError, SafetensorError, RuntimeError) as error:
                first = str(error).strip().splitlines()[0]
                raise ModelError(f"{file}: the {what} cannot be read ({first}): {again}") from error
        model.load_adapters(path)
        return model.eval()

    @classmethod
    def _restored(cls, path: Path, config: ModelConfig) -> Model:
        """A model out of its exported graph."""
        if not config.restorable:
            raise ModelError(
                f"{path}: holds only {ONNX_FILE}, which parses without PyTorch and does not say where its weights are: it "
                "cannot be trained on; give the model that it was exported from, or export that again"
            )
        section = config.extra["onnx"]
        at = path / str(section["shared"]["encoder"]) if "shared" in section else path
        pieces = WordPieces.from_folder(at, max_length=config.max_length, pooling=pooling_named(config.pooling, path))
        encoder = Encoder(backbone_like(section["architecture"], path), pieces, name=config.base or config.name)
        forms_of(config.word_features, path, config.treebanks)  # refuses what this calque does not know
        rest = {key: value for key, value in config.extra.items() if key != "onnx"}
        model = cls(encoder, replace(config, encoder="encoder", encoder_revision=None, extra=rest))
        shapes = {name: tuple(value.shape) for name, value in model.state_dict().items() if value.is_floating_point()}
        weights = {name: torch.from_numpy(value) for name, value in stored_weights(path, config, shapes).items()}
        model.load_state_dict(weights, strict=False)  # what is not among them is counted, not learnt
        model.load_adapters(path, base=section.get("adapters", {}).get("fingerprint"))
        return model.eval()

    def add_head(self, task: str, labels: Sequence[str], kind: str | None = None, **options: Any) -> Head:
        """Add a fresh head, or put a fresh one in the place of an old one.

        :param task: name without dots, such as ``pos``.
        :param labels: ``labels[i]`` is the name of logit i.
        :param kind: what it labels (:data:`calque.tasks.KINDS`); by default what the task of that name does, else words.
        :param options: of the head, where its kind has any.
        :raises ModelError: for a name or labels that cannot be.
        """
        if not task.isidentifier() or hasattr(nn.ModuleDict, task):
            raise ModelError(f"'{task}' cannot be the name of a task: use letters, digits and underscores, such as pos")
        kind = kind or (TASKS[task].kind if task in TASKS else "words")
        if len(set(labels)) != len(labels) or (not labels and kind != "vectors"):
            raise ModelError(f"the labels of '{task}' are empty or not unique: {', '.join(labels) or 'none'}")
        config = TaskConfig(list(labels), kind, options)
        return self.set_head(task, make_head(self.encoder.hidden_size, config), config)

    def set_head(self, task: str, head: Head, config: TaskConfig) -> Head:
        """Put a head in the place of an old one, or where there was none."""
        self.config.tasks[task] = config
        self.heads[task] = head.to(self.device)
        if self.layermix is not None and task not in self.layermix:
            self.layermix[task] = LayerMix(len(self.encoder.layers)).to(self.device)
        return head

    def grow_head(self, task: str, labels: Sequence[str]) -> Head:
        """Give a head more labels; what it knows of those it has stays.

        :param labels: all of them, in their new order.
        """
        head = self.heads[task]
        assert isinstance(head, WordHead | TreeHead)  # noqa: S101 - the only kinds
        return self.set_head(task, *grown(head, self.config.tasks[task], labels))

    def add_word_features(self, **options: int) -> WordMixer:
        """Add fresh word features beside the encoder, or put fresh ones in the place of the old.

        :param options: ``rows`` and ``dim`` of the table, ``layers`` of convolutions, where not the defaults.
        """
        told = {"treebanks": len(self.config.treebanks)} if self.config.treebanks else {}
        self.config.word_features = {"version": VERSION, **DEFAULTS, **told, **options}
        return self._mix()

    def drop_word_features(self) -> None:
        """Take the word features away; heads then read the encoder's vectors as they are."""
        self.mixer = None
        self.config.word_features = {}
        self.encoder.pieces.forms = None

    def set_layer_mix(self, wanted: bool) -> None:
        """Let each head read its own learnt mean over all layers, or the last layer alone; means that are there are kept."""
        if wanted and self.layermix is None:
            self.layermix = nn.ModuleDict({task: LayerMix(len(self.encoder.layers)) for task in self.heads}).to(self.device)
        elif not wanted:
            self.layermix = None
        self.config.layer_mix = wanted

    def set_language_token(self, wanted: bool) -> None:
        """Tell the encoder the language of each sentence, by its name before the words, or do not."""
        self.config.language_token = self.encoder.pieces.named = wanted
        self.encoder.pieces.forget()  # a name takes room, which the longest words had until now

    def set_treebanks(self, names: Sequence[str]) -> None:
        """Tell the model the treebank of a sentence, for these (``es_gsd``); what it has learnt of some of them stays.

        A model with word features has it as a feature of every word, another as a name before the words.
        """
        before, mixer = self.encoder.pieces.forms, self.mixer
        self.config.treebanks = sorted(set(names))
        self.encoder.pieces.treebanks = frozenset(names)
        self.encoder.pieces.forget()  # how a name was told until now
        if mixer is None or before is None:
            return
        rest = {key: value for key, value in self.config.word_features.items() if key != "treebanks"}
        self.config.word_features = {**rest, "treebanks": len(self.config.treebanks)} if names else rest
        made, after = self._mix(), self.encoder.pieces.forms
        assert after is not None  # noqa: S101 - it has word features
        made.take(mixer, {row: before.treebanks[name] for name, row in after.treebanks.items() if name in before.treebanks})
        made.train(mixer.training)

    def _mix(self) -> WordMixer:
        options = self.config.word_features
        self.mixer = WordMixer(self.encoder.hidden_size, options).to(self.device)
        self.encoder.pieces.forms = forms_of(options, self.config.name, self.config.treebanks)
        return self.mixer

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pooling: Tensor,
        features: Tensor | None = None,
        *,
        encode: bool = True,
        layers: list[Tensor] | None = None,
        adapters: Plan | None = None,
        tasks: Collection[str] | None = None,
    ) -> dict[str, Tensor]:
        """What the heads give out.

        :param input_ids: int64 ``[B, P]``.
        :param attention_mask: int64 ``[B, P]``.
        :param pooling: float ``[B, W, P]``, weights of the pieces of each word.
        :param features: int32 ``[B, W, SLOTS]``, for a model with word features.
        :param encode: False leaves the encoder out: word features alone.
        :param layers: what the encoder gave of these rows before, pooled to words, ``[B, W, H]`` each: it is not run again.
        :param adapters: the way of each row through the adapters; by default all go through the active ones.
        :param tasks: these heads alone; None: all.
        :returns: float32 tensors by the names of :func:`calque.tasks.outputs_of`: ``pos_logits`` is ``[B, W, L]``.
        """
        own = self.some_adapters
        if adapters is None and own is not None and own.active:
            adapters = own.plan([own.active] * len(input_ids))
        vectors = self.vectors(input_ids, attention_mask, pooling, features, encode=encode, layers=layers, route=adapters)
        heads: dict[str, Any] = dict(self.heads.items())
        return all_outputs(vectors, heads, self.config.tasks, own, None if adapters is None else adapters.setups, tasks)

    def vectors(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pooling: Tensor,
        features: Tensor | None = None,
        *,
        encode: bool = True,
        layers: list[Tensor] | None = None,
        route: Route | None = None,
    ) -> Vectors:
        """What heads read; the parameters are those of :meth:`forward`.

        :param route: what happens at the places of adapters.
        """
        if layers is None and (encode or self.mixer is None):
            with routed(route):
                if self.layermix is None:
                    layers = pooled([self.encoder(input_ids, attention_mask)], pooling)
                else:
                    layers = pooled(self.encoder.all_layers(input_ids, attention_mask), pooling)
        return Vectors(layers or [], (pooling.sum(dim=-1) > 0).to(torch.float32), features, self.mixer, self.layermix)

    def save_pretrained(self, folder: str | Path, *, link_encoder: bool = False) -> Path:
        """Write the model; a crash leaves what was there before.

        :param link_encoder: name the encoder's Hub id and commit in place of its weights; it must be as it came from there.
        :raises ModelError: when the folder cannot be written, or the encoder cannot be linked.
        """
        config = self.config
        config.encoder, config.encoder_revision = self._link() if link_encoder else ("encoder", None)
        config.max_length, config.pooling = self.encoder.pieces.max_length, self.encoder.pieces.pooling
        with whole_folder(folder) as fresh:
            if not link_encoder:
                self.encoder.save_backbone(fresh / "encoder")
            self.encoder.pieces.save(fresh)
            parts: dict[str, nn.Module | None] = {"heads": self.heads, "mixer": self.mixer, "layermix": self.layermix}
            for what, module in parts.items():
                if module is not None:
                    state = {key: t.detach().to("cpu", torch.float32).contiguous() for key, t in module.state_dict().items()}
                    save_file(state, str(fresh / f"{what}.safetensors"), metadata={"format": "pt"})
            self.save_adapters(fresh)
            (fresh / "README.md").write_text(model_card(config), encoding="utf-8")
            (fresh / "config.json").write_text(config.to_json(), encoding="utf-8")
        return Path(folder)

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool = False,
        token: str | None = None,
        message: str | None = None,
        revision: str | None = None,
    ) -> str:
        """Upload the model to the Hub (made there when it is not) and give its address.

        :param repo: ``org/name``.
        :param token: with the right to write; by default the one of  ``hf auth login``  or HF_TOKEN.
        :raises ModelError: when the Hub refuses or does not answer.
        """
        from calque.models.upload import upload

        with tempfile.TemporaryDirectory() as scratch:
            self.save_pretrained(Path(scratch) / "model")
            return upload(Path(scratch) / "model", repo, private=private, token=token, message=message, revision=revision)

    def _link(self) -> tuple[str, str | None]:
        encoder = self.encoder
        if not encoder.repo or not encoder.revision:
            raise ModelError("link_encoder needs an encoder that came from the Hub: save without it")
        there: dict[str, Any] = Encoder.load(encoder.repo, revision=encoder.revision).state_dict()
        if any(not torch.equal(tensor.cpu(), there[key]) for key, tensor in encoder.state_dict().items()):
            raise ModelError(
                f"the encoder was trained since it came from {encoder.repo}, so its weights must be saved: leave link_encoder out"
            )
        return encoder.repo, encoder.revision

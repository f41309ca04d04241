"""A model: one encoder and its heads, loaded, run and saved as a whole.

Choices and trade-offs
- One product gives word vectors, ``pooling @ pieces``: the same in training, here and in ONNX, for every pooling rule.
- ``Model.load`` takes whatever has an encoder in it; what comes without heads trains, what comes with a ``pos`` head also parses.
- On disk a model is its folder (``config.json`` last or renamed as a whole, see :mod:`calque.models.saving`): safetensors and
  JSON, never pickle. The encoder is copied into it, so that a model is one thing that can be moved; ``link_encoder`` leaves a
  frozen encoder on the Hub instead (one encoder, many small heads).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from calque.config import ModelConfig, TaskConfig, is_calque_model
from calque.errors import ModelError
from calque.models import hub
from calque.models.adapted import Adapted
from calque.models.adapters import Adapters, Plan, Route, Setup, Wanted, routed
from calque.models.adapters.heads import all_logits, owner, tasks_of
from calque.models.card import model_card
from calque.models.encoder import Encoder, load_backbone, load_pieces, read_config
from calque.models.heads import WordHead
from calque.models.layermix import LayerMix
from calque.models.mixer import DEFAULTS, WordMixer
from calque.models.published import is_token_classifier, load_classifier
from calque.models.saving import recover, whole_folder
from calque.pieces import NEW_POOLING, WordPieces, budget_batches, pooling_named
from calque.wordforms import VERSION, forms_of

if TYPE_CHECKING:
    from calque.document import Document
    from calque.pipeline import Tagged

POS = "pos"


class Model(Adapted):
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
        self.layermix = LayerMix(len(encoder.layers)) if self.config.layer_mix else None
        self._adapters: Adapters | None = None
        encoder.pieces.forms = None
        if self.config.word_features:
            self._mix()
        self.heads = nn.ModuleDict()
        for task, made in self.config.tasks.items():
            self.heads[task] = WordHead(encoder.hidden_size, len(made.labels), transform=made.transform)
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
        model.config.tasks[POS] = task
        model.heads[POS] = head
        return model.eval()

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Model:
        """Load a saved calque model from its folder.

        :raises ModelError: when it is damaged, or lacks the weights (a folder with nothing but ``model.onnx``).
        """
        path = Path(folder).expanduser()
        recover(path)
        config = ModelConfig.from_folder(path)
        again = "save or download the model again"
        pooling = pooling_named(config.pooling, path)
        if config.encoder == "encoder":
            at = path / "encoder"
            if not at.is_dir():
                only = (
                    " (it holds only model.onnx, which parses without PyTorch but cannot be trained)"
                    if (path / "model.onnx").is_file()
                    else ""
                )
                raise ModelError(f"{path}: no encoder/ in this model{only}: {again}")
            pieces = load_pieces(at, pooling=pooling, max_length=config.max_length, tokenizer_folder=path)
            encoder = Encoder(load_backbone(at, path), pieces, name=config.base or config.name)
        else:
            linked = Encoder.load(config.encoder, revision=config.encoder_revision)
            longest = min(config.max_length, linked.pieces.max_length)
            pieces = WordPieces(linked.pieces.tokenizer, max_length=longest, pooling=pooling, own=linked.pieces.own)
            encoder = Encoder(linked.backbone, pieces, name=linked.name, repo=linked.repo, revision=linked.revision)
        forms_of(config.word_features, path)  # refuses what this calque does not know
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

    @property
    def tasks(self) -> list[str]:
        """Names of the heads, those that adapters bring included."""
        return list(dict.fromkeys([*self.heads, *tasks_of(self.some_adapters)]))

    def add_head(self, task: str, labels: Sequence[str]) -> WordHead:
        """Add a fresh head, or put a fresh one in the place of an old one.

        :param task: name without dots, such as ``pos``.
        :param labels: ``labels[i]`` is the name of logit i.
        :raises ModelError: for a name or labels that cannot be.
        """
        if not task.isidentifier() or hasattr(nn.ModuleDict, task):
            raise ModelError(f"'{task}' cannot be the name of a task: use letters, digits and underscores, such as pos")
        if not labels or len(set(labels)) != len(labels):
            raise ModelError(f"the labels of '{task}' are empty or not unique: {', '.join(labels) or 'none'}")
        head = WordHead(self.encoder.hidden_size, len(labels)).to(self.device)
        self.config.tasks[task] = TaskConfig(labels=list(labels))
        self.heads[task] = head
        return head

    def add_word_features(self, **options: int) -> WordMixer:
        """Add fresh word features beside the encoder, or put fresh ones in the place of the old.

        :param options: ``rows`` and ``dim`` of the table, ``layers`` of convolutions, where not the defaults.
        """
        self.config.word_features = {"version": VERSION, **DEFAULTS, **options}
        return self._mix()

    def drop_word_features(self) -> None:
        """Take the word features away; heads then read the encoder's vectors as they are."""
        self.mixer = None
        self.config.word_features = {}
        self.encoder.pieces.forms = None

    def set_layer_mix(self, wanted: bool) -> None:
        """Let heads read a learnt mean over all layers, or the last layer alone; a mean that is there is kept."""
        if wanted and self.layermix is None:
            self.layermix = LayerMix(len(self.encoder.layers)).to(self.device)
        elif not wanted:
            self.layermix = None
        self.config.layer_mix = wanted

    def _mix(self) -> WordMixer:
        options = self.config.word_features
        self.mixer = WordMixer(self.encoder.hidden_size, options).to(self.device)
        self.encoder.pieces.forms = forms_of(options, self.config.name)
        return self.mixer

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pooling: Tensor,
        features: Tensor | None = None,
        *,
        encode: bool = True,
        adapters: Plan | None = None,
    ) -> dict[str, Tensor]:
        """Logits of every head.

        :param input_ids: int64 ``[B, P]``.
        :param attention_mask: int64 ``[B, P]``.
        :param pooling: float ``[B, W, P]``, weights of the pieces of each word.
        :param features: int32 ``[B, W, SLOTS]``, for a model with word features.
        :param encode: False leaves the encoder out: word features alone.
        :param adapters: the way of each row through the adapters; by default all go through the active ones.
        :returns: task → float32 ``[B, W, L]``.
        """
        own = self.some_adapters
        if adapters is None and own is not None and own.active:
            adapters = own.plan([own.active] * len(input_ids))
        words = self.word_vectors(input_ids, attention_mask, pooling, features, encode=encode, route=adapters)
        return all_logits(words, dict(self.heads.items()), own, None if adapters is None else adapters.setups)

    def word_vectors(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pooling: Tensor,
        features: Tensor | None = None,
        *,
        encode: bool = True,
        route: Route | None = None,
    ) -> Tensor:
        """What heads read, ``[B, W, H]``; the parameters are those of :meth:`forward`.

        :param route: what happens at the places of adapters.
        """
        words: Tensor | None = None
        if encode or self.mixer is None:
            with routed(route):
                if self.layermix is None:
                    hidden = self.encoder(input_ids, attention_mask)
                else:
                    hidden = self.layermix(self.encoder.all_layers(input_ids, attention_mask))
            words = torch.bmm(pooling.to(hidden.dtype), hidden)
        if self.mixer is not None:
            assert features is not None, "a model with word features needs them"
            words = self.mixer(words, features, (pooling.sum(dim=-1) > 0).to(torch.float32))
        assert words is not None
        return words

    @property
    def by_language(self) -> bool:
        """Whether words are cut by the vocabulary of their language: :meth:`tag` then wants ``langs``."""
        return self.encoder.pieces.own is not None

    @torch.inference_mode()
    def tag(
        self,
        sentences: Sequence[Sequence[str]],
        batch_pieces: int = 4096,
        *,
        task: str = POS,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
        bf16: bool = False,
    ) -> list[Tagged]:
        """Label the words of sentences, whatever their length.

        :param batch_pieces: padded pieces a forward pass; bounds the memory.
        :param task: which head.
        :param langs: the language of each sentence, for encoders with vocabularies by language.
        :param adapters: those of each sentence (None, ``"es"``, ``"es,pos"`` …), or a name for all; by default the active ones.
        :param bf16: compute in bfloat16, where the hardware has it.
        :returns: one for each sentence, in order: a label and its probability for every word.
        :raises ModelError: when the model has no such head, or no such adapter.
        """
        from calque.pipeline import Tagged

        own, setups = self.some_adapters, self._setups(adapters, len(sentences))
        labels = self._labels(task, setups)
        pieces = self.encoder.pieces
        rows = pieces.rows(sentences, langs=langs)
        best = [np.zeros(len(words), dtype=np.int64) for words in sentences]
        scores = [np.zeros(len(words), dtype=np.float32) for words in sentences]
        training = self.training
        self.eval()
        try:
            for group in budget_batches([len(r.ids) for r in rows], batch_pieces):
                batch = pieces.batch([rows[i] for i in group])
                arrays = {name: torch.from_numpy(a).to(self.device) for name, a in batch.arrays().items()}
                plan = own.plan([setups[rows[i].sentence] for i in group]) if own is not None else None
                with torch.autocast(self.device.type, dtype=torch.bfloat16) if bf16 else nullcontext():
                    logits = self(**arrays, adapters=plan)[task]
                top, which = (t.cpu().numpy() for t in torch.softmax(logits, dim=-1).max(dim=-1))
                for at, i in enumerate(group):
                    row = rows[i]
                    low, high = row.keep
                    span = slice(row.first_word + low, row.first_word + high)
                    best[row.sentence][span] = which[at, low:high]
                    scores[row.sentence][span] = top[at, low:high]
        finally:
            self.train(training)
        return [
            Tagged([of[i] for i in b], [round(float(s), 4) for s in p]) for of, b, p in zip(labels, best, scores, strict=True)
        ]

    def _setups(self, wanted: str | Sequence[Wanted] | None, count: int) -> list[Setup]:
        """What each sentence goes through."""
        if wanted is None:
            return [self.some_adapters.active if self.some_adapters is not None else ()] * count
        if isinstance(wanted, str):
            return [self.adapters.check(wanted)] * count
        if len(wanted) != count:
            raise ModelError(f"{len(wanted)} adapters for {count} sentences: give one for each, None for none")
        return [self.adapters.check(w) if w is not None else () for w in wanted]

    def _labels(self, task: str, setups: Sequence[Setup]) -> list[list[str]]:
        """Labels of the head that each sentence goes to."""
        found: dict[Setup, list[str]] = {}
        for setup in set(setups):
            name = owner(self.some_adapters, setup, task)
            made = self.config.tasks.get(task) if name is None else self.adapters.configs[name].head
            if made is None:
                raise ModelError(self._headless(task, setup))
            found[setup] = made.labels
        return [found[setup] for setup in setups]

    @overload
    def parse(self, text: str, lang: str = "auto", **options: Any) -> Document: ...
    @overload
    def parse(self, text: Sequence[str], lang: str | Sequence[str] = "auto", **options: Any) -> list[Document]: ...
    def parse(self, text: str | Sequence[str], lang: str | Sequence[str] = "auto", **options: Any) -> Document | list[Document]:
        """Cut raw text into sentences and words, and label them; a list of texts gives a list of documents.

        :param lang: its language (one for each text where there are several), or ``auto`` to identify it.
        :param options: ``adapters`` and ``otherwise``, as for :func:`calque.parse`.
        """
        from calque.pipeline import parse

        result: Document | list[Document] = parse(text, lang=lang, model=self, **options)  # type: ignore[call-overload,unused-ignore]
        return result

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

    def _headless(self, task: str, setup: Setup = ()) -> str:
        name = self.config.name or "this model"
        if task in self.tasks:
            return (
                f"{name} has no '{task}' head of its own, only adapters have: give one of "
                f"{', '.join(n for n, c in self.adapters.configs.items() if c.task == task)}"
                + (f" too (not {','.join(setup)} alone)" if setup else "")
            )
        if not self.heads:
            return f"{name} is an encoder without heads: train one first, with  calque train {task} --model {name} …"
        return f"{name} has no '{task}' head (it has: {', '.join(self.heads)}): train one, with  calque train {task} --model …"

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

"""Which encoder teaches, at which layers, and what the student starts from.

Choices and trade-offs
- A teacher of the source language is read once and cached; one that is trimmed is multilingual, and reads beside the student
  (:mod:`calque.pretraining.teacher` has both).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from calque.config import ModelConfig, is_calque_model
from calque.errors import ModelError
from calque.models import hub
from calque.models.encoder import load_backbone, load_pieces, read_config
from calque.pieces import WordPieces
from calque.pretraining import steps
from calque.pretraining.batches import Sampler
from calque.pretraining.links import aligned_embeddings
from calque.pretraining.model import keep_layers
from calque.pretraining.options import PretrainOptions
from calque.pretraining.teacher import Reader, cache_vectors
from calque.pretraining.trimming import KEPT, TEACHER_SENTENCES
from calque.pretraining.vocabulary import SPECIAL_NAMES


def depth_of(name: str) -> int:
    """Layers of an encoder, from its configuration."""
    config = read_config(encoder_folder(name), name)
    return int(config.get("num_hidden_layers") or config.get("num_layers") or 0)


def compared_layers(options: PretrainOptions, depth: int) -> tuple[int, ...]:
    """The teacher's layers that the student learns from; by default the middle and the last of those it can have.

    :param depth: layers of the teacher.
    :raises ModelError: for layers that are not there.
    """
    if options.teacher in (None, options.init) and options.layers:
        depth = min(depth, options.layers)
    layers = tuple(sorted(options.teacher_layers or {(depth + 1) // 2, depth}))
    if not all(1 <= layer <= depth for layer in layers):
        raise ModelError(f"--teacher-layers {','.join(map(str, layers))}: give layers from 1 to {depth}")
    return layers


def encoder_folder(name: str, revision: str | None = None) -> Path:
    """Where an encoder's configuration and weights are: of a model in its ``encoder`` folder, or on the Hub where they stayed."""
    folder = hub.fetch(hub.resolve(name, revision=revision))
    if not is_calque_model(folder):
        return folder
    config = ModelConfig.from_folder(folder)
    return folder / "encoder" if config.encoder == "encoder" else encoder_folder(config.encoder, config.encoder_revision)


def encoder_pieces(name: str) -> WordPieces:
    """An encoder's tokenizer, which of a model lies beside its ``encoder`` folder."""
    return load_pieces(encoder_folder(name), tokenizer_folder=hub.fetch(hub.resolve(name)))


def start_table(options: PretrainOptions, work: Path, tokenizer: Tokenizer) -> Any:  # noqa: ANN401 - an array
    """What the vocabulary starts with."""
    path = work / "embeddings.npy"
    if not path.exists():
        assert options.init is not None  # noqa: S101 - the caller looked
        folder = encoder_folder(options.init)
        theirs = encoder_pieces(options.init).tokenizer
        weight = load_backbone(folder, options.init).get_input_embeddings().weight  # type: ignore[operator]
        if options.trim:
            steps.save_array(path, weight.detach().float().numpy()[np.load(work / KEPT)])
            return np.load(path)
        special = {
            ours: next((n for n in names if theirs.token_to_id(n) is not None), "") for ours, names in SPECIAL_NAMES.items()
        }
        counts = steps.link_counts(work, options.source, options.lexicons)
        table, _ = aligned_embeddings(
            tokenizer, counts, theirs, weight.detach().numpy(), special={k: v for k, v in special.items() if v}, seed=options.seed
        )
        steps.save_array(path, table)
    return np.load(path)


@dataclass(frozen=True, slots=True)
class Teacher:
    """What it says (cached vectors ``[words, layers, d]``, or a reader), of which layers, and how many of its layers the student
    stands for.
    """

    vectors: Any
    layers: tuple[int, ...]
    depth: int

    def student_layers(self, depth: int) -> tuple[int, ...]:
        """The student's layers that are compared with the teacher's: as high, in proportion."""
        return tuple(max(1, round(layer * depth / self.depth)) for layer in self.layers)


def make_teacher(options: PretrainOptions, work: Path, tell: Callable[[str], None]) -> Teacher | None:
    """What the teacher says of every source word or, with ``trim``, of the student's sentences; None without one.

    :raises ModelError: when the teacher cannot be loaded or has no such layers.
    """
    name = options.teacher or options.init
    if name is None or not options.weights.get("distil"):
        return None
    folder = encoder_folder(name)
    backbone: Any = load_backbone(folder, name)
    depth = int(backbone.config.num_hidden_layers)
    layers = compared_layers(options, depth)
    if options.teacher in (None, options.init) and options.layers:  # the student's layers are the teacher's own
        depth = options.layers
    pieces = encoder_pieces(name)
    if options.trim:
        keep_layers(backbone, max(layers))  # those above are not looked at
        data = steps.load_sentences(work, list(dict.fromkeys(options.languages)), TEACHER_SENTENCES)
        sampler = Sampler(data, dict.fromkeys(data, 1.0), linked=False, source=options.source)
        return Teacher(Reader(backbone, sampler, layers, special_ids(pieces)), layers, depth)
    vectors = cache_vectors(
        backbone, pieces.tokenizer, steps.read_source(work, options.source), layers, work / "teacher.npy",
        special=special_ids(pieces), window=pieces.max_length,
        progress=lambda done, whole: tell(f"teacher: {done:,} of {whole:,} words"),
    )  # fmt: skip
    return Teacher(vectors, layers, depth)


def special_ids(pieces: WordPieces) -> tuple[int, int, int]:
    """The pieces before and after a sentence, and of padding."""
    before, after = (part[0] if part else pieces.pad_id for part in (pieces.prefix, pieces.suffix))
    return before, after, pieces.pad_id

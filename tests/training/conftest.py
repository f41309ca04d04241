"""A tiny encoder (2 layers of 32) with a tokenizer trained on the spot, and synthetic treebanks it can learn."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

SMALL = {
    "DET": ["the", "a", "every"],
    "ADJ": ["red", "old", "quick", "tiny"],
    "NOUN": ["cat", "dog", "house", "river", "garden"],
    "VERB": ["sees", "finds", "likes", "paints"],
    "ADP": ["in", "under", "near"],
    "PUNCT": ["."],
}
OTHER = {
    "DET": ["el", "un", "cada"],
    "ADJ": ["rojo", "viejo", "pequeño"],
    "NOUN": ["gato", "perro", "jardín", "río"],
    "VERB": ["ve", "encuentra", "pinta"],
    "ADP": ["en", "bajo"],
    "PUNCT": ["."],
}
PATTERN = ["DET", "ADJ", "NOUN", "VERB", "DET", "NOUN", "ADP", "DET", "NOUN", "PUNCT"]


def sentence(words: list[str], tags: list[str]) -> str:
    rows = [
        f"{i}\t{w}\t_\t{t}\t_\t_\t{0 if i == 1 else 1}\t{'root' if i == 1 else 'dep'}\t_\t_"
        for i, (w, t) in enumerate(zip(words, tags, strict=True), 1)
    ]
    return "\n".join(rows) + "\n\n"


def synthetic(count: int, *, seed: int = 0, lexicon: dict[str, list[str]] = SMALL, repeat: int = 1) -> str:
    rng = random.Random(seed)
    text = []
    for _ in range(count):
        tags = [t for t in PATTERN * repeat if t != "ADJ" or rng.random() < 0.5]
        text.append(sentence([rng.choice(lexicon[t]) for t in tags], tags))
    return "".join(text)


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushing to a busy disk takes longer than all else here, and no test pulls the plug."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture(scope="session")
def treebanks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("treebanks")
    texts = {
        "en": synthetic(30),
        "en-dev": synthetic(12, seed=1),
        "es": synthetic(30, seed=2, lexicon=OTHER),
        "es-dev": synthetic(12, seed=3, lexicon=OTHER),
        "long": synthetic(3, seed=4, repeat=12),
    }
    paths = {}
    for name, text in texts.items():
        paths[name] = folder / f"{name}.conllu"
        paths[name].write_text(text, encoding="utf-8")
    return paths


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random XLM-R of 2 layers in Hugging Face format."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    words = [w for lexicon in (SMALL, OTHER) for group in lexicon.values() for w in group]
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(words)] * 20, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder

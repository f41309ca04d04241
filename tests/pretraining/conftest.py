"""A toy world: two languages that are each other word by word, in folders as corpora lie."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

WORDS = {
    "the": "le", "a": "un", "cat": "chat", "dog": "chien", "house": "maison", "garden": "jardin", "sees": "voit",
    "finds": "trouve", "likes": "aime", "red": "rouge", "old": "vieux", "small": "petit", "in": "dans", "under": "sous",
    "near": "vers", "river": "fleuve", "tree": "arbre", "man": "homme", "woman": "femme", "child": "enfant",
}  # fmt: skip
PATTERN = (
    ("the", "a"), ("red", "old", "small"), ("cat", "dog", "man", "woman", "child"), ("sees", "finds", "likes"), ("the", "a"),
    ("house", "garden", "river", "tree"), ("in", "under", "near"), ("the", "a"), ("tree", "house"),
)  # fmt: skip


def sentences(count: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    return [[rng.choice(choice) for choice in PATTERN[: rng.randint(4, len(PATTERN))]] for _ in range(count)]


def translate(words: list[str]) -> list[str]:
    return [WORDS[w] for w in words]


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<corpus>/<lang>.txt``: one corpus with a translation, one raw."""
    folder = tmp_path_factory.mktemp("corpora")
    for name, count, seed in (("tales", 300, 0), ("songs", 100, 1)):
        (folder / name).mkdir()
        lines = sentences(count, seed)
        (folder / name / "en.txt").write_text("".join(" ".join(s) + "\n" for s in lines), encoding="utf-8")
        (folder / name / "fr.txt").write_text("".join(" ".join(translate(s)) + "\n" for s in lines), encoding="utf-8")
    (folder / "raw").mkdir()
    raw = "".join(" ".join(translate(s)) + "\n" for s in sentences(50, 2))
    (folder / "raw" / "fr.txt").write_text(raw, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of 2 layers that knows the English words alone, in Hugging Face format."""
    return bert(tmp_path_factory.mktemp("english"), list(WORDS), layers=2)


@pytest.fixture(scope="session")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of 3 layers that knows both languages' words, and all letters."""
    letters = sorted({c for w in [*WORDS, *WORDS.values()] for c in w})
    others = [f"word{k}" for k in range(400)]  # of languages that nobody asks for
    words = [*WORDS, *WORDS.values(), *letters, *(f"##{c}" for c in letters), *others]
    return bert(tmp_path_factory.mktemp("multilingual"), words, layers=3)


def bert(folder: Path, words: list[str], *, layers: int) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    names = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    vocabulary = {w: k for k, w in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=64, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=64, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return folder

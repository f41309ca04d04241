"""Step 1 of the recipe: sample the text, train the vocabulary, store everything as piece ids.

    python recipes/mini/prepare.py --data ../shared/data --work build/mini

Writes ``tokenizer.json``, ``ids/<lang>.npy`` (int32 pieces, 0 between lines) and ``corpus.json`` (bytes by language and
corpus, licences) under ``--work``. What is already there is not made again.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from corpus import ALIASES, sample, sources, test_grams, ud_languages
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# One piece a character where words are not separated by spaces: raw text and gold words are then cut alike.
UNSPACED = r"\p{Han}|\p{Hiragana}|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*"
PRIORITY = "en es ca fr de it pt gl ro nl ru uk pl cs bg el tr fi hu ar he fa hi zh ja ko vi id th sw eu".split()


def new_tokenizer() -> Tokenizer:
    """An empty unigram tokenizer with our normalisation and pre-tokenisation."""
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"[’‘`´]"), "'"), normalizers.Replace(Regex("[“”„]"), '"')]
    )
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(UNSPACED), "isolated"),
            pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]"), "isolated"),
            pre_tokenizers.Digits(individual_digits=False),
            # last, so that what follows an apostrophe or precedes a comma starts a word here as it does in a treebank
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            # no mark of a word's start where words are not marked: one piece a character instead of two
            pre_tokenizers.Split(Regex(f"^▁(?={UNSPACED})"), "removed"),
        ]
    )
    tok.decoder = decoders.Metaspace()
    return tok


def train_vocabulary(texts: dict[str, list[str]], size: int, bytes_each: int) -> Tokenizer:
    """A unigram vocabulary over ``bytes_each`` of every language (smaller ones count as they are)."""
    chars: Counter[str] = Counter()
    chosen: list[str] = []
    for lines in texts.values():
        left = bytes_each
        for line in lines:
            if left <= 0:
                break
            chosen.append(line)
            chars.update(line)
            left -= len(line.encode())
    # every character of the sample becomes a piece: characters seen only a few times are not worth one
    common = {c for c, n in chars.items() if n >= 8}
    chosen = [x for x in chosen if common.issuperset(x)]
    tok = new_tokenizer()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False, max_piece_length=14, shrinking_factor=0.7
    )
    tok.train_from_iterator(chosen, trainer, length=len(chosen))
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tok


def _sample_one(task: tuple[str, list[tuple[str, str, Path]], int, int]) -> tuple[str, list[str], dict[str, int]]:
    lang, files, budget, seed = task
    lines, used = sample(files, budget, BANNED, seed)
    return lang, lines, used


BANNED: set[int] = set()


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=5.0, help="MB of text a language at most")
    parser.add_argument("--least", type=float, default=0.2, help="MB of text below which a language is left out")
    parser.add_argument("--vocabulary", type=int, default=40_000)
    parser.add_argument("--vocabulary-mb", type=float, default=0.6, help="MB of text a language for the vocabulary")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    wanted = ud_languages(args.data / "ud") | set(PRIORITY) | set(ALIASES.values())
    found = sources(args.data / "text", wanted)
    BANNED.update(test_grams(args.data / "ud"))
    print(f"{len(BANNED):,} runs of words of UD test files are kept out", flush=True)
    texts: dict[str, list[str]] = {}
    report: dict[str, dict[str, int]] = {}
    with Pool(2) as pool:  # forked: the banned set is shared
        tasks = [(lang, files, int(args.budget * 1e6), args.seed) for lang, files in sorted(found.items())]
        for lang, lines, used in pool.imap_unordered(_sample_one, tasks, chunksize=1):
            if sum(used.values()) >= args.least * 1e6:
                texts[lang], report[lang] = lines, used
    texts = dict(sorted(texts.items()))
    licences = sorted({(c, licence) for lang in texts for c, licence, _ in found[lang]})
    (args.work / "corpus.json").write_text(json.dumps({"bytes": report, "licences": licences}, indent=1, ensure_ascii=False))
    print(f"{len(texts)} languages, {sum(sum(u.values()) for u in report.values()) / 1e6:.0f} MB", flush=True)
    path = args.work / "tokenizer.json"
    if not path.exists():
        train_vocabulary(texts, args.vocabulary, int(args.vocabulary_mb * 1e6)).save(str(path))
    tok = Tokenizer.from_file(str(path))
    print(f"vocabulary: {tok.get_vocab_size():,} pieces", flush=True)
    (args.work / "ids").mkdir(exist_ok=True)
    total = 0
    for lang, lines in texts.items():
        random.Random(args.seed).shuffle(lines)
        flat: list[np.ndarray] = []
        for at in range(0, len(lines), 20_000):
            for e in tok.encode_batch_fast(lines[at : at + 20_000], add_special_tokens=False):
                flat.append(np.array([*e.ids, 0], dtype=np.int32))
        ids = np.concatenate(flat)
        total += len(ids)
        np.save(args.work / "ids" / f"{lang}.npy", ids)
    print(f"{total / 1e6:.1f} M pieces", flush=True)


if __name__ == "__main__":
    main()

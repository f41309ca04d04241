"""Step 2 of the recipe: where each piece's vector starts, from counts alone.

    python recipes/mini/initialise.py --data ../shared/data --work build/mini

Choices and trade-offs
- A language at a time: positive PMI of each piece with the frequent pieces one and two places to its left and right
  (positions kept apart: this is what word classes show in), then a truncated SVD (Levy & Goldberg 2014; Levy et al. 2015).
  All the text is read, which masked language modelling on two cores cannot do in the time.
- One space for all: each language is rotated onto English (orthogonal Procrustes; Conneau et al. 2018) over a dictionary
  of pieces that occur in the same lines of parallel text (mutual best Dice score). Languages without parallel
  text keep a rotation over the pieces that they share with English.
- A piece of several languages gets the mean of its vectors, weighted by the square root of its count in each.
"""

from __future__ import annotations

import argparse
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from corpus import ALIASES, UNCLEAR, read_lines
from numpy.typing import NDArray
from tokenizers import Tokenizer

CONTEXTS, LEAST, BOUNDARY = 3000, 4, 0
Floats = NDArray[np.float32]


def counts_matrix(ids: NDArray[np.int32], vocabulary: int) -> tuple[NDArray[np.int64], sp.csr_matrix]:
    """Pieces worth a vector, and their counts beside context pieces at four positions."""
    frequency = np.bincount(ids, minlength=vocabulary)
    rows = np.flatnonzero(frequency >= LEAST)
    rows = rows[rows > 4]
    contexts = np.argsort(-frequency)[:CONTEXTS]
    row_of = np.full(vocabulary, -1)
    row_of[rows] = np.arange(len(rows))
    column_of = np.full(vocabulary, -1)
    column_of[contexts] = np.arange(len(contexts))
    parts = []
    for position, shift in enumerate((-2, -1, 1, 2)):
        near, here = (ids[-shift:], ids[:shift]) if shift < 0 else (ids[:-shift], ids[shift:])
        # `here` is the context and `near` the piece whose row it counts for
        r, c = row_of[near], column_of[here]
        ok = (r >= 0) & (c >= 0)
        parts.append(
            sp.coo_matrix((np.ones(ok.sum(), dtype=np.float32), (r[ok], c[ok])), shape=(len(rows), len(contexts))).tocsr()
        )
        del position
    return rows, sp.hstack(parts, format="csr")


def ppmi(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Positive pointwise mutual information with contexts' counts to the power 0.75."""
    total_row = np.asarray(counts.sum(1)).ravel()
    total_column = np.asarray(counts.sum(0)).ravel() ** 0.75
    m = counts.tocoo()
    value = np.log(m.data * total_column.sum() / (total_row[m.row] * total_column[m.col]))
    ok = value > 0
    return sp.csr_matrix((value[ok].astype(np.float32), (m.row[ok], m.col[ok])), shape=m.shape)


def svd(matrix: sp.csr_matrix, rank: int, seed: int) -> Floats:
    """Left vectors times the square roots of the singular values (randomised; Halko et al. 2011), rows of unit length."""
    rng = np.random.default_rng(seed)
    rank = min(rank, min(matrix.shape) - 1)
    q = matrix @ rng.standard_normal((matrix.shape[1], rank + 16), dtype=np.float32)
    for _ in range(3):
        q, _ = np.linalg.qr(matrix @ (matrix.T @ q))
    u, s, _ = np.linalg.svd((q.T @ matrix), full_matrices=False)
    vectors = (q @ u)[:, :rank] * np.sqrt(s[:rank])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6
    return vectors.astype(np.float32)


def dictionary(data: Path, tokenizer: Tokenizer, lang: str, most_lines: int = 60_000) -> NDArray[np.int64]:
    """Pairs (piece, English piece) that are each other's best by Dice over aligned lines."""
    names = [lang, *(k for k, v in ALIASES.items() if v == lang)]
    here: list[str] = []
    english: list[str] = []
    for corpus in sorted((data / "text" / "parallel").iterdir()):
        if corpus.name in UNCLEAR or not (corpus / "en.txt.xz").exists():
            continue
        for name in names:
            if (corpus / f"{name}.txt.xz").exists():
                for a, b in zip(read_lines(corpus / f"{name}.txt.xz"), read_lines(corpus / "en.txt.xz"), strict=False):
                    if a and b and len(b) < 300:
                        here.append(a)
                        english.append(b)
    if len(here) < 200:
        return np.zeros((0, 2), dtype=np.int64)
    pick = np.random.default_rng(0).permutation(len(here))[:most_lines]
    size = tokenizer.get_vocab_size()

    def occurrences(lines: list[str]) -> sp.csr_matrix:
        encoded = tokenizer.encode_batch_fast([lines[i] for i in pick], add_special_tokens=False)
        lists = [np.unique(np.array(e.ids, dtype=np.int64)) for e in encoded]
        indptr = np.concatenate([[0], np.cumsum([len(x) for x in lists])])
        flat = np.concatenate(lists)
        return sp.csr_matrix((np.ones(len(flat), dtype=np.float32), flat, indptr), shape=(len(lists), size))

    a, b = occurrences(here), occurrences(english)
    na, nb = np.asarray(a.sum(0)).ravel(), np.asarray(b.sum(0)).ravel()
    both = (a.T @ b).tocoo()
    ok = both.data >= 3
    r, c, n = both.row[ok], both.col[ok], both.data[ok]
    dice = 2 * (n - 1) / (na[r] + nb[c])
    best_r, best_c = np.zeros(size), np.zeros(size)
    np.maximum.at(best_r, r, dice)
    np.maximum.at(best_c, c, dice)
    mutual = (dice >= best_r[r]) & (dice >= best_c[c]) & (dice > 0.15)
    return np.stack([r[mutual], c[mutual]], axis=1).astype(np.int64)


def one_language(
    task: tuple[Path, Path, str, int, bool],
) -> tuple[str, NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Vectors of one language, and its dictionary to English."""
    data, work, lang, rank, needs_dictionary = task
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    ids = np.load(work / "ids" / f"{lang}.npy")
    rows, counts = counts_matrix(ids, tokenizer.get_vocab_size())
    vectors = svd(ppmi(counts), rank, 0)
    if vectors.shape[1] < rank:
        vectors = np.pad(vectors, ((0, 0), (0, rank - vectors.shape[1])))
    pairs = dictionary(data, tokenizer, lang) if needs_dictionary else np.zeros((0, 2), dtype=np.int64)
    return lang, rows, vectors, np.bincount(ids, minlength=tokenizer.get_vocab_size())[rows], pairs


def main() -> None:
    """Run the step; writes ``embeddings.npy`` (float32 [vocabulary, rank])."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rank", type=int, default=192)
    args = parser.parse_args()
    size = Tokenizer.from_file(str(args.work / "tokenizer.json")).get_vocab_size()
    langs = sorted(p.stem for p in (args.work / "ids").glob("*.npy"))
    _, rows_en, en, _, _ = one_language((args.data, args.work, "en", args.rank, False))
    english = np.zeros((size, args.rank), dtype=np.float32)
    english[rows_en] = en
    has = np.linalg.norm(english, axis=1) > 0
    total = np.zeros((size, args.rank), dtype=np.float32)
    weight = np.zeros(size, dtype=np.float32)
    with Pool(2) as pool:
        tasks = [(args.data, args.work, lang, args.rank, lang != "en") for lang in langs]
        for lang, rows, vectors, count, pairs in pool.imap_unordered(one_language, tasks):
            local = np.zeros((size, args.rank), dtype=np.float32)
            local[rows] = vectors
            if lang != "en":
                shared = rows[has[rows]]
                if len(pairs) < 100:
                    pairs = np.stack([shared, shared], axis=1)
                pairs = pairs[has[pairs[:, 1]] & (np.linalg.norm(local[pairs[:, 0]], axis=1) > 0)]
                u, _, vt = np.linalg.svd(local[pairs[:, 0]].T @ english[pairs[:, 1]])
                vectors = vectors @ (u @ vt)
                fit = float((local[pairs[:, 0]] @ (u @ vt) * english[pairs[:, 1]]).sum(1).mean())
                print(f"{lang}: {len(rows):,} pieces, {len(pairs):,} pairs, mean cosine after rotation {fit:.2f}", flush=True)
            w = np.sqrt(count).astype(np.float32)
            total[rows] += w[:, None] * vectors
            weight[rows] += w
    total[weight > 0] /= weight[weight > 0, None]
    rng = np.random.default_rng(0)
    missing = weight == 0
    total /= np.linalg.norm(total, axis=1, keepdims=True) + 1e-9
    total[missing] = rng.standard_normal((missing.sum(), args.rank)) / np.sqrt(args.rank)
    np.save(args.work / "embeddings.npy", total)
    print(f"{(~missing).sum():,} of {size:,} pieces have vectors", flush=True)


if __name__ == "__main__":
    main()

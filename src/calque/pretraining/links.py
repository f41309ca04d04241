"""The embeddings that a new vocabulary starts with, out of links between the words of translations.

Choices and trade-offs
- Links come from :mod:`calque.transfer.lexicons`, both directions intersected: precision counts, since what is not linked is
  learnt from its neighbours.
- A new piece starts as the mean of the source pieces that the words it stands in are linked to, weighted by how often
  ("aligned initialisation"; WECHSEL, Minixhofer et al. 2022, and FOCUS, Dobler and de Melo 2023, do so by similarity of static
  vectors; links say it directly). A piece that many words share gets a mean of many meanings: the training sorts that out.
- A lexicon does the same where there is no parallel text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.pretraining.sentences import encode_words

WordPairs = Mapping[tuple[str, str], float]


def aligned_embeddings(
    tokenizer: Tokenizer,
    links: WordPairs,
    source_tokenizer: Tokenizer,
    table: NDArray[np.float32],
    *,
    special: Mapping[str, str],
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Start vectors of a new vocabulary out of a source encoder's.

    :param tokenizer: of the new vocabulary.
    :param links: (target word, source word) → weight. Give the source language's own words linked to themselves too.
    :param source_tokenizer: of the source encoder.
    :param table: the source encoder's piece embeddings ``[pieces, d]``.
    :param special: special piece of ours → theirs (``<s>`` → ``[CLS]``).
    :returns: ``[V, d]``, and which rows are from links; the others are drawn around the mean of ``table``.
    """
    size, width = tokenizer.get_vocab_size(), table.shape[1]
    targets = sorted({target for target, _ in links})
    sources = sorted({source for _, source in links})
    at_target = {w: k for k, w in enumerate(targets)}
    at_source = {w: k for k, w in enumerate(sources)}
    vectors = _word_means(source_tokenizer, sources, table)
    meaning = np.zeros((len(targets), width), dtype=np.float32)
    weight = np.zeros(len(targets), dtype=np.float32)
    for (target, source), w in links.items():
        k = at_target[target]
        meaning[k] += w * vectors[at_source[source]]
        weight[k] += w
    flat, ends = encode_words(tokenizer, targets)
    sizes = np.diff(ends, prepend=0)
    total, mass = np.zeros((size, width), dtype=np.float64), np.zeros(size)
    owner = np.repeat(np.arange(len(targets)), sizes)
    np.add.at(total, flat, meaning[owner] / sizes[owner, None])
    np.add.at(mass, flat, weight[owner] / sizes[owner])
    rng = np.random.default_rng(seed)
    out = rng.normal(table.mean(0), table.std(0), (size, width))
    seen = mass > 0.5
    out[seen] = total[seen] / mass[seen, None]
    # a mean of many vectors is shorter than each of them
    lengths = np.linalg.norm(out[seen], axis=1, keepdims=True)
    out[seen] *= np.linalg.norm(table, axis=1).mean() / np.maximum(lengths, 1e-6)
    for ours, theirs in special.items():
        here, there = tokenizer.token_to_id(ours), source_tokenizer.token_to_id(theirs)
        if here is not None and there is not None:
            out[here], seen[here] = table[there], True
    return out.astype(np.float32), seen


def _word_means(tokenizer: Tokenizer, words: Sequence[str], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each word's pieces ``[words, d]``."""
    out = np.zeros((len(words), table.shape[1]), dtype=np.float32)
    for k, e in enumerate(tokenizer.encode_batch([[w] for w in words], is_pretokenized=True, add_special_tokens=False)):
        if e.ids:
            out[k] = table[e.ids].mean(0)
    return out

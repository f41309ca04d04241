"""What the teacher says of a word: of each source word, once and kept on disk, or of the student's own words as it reads.

Choices and trade-offs
- A teacher of the source language alone reads each of its sentences once: a student that learns a hundred languages from the same
  sentences would otherwise make it read them a hundred times. The price is disk: 2 bytes × width × layers a word.
- A multilingual teacher (:class:`Reader`) reads the very sentences of the student, cut into its own pieces, beside it: no links
  are wanted, every word of raw text is a target, and nothing is kept. It costs a forward pass a step.
- A word's vector is the mean of its pieces', as in the student. float16 holds what is compared after a layer norm anyway.
- Sentences are read in order of length, and what is done is written down, so that a killed run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.errors import ModelError
from calque.models.architectures import window
from calque.pretraining.batches import Batch, Sampler
from calque.pretraining.model import word_means
from calque.training.device import fastest

BATCH_PIECES = 8192
NOTE_EVERY = 200  # batches, between two notes of what is done


def cache_vectors(
    backbone: Any,  # noqa: ANN401 - a library model
    tokenizer: Tokenizer,
    sentences: Sequence[Sequence[str]],
    layers: Sequence[int],
    path: Path,
    *,
    special: tuple[int, int, int],
    window: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float16]:
    """Vectors of every word of every sentence at some layers, memory-mapped.

    :param backbone: the teacher, a Hugging Face encoder.
    :param layers: 0 is the embeddings' output.
    :param path: a ``.npy`` file; what an earlier call wrote there is not computed again.
    :param special: ids of the pieces before and after a sentence and of padding.
    :param progress: called with words done and in all.
    :returns: ``[words, layers, d]``; words beyond the teacher's window have zeros.
    :raises ModelError: when a layer does not exist or ``path`` holds something else.
    """
    depth = int(backbone.config.num_hidden_layers)
    if not all(0 <= layer <= depth for layer in layers):
        raise ModelError(f"the teacher has layers 0 to {depth}, not {max(layers)}: give others")
    sizes = np.array([len(s) for s in sentences], dtype=np.int64)
    shape = (int(sizes.sum()), len(layers), int(backbone.config.hidden_size))
    note = path.with_suffix(".json")
    wanted = {"shape": list(shape), "layers": list(layers)}
    state = json.loads(note.read_text()) if note.exists() and path.exists() else {}
    done = state.get("done", 0) if {k: state.get(k) for k in wanted} == wanted else 0
    out = np.lib.format.open_memmap(path, mode="r+" if done else "w+", dtype=np.float16, shape=shape)
    order = np.argsort(sizes, kind="stable")
    starts = np.cumsum(sizes) - sizes
    backbone.eval()
    at, batches = done, 0
    while at < len(order):
        # batches by words: pieces are counted after the cutting, a fifth more or so in the teacher's own language
        longest = max(1, int(sizes[order[min(at + 1, len(order) - 1)]]))
        chosen = order[at : at + max(1, BATCH_PIECES // (2 * longest + 2))]
        _fill(out, backbone, tokenizer, [(int(starts[k]), sentences[k]) for k in chosen if sizes[k]], layers, special, window)
        at += len(chosen)
        batches += 1
        if batches % NOTE_EVERY == 0 or at == len(order):
            out.flush()
            note.write_text(json.dumps({**wanted, "done": at}))
            if progress:
                progress(int(sizes[order[:at]].sum()), shape[0])
    note.write_text(json.dumps({**wanted, "done": len(order)}))
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _fill(
    out: NDArray[np.float16],
    backbone: Any,  # noqa: ANN401
    tokenizer: Tokenizer,
    chosen: Sequence[tuple[int, Sequence[str]]],
    layers: Sequence[int],
    special: tuple[int, int, int],
    window: int,
) -> None:
    first, last, pad = special
    encoded = tokenizer.encode_batch([list(s) for _, s in chosen], is_pretokenized=True, add_special_tokens=False)
    length = min(window, max(len(e.ids) for e in encoded) + 2)
    ids = np.full((len(chosen), length), pad, dtype=np.int64)
    places, owners, count = [], [], 0
    rows: list[int] = []
    for row, ((start, words), e) in enumerate(zip(chosen, encoded, strict=True)):
        kept = e.ids[: length - 2]
        ids[row, : len(kept) + 2] = [first, *kept, last]
        places.append(row * length + 1 + np.arange(len(kept)))
        owners.append(np.array([w if w is not None else -1 for w in e.word_ids[: len(kept)]], dtype=np.int64) + count)
        rows.extend(range(start, start + len(words)))
        count += len(words)
    mask = torch.from_numpy((ids != pad).astype(np.int64))
    with torch.no_grad(), fastest(torch.device("cpu"), out.shape[-1]):
        states = backbone(input_ids=torch.from_numpy(ids), attention_mask=mask, output_hidden_states=True).hidden_states
    place, owner = torch.from_numpy(np.concatenate(places)), torch.from_numpy(np.concatenate(owners))
    pieces = torch.zeros(count).index_add_(0, owner, torch.ones(len(owner)))
    for k, layer in enumerate(layers):
        flat = states[layer].reshape(-1, states[layer].shape[-1])[place].float()
        means = torch.zeros(count, flat.shape[-1]).index_add_(0, owner, flat) / pieces.clamp(min=1)[:, None]
        out[rows, k] = means.numpy().astype(np.float16)


class Reader:
    """A teacher that reads what the student reads.

    :param backbone: a Hugging Face encoder; layers above the highest of ``layers`` should have been dropped.
    :param sampler: over the same sentences as the student's, in the same order, cut into the teacher's pieces.
    :param layers: 0 is the embeddings' output.
    :param special: ids of the pieces before and after a sentence and of padding.
    """

    def __init__(
        self,
        backbone: Any,  # noqa: ANN401 - a library model
        sampler: Sampler,
        layers: Sequence[int],
        special: tuple[int, int, int],
    ) -> None:
        self.backbone, self.sampler, self.layers, self.special = backbone, sampler, tuple(layers), special
        self.width = int(backbone.config.hidden_size)
        self.window = window(backbone.config.to_dict(), "the teacher")
        backbone.eval().requires_grad_(False)

    def targets(self, batch: Batch) -> tuple[NDArray[np.int64], torch.Tensor]:
        """Those of the batch's words that the teacher could read, and their vectors ``[words, layers, d]``.

        :raises ModelError: when the teacher's sentences are not the student's.
        """
        own = self.sampler.build(batch.rows, self.special)
        if len(own.links) != len(batch.links):
            raise ModelError(
                f"the teacher's batch has {len(own.links)} words, the student's {len(batch.links)}: make the sentences anew"
            )
        width = min(own.ids.shape[1], self.window)
        ids = torch.from_numpy(own.ids[:, :width])
        row, column = np.divmod(own.place, own.ids.shape[1])
        whole = np.ones(len(own.links), dtype=bool)
        whole[own.word[column >= width]] = False  # cut off by the window
        kept = whole[own.word]
        place, word = torch.from_numpy((row * width + column)[kept]), torch.from_numpy(own.word[kept])
        device = next(self.backbone.parameters()).device
        with torch.no_grad(), fastest(device, self.width):
            mask = (ids != self.special[2]).long().to(device)
            states = self.backbone(input_ids=ids.to(device), attention_mask=mask, output_hidden_states=True).hidden_states
        found = [word_means(states[layer], place.to(device), word.to(device), len(whole)).cpu() for layer in self.layers]
        words = np.flatnonzero(whole)
        return words, torch.stack(found, dim=1)[torch.from_numpy(words)]

"""The ``token-classification`` pipeline of transformers on an encoder in float32 under a head with random weights: tags alone.

The labels mean nothing, and their making costs what a trained head's would. The pipeline gets the words with spaces between them
and labels pieces, its default, in batches of 32, which it pads as they come.
"""

from __future__ import annotations

import argparse

from measuring import Label, Words, arguments, measure

LABELS, BATCH = 17, 32


def load(options: argparse.Namespace) -> Label:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_pretrained(options.model, num_labels=LABELS)
    tagger = pipeline("token-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(options.model), device="cpu")

    def label(sentences: Words) -> object:
        return tagger([" ".join(words) for words in sentences], batch_size=BATCH)

    return label


if __name__ == "__main__":
    measure(asked := arguments(), load, threads=asked.threads)

"""Checks of how text reaches the encoder: scripts and characters that its vocabulary lacks, words in many pieces, long sentences.

Choices and trade-offs
- A word with an unknown piece has lost part of its letters before the encoder sees it; five words of a hundred are a problem.
  Word features (:mod:`calque.wordforms`) still see them, where there are labels to learn from. Many pieces a word are only a
  sign: of a language that the vocabulary was not made for, or of a script that is spelt in bytes.
- No word of a long sentence is dropped (:mod:`calque.pieces`), but what is far apart is read in different windows; and raw
  "sentences" of hundreds of words mostly mean that no end of a sentence was found.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from calque.transfer.diagnosis.findings import Finding, Remedy, counted, graded, percent, worst
from calque.transfer.diagnosis.samples import Case, PieceCounts, Sample

UNKNOWN, MANY_UNKNOWN = 0.02, 0.05  # part of the words
PIECES, MANY_PIECES = 3.5, 5.0  # a word
WINDOWED, MANY_WINDOWED = 0.01, 0.1  # part of the sentences that need several windows
LONG_WORDS = 100  # a sentence
LONG, MANY_LONG = 0.02, 0.1  # part of the sentences
NO_PIECES = "a table of routes has a tokenizer for each model: diagnose its models one by one"


def unknown_pieces(case: Case) -> list[Finding]:
    """Whether the vocabulary knows the script, the characters and the words."""
    samples = case.distinct("test", "source", "raw")
    return [_pieces(case, sample) for sample in samples] or [
        Finding(check="unknown pieces", status="not checked", told="no text: give  --test es=FILE  or  --raw es=FILE")
    ]


def _pieces(case: Case, sample: Sample) -> Finding:
    finding = partial(Finding, check="unknown pieces", language=sample.language, file=sample.file)
    counts = sample.pieces
    if counts is None:
        return finding(status="not checked", told=NO_PIECES)
    script = _script(sample)
    status = worst((graded(counts.unknown_share, UNKNOWN, MANY_UNKNOWN), graded(counts.fertility, PIECES, MANY_PIECES)))
    told = f"{percent(counts.unknown_share)} of the words have an unknown piece, {counts.fertility:.2f} pieces a word"
    told += f" (unknown: {' '.join(counts.strange)})" if counts.strange and status != "ok" else ""
    new = _new_script(case, script) if status != "ok" else False
    told += f"; no language that the model has learnt is written in this script ({script})" if new else ""
    evidence = {
        "script": script, "words": counts.words, "unknown": counts.unknown_share, "pieces_a_word": counts.fertility,
        "clipped_words": counts.clipped, "unknown_characters": list(counts.strange),
    }  # fmt: skip
    return finding(status=status, told=told, evidence=evidence, remedies=() if status == "ok" else _other_encoder(case, sample))


def _script(sample: Sample) -> str | None:
    from calque.languages import script_of

    return script_of(" ".join(" ".join(sentence.words) for sentence in sample.sentences[:100]))


def _new_script(case: Case, script: str | None) -> bool:
    """Whether no language of the model is usually written in a script."""
    from calque.languages.codes import languages

    table = languages()
    known = {table[code].script for code in case.config.languages if code in table}
    known |= {"Hani"} if known & {"Hans", "Hant"} else set()  # how characters are written out, text does not say
    return script is not None and bool(known) and script not in known


def _other_encoder(case: Case, sample: Sample) -> tuple[Remedy, ...]:
    lang = sample.code
    return (
        Remedy("look for an encoder whose languages or script are these, such as glot500 (511 languages)", "calque models list"),
        Remedy("train from it anew", f"calque train {case.task} --model glot500 --train {lang}=FILE --output DIR"),
        Remedy(
            "or, with labels of the language, add word features, which see the letters that the vocabulary lacks",
            f"calque train {case.task} --model {case.start} --train {lang}=FILE --word-features --output DIR",
        ),
        Remedy(
            "or give the encoder a new vocabulary, from raw text and translations of the language",
            f"calque pretrain --init {_encoder(case)} --languages en,{lang} --text FOLDER --output DIR",
        ),
    )


def _encoder(case: Case) -> str:
    return case.config.base or "mini"


def long_sentences(case: Case) -> list[Finding]:
    """Whether sentences fit the encoder's window, and are sentences at all."""
    samples = case.distinct("test", "source", "raw", "train")
    return [_long(sample, case) for sample in samples] or [
        Finding(check="long sentences", status="not checked", told="no text: give  --test es=FILE  or  --raw es=FILE")
    ]


def _long(sample: Sample, case: Case) -> Finding:
    counts, lengths = sample.pieces, sample.lengths
    long = float((lengths > LONG_WORDS).mean())
    statuses = [graded(long, LONG, MANY_LONG)]
    of = f"{percent(long)} of {counted(len(lengths), 'sentence')}"
    told = f"{of} have more than {LONG_WORDS} words, the longest {lengths.max():,}"
    evidence: dict[str, object] = {
        "sentences": len(lengths), "median_words": float(np.median(lengths)), "longest": int(lengths.max()), "long": long,
    }  # fmt: skip
    if counts is not None:
        windowed = counts.windowed / len(lengths)
        statuses.append(graded(windowed, WINDOWED, MANY_WINDOWED))
        told += f"; {counts.windowed:,} in several windows of {counts.window} pieces" if counts.windowed else ""
        told += _cut(counts)
        evidence |= {"windowed": windowed, "window": counts.window, "clipped_words": counts.clipped}
    status = worst(statuses)
    return Finding(
        check="long sentences",
        status=status,
        told=told,
        language=sample.language,
        file=sample.file,
        evidence=evidence,
        remedies=() if status == "ok" else _shorter(sample, case),
    )


def _cut(counts: PieceCounts) -> str:
    return f"; {counted(counts.clipped, 'word')} cut in the middle" if counts.clipped else ""


def _shorter(sample: Sample, case: Case) -> tuple[Remedy, ...]:
    see = (
        f"calque parse --input {sample.path} --lang {sample.spoken}{case.named} --format conllu"
        if sample.role == "raw"
        else f"calque evaluate {case.model} {sample.argument} --limit 100"
    )
    return (
        Remedy("see where sentences end: rules need full stops, lines of verse or chat have none (put a line end there)", see),
        Remedy(
            "train with the window of the text, as far as the encoder goes",
            f"calque train {case.task} --model {case.start} --train {sample.code}=FILE --max-length 512 --output DIR",
        ),
    )

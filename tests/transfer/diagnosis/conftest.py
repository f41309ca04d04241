"""Cases made by hand: a tagger that answers from a dictionary, sentences written as ``form/TAG``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from calque.config import ModelConfig, TaskConfig
from calque.document import Sentence, Token
from calque.pipeline import Tagged
from calque.tags import UPOS
from calque.transfer.diagnosis.samples import Case, PieceCounts, Sample


def sentences(*texts: str) -> list[Sentence]:
    """``El/DET gato/NOUN`` or, without labels, ``El gato``."""
    found = []
    for text in texts:
        pairs = [word.rpartition("/") if "/" in word else (word, "", None) for word in text.split()]
        found.append(Sentence([Token(form, upos=tag) for form, _, tag in pairs]))
    return found


@pytest.fixture
def case() -> Callable[..., Case]:
    """``case([("test", "es", ["El/DET gato/NOUN"])], answers={"gato": "VERB"})``: other words are labelled rightly."""

    def make(
        given: list[tuple[Any, str, list[str]]],
        *,
        answers: Mapping[str, str] = {},
        score: float = 1.0,
        config: ModelConfig | None = None,
        pieces: PieceCounts | None = None,
    ) -> Case:
        samples = []
        for number, (role, language, texts) in enumerate(given):
            own = sentences(*texts)
            said = [Tagged([answers.get(t.text, t.upos or "X") for t in s.tokens], [score] * len(s.tokens)) for s in own]
            samples.append(
                Sample(
                    role=role, language=language, file=f"{language}-{number}.conllu", task="pos", sentences=own, whole=True,
                    said=said if role != "train" else (), pieces=pieces,
                )
            )  # fmt: skip
        made = config if config is not None else ModelConfig(name="toy", tasks={"pos": TaskConfig(list(UPOS))}, languages=["en"])
        return Case(model="models/toy", task="pos", config=made, samples=samples)

    return make


def conllu(texts: list[str]) -> str:
    """The same sentences as CoNLL-U; the first word is the root."""
    blocks = []
    for sentence in sentences(*texts):
        rows = [
            f"{i}\t{t.text}\t_\t{t.upos or '_'}\t_\t_\t{int(i > 1)}\t{'dep' if i > 1 else 'root'}\t_\t_"
            for i, t in enumerate(sentence.tokens, 1)
        ]
        blocks.append("\n".join(rows) + "\n\n")
    return "".join(blocks)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, list[str]], Path]:
    def make(name: str, texts: list[str]) -> Path:
        path = tmp_path / name
        path.write_text(conllu(texts) if name.endswith(".conllu") else "".join(f"{t}\n" for t in texts), encoding="utf-8")
        return path

    return make

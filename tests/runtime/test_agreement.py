"""The promise of an export, task by task."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calque.analysis import Tagged, Tree
from calque.config import TaskConfig
from calque.runtime.agreement import BARS, Under, agreement, enough, ways_through
from calque.tasks import KINDS
from calque.zeroshot import Classified

SENTENCES = [["a", "b"], ["c", "d"]]
CONFIGS = {
    "pos": TaskConfig(["X", "Y"]),
    "dep": TaskConfig(["root", "obj"], "tree"),
    "classify": TaskConfig(["P", "Q"], "texts"),
    "embed": TaskConfig([], "vectors", {"size": 2}),
}


class Says:
    """A model that says what it is made to say."""

    def __init__(self, tag: str = "X", head: int = 0, best: str = "P", vector: Sequence[float] = (1.0, 0.0)) -> None:
        self.config = SimpleNamespace(tasks=CONFIGS)
        self.adapter_configs: dict[str, Any] = {}
        self.by_language = False
        self.told: list[Any] = []  # the languages, of each call
        self.tag_of_last, self.head, self.best, self.vector = tag, head, best, vector

    def label(
        self, sentences: Sequence[Sequence[str]], *, task: str, langs: object = None, adapters: object = None
    ) -> list[Tagged | Tree]:
        self.told.append(langs)
        if task == "dep":
            return [Tree([2, self.head], ["obj", "root"], [1.0, 1.0]) for _ in sentences]
        return [Tagged(["X", "X"], [1.0, 1.0]), Tagged(["X", self.tag_of_last], [1.0, 1.0])]

    def classify_texts(self, texts: Sequence[str], **options: object) -> list[Classified]:
        self.told.append(options["langs"])
        return [Classified(text, (self.best,), (1.0,)) for text in texts]

    def embed(self, texts: Sequence[str], *, langs: object = None) -> np.ndarray:
        self.told.append(langs)
        return np.array([self.vector] * len(texts), dtype=np.float32)


def test_each_task_is_compared_by_what_a_user_sees() -> None:
    same: Any = Says()
    assert agreement(same, same, SENTENCES).tasks == {"pos": 1.0, "dep": 1.0, "classify": 1.0, "embed": 1.0}
    other: Any = Says(tag="Y", head=1, best="Q", vector=(0.6, 0.8))
    found = agreement(same, other, SENTENCES).tasks
    assert found == {"pos": 0.75, "dep": 0.5, "classify": 0.0, "embed": pytest.approx(0.6)}
    assert not enough(found, same)


def test_each_language_is_judged_by_itself() -> None:
    same: Any = Says()
    found = agreement(same, Says(tag="Y"), SENTENCES, ["es", "ca"])  # type: ignore[arg-type]
    assert found.tasks["pos"] == 0.75
    assert found.languages["es"] == {"pos": 1.0, "dep": 1.0, "classify": 1.0, "embed": 1.0}
    assert found.languages["ca"] == {"pos": 0.5, "dep": 1.0, "classify": 1.0, "embed": 1.0}
    assert found.under == (Under("ca", "pos", 0.5, 0.995, 2),)


def test_models_that_are_told_the_language_are_told_it() -> None:
    one, other = Says(), Says()
    agreement(one, other, SENTENCES, ["es", "und"])  # type: ignore[arg-type]
    assert one.told == other.told == [None] * 4
    one.by_language = True
    agreement(one, other, SENTENCES, ["es", "und"])  # type: ignore[arg-type]
    assert one.told[4:] == other.told[4:] == [["es", None]] * 4


def test_what_is_under_its_bar_comes_lowest_first_and_texts_are_counted_as_such() -> None:
    same: Any = Says()
    other: Any = Says(tag="Y", best="Q")
    found = agreement(same, other, SENTENCES, ["es", "es"])
    assert [(one.task, one.agreement, one.of) for one in found.under] == [("classify", 0.0, 2), ("pos", 0.75, 4)]


@pytest.mark.parametrize("langs", [None, ["und", "und"]])
def test_sentences_of_no_language_are_judged_together_alone(langs: list[str] | None) -> None:
    same: Any = Says()
    found = agreement(same, Says(tag="Y"), SENTENCES, langs)  # type: ignore[arg-type]
    assert (found.tasks["pos"], found.languages, found.under) == (0.75, {}, ())


def test_every_kind_has_a_bar_and_all_must_be_met() -> None:
    assert set(BARS) == set(KINDS)
    model: Any = Says()
    good = {"pos": 0.996, "dep": 0.985, "classify": 1.0, "embed": 0.99}
    assert enough(good, model)
    assert not enough({**good, "dep": 0.97}, model)
    assert not enough({**good, "pos": 0.99}, model), "a tree's bar is not a tag's"


def test_heads_of_adapters_are_compared_on_top_of_what_they_were_trained_on() -> None:
    model: Any = Says()
    adapter = SimpleNamespace(name="es-ner", task="ner", head=TaskConfig(["O"], "entities"), training={"under": {"es": ["es"]}})
    language = SimpleNamespace(name="es", task=None, head=None, training={})
    model.adapter_configs = {"es": language, "es-ner": adapter}
    assert ("ner", "entities", ("es", "es-ner")) in list(ways_through(model))

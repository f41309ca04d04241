"""Our UPOS accuracy against the evaluation of the CoNLL 2018 shared task, as ``udtools`` packages it."""

from __future__ import annotations

import io
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.evaluation.metrics import Tally, accuracy
from calque.evaluation.report import ACCURACY, ACCURACY_NO_MWT, evaluate
from calque.formats.conllu import read_conllu
from calque.pipeline import Tagged
from calque.tags import UPOS

udeval = pytest.importorskip("udtools.udeval")

# A sentence: groups of words; a group of two or more is a multiword token. A word: (form, gold tag, predicted tag).
word = st.tuples(st.text(alphabet="abcdéñ漢字'-", min_size=1, max_size=4), st.sampled_from(UPOS), st.sampled_from(UPOS))
sentence = st.lists(st.lists(word, min_size=1, max_size=3), min_size=1, max_size=6)
treebank = st.lists(sentence, min_size=1, max_size=6)


def as_conllu(sentences, column):
    """CoNLL-U whose UPOS is the given element of each word."""
    out = []
    for groups in sentences:
        number = 0
        for group in groups:
            if len(group) > 1:
                surface = "".join(form for form, *_ in group)
                out.append("\t".join([f"{number + 1}-{number + len(group)}", surface, *"________"]))
            for one in group:
                number += 1
                head, relation = ("0", "root") if number == 1 else ("1", "dep")
                out.append("\t".join([str(number), one[0], "_", one[column], "_", "_", head, relation, "_", "_"]))
        out.append("")
    return "\n".join(out) + "\n"


def official(gold, system):
    """UPOS accuracy and number of words by udtools."""
    loaded = [udeval.load_conllu(io.StringIO(text), name, {}) for text, name in ((gold, "gold"), (system, "system"))]
    score = udeval.evaluate(*loaded)["UPOS"]
    assert score.aligned_total == score.gold_total == score.system_total  # the same segmentation
    return score.aligned_accuracy, score.gold_total


def ours(gold, system):
    tally = Tally()
    for g, s in zip(read_conllu(io.StringIO(gold)), read_conllu(io.StringIO(system)), strict=True):
        tally.add([t.upos for t in g.tokens], [t.upos for t in s.tokens], multiword=bool(g.multiwords))
    return tally


@settings(max_examples=150, deadline=None)
@given(treebank)
def test_accuracy_equals_udtools(sentences):
    gold, system = as_conllu(sentences, 1), as_conllu(sentences, 2)
    score = accuracy(ours(gold, system), resamples=2)
    value, words = official(gold, system)
    assert score.words == words
    assert score.value == pytest.approx(value, abs=1e-12)


@settings(max_examples=75, deadline=None)
@given(treebank)
def test_accuracy_without_multiword_tokens_equals_udtools_on_the_other_sentences(sentences):
    kept = [groups for groups in sentences if all(len(group) == 1 for group in groups)]
    tally = ours(as_conllu(sentences, 1), as_conllu(sentences, 2))
    if not kept:
        assert all(tally.multiword)
        return
    value, words = official(as_conllu(kept, 1), as_conllu(kept, 2))
    score = accuracy(tally, no_mwt=True, resamples=2)
    assert (score.words, score.sentences) == (words, len(kept))
    assert score.value == pytest.approx(value, abs=1e-12)


GOLD = """\
# text = Vengo del mercado.
1\tVengo\tvenir\tVERB\t_\t_\t0\troot\t_\t_
2-3\tdel\t_\t_\t_\t_\t_\t_\t_\t_
2\tde\tde\tADP\t_\t_\t4\tcase\t_\t_
3\tel\tel\tDET\t_\t_\t4\tdet\t_\t_
4\tmercado\tmercado\tNOUN\t_\t_\t1\tobl\t_\tSpaceAfter=No
5\t.\t.\tPUNCT\t_\t_\t1\tpunct\t_\t_

# text = Ana come pan y Luis arroz
1\tAna\tAna\tPROPN\t_\t_\t2\tnsubj\t2:nsubj\t_
2\tcome\tcomer\tVERB\t_\t_\t0\troot\t0:root\t_
3\tpan\tpan\tNOUN\t_\t_\t2\tobj\t2:obj\t_
4\ty\ty\tCCONJ\t_\t_\t5\tcc\t5:cc\t_
5\tLuis\tLuis\tPROPN\t_\t_\t2\tconj\t5.1:nsubj\t_
5.1\tcome\tcomer\tVERB\t_\t_\t_\t_\t2:conj\t_
6\tarroz\tarroz\tNOUN\t_\t_\t5\torphan\t5.1:obj\t_

"""


def test_a_file_with_a_multiword_token_and_an_empty_node():
    """Ten wrong in none, one wrong inside the multiword token, one outside; the empty node is no word."""
    system = GOLD.replace("el\tel\tDET", "el\tel\tPRON").replace("Luis\tLuis\tPROPN", "Luis\tLuis\tNOUN")
    score = accuracy(ours(GOLD, system))
    assert (score.value, score.words) == (9 / 11, 11)
    assert official(GOLD, system) == (9 / 11, 11)
    assert accuracy(ours(GOLD, system), no_mwt=True).value == 5 / 6


class MostFrequentTag:
    """The most frequent tag of each word form of another file: wrong now and then, in a way that is easy to repeat."""

    tasks = ("pos",)

    def __init__(self, path):
        counts = defaultdict(Counter)
        for one in read_conllu(path):
            for token in one.tokens:
                counts[token.text][token.upos] += 1
        self.best = {form: tags.most_common(1)[0][0] for form, tags in counts.items()}

    def tag(self, sentences):
        return [Tagged([self.best.get(form, "PROPN") for form in words], [1.0] * len(words)) for words in sentences]


@pytest.mark.shared
def test_a_real_test_file_scores_as_udtools_says(shared_data):
    folder = shared_data / "ud" / "UD_Spanish-GSD"
    tagger = MostFrequentTag(folder / "dev.conllu.xz")
    path = folder / "test.conllu.xz"
    evaluation = evaluate(tagger, {"es": path})
    gold, system, gold_kept, system_kept = [], [], [], []
    for one in read_conllu(path):
        marked = one.to_conllu()
        for token, label in zip(one.tokens, tagger.tag([one.words])[0].labels, strict=True):
            token.upos = label
        gold.append(marked)
        system.append(one.to_conllu())
        if not one.multiwords:
            gold_kept.append(gold[-1])
            system_kept.append(system[-1])
    for metric, pair in ((ACCURACY, (gold, system)), (ACCURACY_NO_MWT, (gold_kept, system_kept))):
        value, words = official(*("".join(sentences) for sentences in pair))
        result = evaluation.score("es", metric=metric)
        assert result.words == words
        assert result.value == pytest.approx(value, abs=1e-12)
        assert 0.7 < result.value < 0.95
    assert evaluation.score("es", metric=ACCURACY_NO_MWT).words == 5918  # counted by hand, with another reader

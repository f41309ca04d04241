"""Checks of languages: how far the target is from what the model has learnt, and whether text is in the language it is told.

Choices and trade-offs
- A pair is distant from :data:`FAR` on, by :func:`calque.languages.nearest.distance`, whose unit is a point of tagging accuracy.
  What accuracy pairs at a distance have is in ``docs/troubleshooting.md``.
- Identification errs too, in 1 to 2 % of whole sentences and more often between relatives (``docs/languages.md``): the marks
  leave room for that, and sentences that it abstains from, or that are too short to tell, are not counted. Single words hardly
  tell relatives apart (one Croatian word in six is taken for Serbian): those of a language of the same genus are told, and only
  others make a status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from calque.document import Sentence
from calque.languages import LanguageError, identifiable, identify, macrolanguage, name, normalize, word_languages
from calque.languages.codes import info
from calque.languages.nearest import distance, nearest
from calque.transfer.diagnosis.findings import Finding, Remedy, graded, percent, worst
from calque.transfer.diagnosis.samples import UNDETERMINED, Case, Sample

FAR, VERY_FAR = 10.0, 20.0  # of distance
CLOSER = 2.0  # by so much a relative has to be nearer to be worth naming
LEAST_WORDS = 5_000  # of a training split that is proposed
STRANGE, MOSTLY_STRANGE = 0.05, 0.2  # part of the sentences, or words, in another language
LEAST_CHARACTERS = 20  # of a sentence, to tell its language
LOOKED_AT = 300  # sentences of a file
HAN = {"zh", "yue", "lzh", "ja"}  # a word of Chinese characters may be any of them
FEW = 10  # sentences (words: tenfold) that a share is worth saying of


def distant_pair(case: Case) -> list[Finding]:
    """How far each target is from the languages that the model has learnt labels in."""
    learnt = _learnt(case)
    targets = dict.fromkeys(sample.language for sample in case.of("test", "raw"))
    if not targets:
        told = "no target: name its language with a file,  --test es=FILE  or  --raw es=FILE"
        return [Finding(check="distant pair", status="not checked", told=told)]
    if not learnt:
        told = "the model does not say which languages it was trained on: give one with  --source en=FILE"
        return [Finding(check="distant pair", status="not checked", told=told)]
    unnamed = [_unnamed(sample) for sample in case.distinct("test", "raw") if sample.language == UNDETERMINED]
    return [*(_distant(case, target, learnt) for target in targets if target != UNDETERMINED), *unnamed]


def _unnamed(sample: Sample) -> Finding:
    told = f"its language was not said: give it as  es={sample.name}"
    return Finding(check="distant pair", status="not checked", told=told, language=sample.language, file=sample.file)


def _distant(case: Case, target: str, learnt: list[str]) -> Finding:
    known = [code for code in learnt if _same(code, target)]
    if known:
        evidence: dict[str, object] = {"nearest": known[0], "distance": 0.0}
        told = "the model has been trained on it"
        return Finding(check="distant pair", status="ok", told=told, language=target, evidence=evidence)
    try:
        closest = nearest(target, learnt)[0]
        far = distance(target, closest)
    except LanguageError as error:
        return Finding(check="distant pair", status="not checked", told=str(error), language=target)
    scripts = info(target).script, info(closest).script
    other_script = all(scripts) and scripts[0] != scripts[1]
    status = graded(far, FAR, VERY_FAR)
    told = f"the nearest language it has learnt is {name(closest)}, {far:.0f} points away"
    told += f", in another script ({scripts[1]}, not {scripts[0]})" if other_script else ""
    evidence = {
        "nearest": closest, "distance": round(far, 2), "same_family": info(target).family == info(closest).family,
        "scripts": list(scripts),
    }  # fmt: skip
    scores = {s.language: s.score.value for s in case.of("source", "test") if s.score is not None}
    sources = [s.language for s in case.of("source") if s.score is not None]
    if target in scores and sources:
        evidence |= {"source": sources[0], "source_value": scores[sources[0]], "target_value": scores[target]}
        told += f"; {percent(scores[target])} there, {percent(scores[sources[0]])} in {name(sources[0])}"
    remedies = () if status == "ok" else _nearer(case, target, far)
    return Finding(check="distant pair", status=status, told=told, language=target, evidence=evidence, remedies=remedies)


def _learnt(case: Case) -> list[str]:
    """Languages that the model has seen labels of, those of the sources among them; without codes that no standard knows."""
    codes = [*case.config.languages, *(sample.language for sample in case.of("source", "train"))]
    return [code for code in dict.fromkeys(codes) if code != UNDETERMINED and _known(code)]


def _known(code: str) -> bool:
    try:
        normalize(code)
    except LanguageError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    """Whether two codes are of one language, by its macrolanguage too (Nynorsk and Norwegian)."""
    try:
        return normalize(one) == normalize(other) or one == macrolanguage(other) or other == macrolanguage(one)
    except LanguageError:
        return one == other


def _nearer(case: Case, target: str, far: float) -> tuple[Remedy, ...]:
    """Treebanks to train on: of the language itself, or of relatives that are nearer than what was learnt."""
    from calque.data.catalog import list_treebanks

    best: dict[str, tuple[int, str]] = {}
    there = set()
    for treebank in list_treebanks():
        there.add(treebank.code)
        # not every training split was counted; where there is a dev split, there is one, some eight times as large
        words = treebank.words.get("train", 8 * treebank.words.get("dev", 0))
        if words >= LEAST_WORDS and _known(treebank.code):
            code = normalize(treebank.code)
            best[code] = max(best.get(code, (0, "")), (words, treebank.name))
    found = []
    if target in there:
        command = f"calque data get {best[target][1]}" if target in best else f"calque data list --language {target}"
        found.append(Remedy(f"{name(target)} has a treebank: some hundred of its sentences do more than any source", command))
    relatives = [code for code in nearest(target, [c for c in best if c != target])[:2] if distance(target, code) <= far - CLOSER]
    for code in relatives:
        what = f"train on {name(code)} ({distance(target, code):.0f} points away), alone or beside what you have"
        found.append(Remedy(what, f"calque data get {best[code][1]}"))
    learn = f"calque train {case.task} --model {case.start} --train {target}=FILE --output DIR"
    found.append(Remedy("label some sentences of the language and go on with them", learn))
    return tuple(found)


def confused_languages(case: Case) -> list[Finding]:
    """Whether each file's sentences, and their words, are in the language that they are said to be in."""
    samples = case.distinct("test", "source", "train", "raw")
    return [_confused(case, sample) for sample in samples] or [
        Finding(check="confused languages", status="not checked", told="no text: give  --test es=FILE  or  --raw es=FILE")
    ]


def _confused(case: Case, sample: Sample) -> Finding:
    finding = partial(Finding, check="confused languages", language=sample.language, file=sample.file)
    if sample.language == UNDETERMINED:
        found = Counter(_sentence_languages(sample.sentences[:LOOKED_AT], least=0))
        told = f"its language was not said (sentences are {_names(found)}): give it as  es={sample.name}"
        return finding(status="not checked", told=told, evidence={"sentence_languages": dict(found.most_common())})
    if not any(_same(code, sample.language) for code in identifiable()):
        return finding(status="not checked", told="identification does not know this language")
    part = sample.sentences[:LOOKED_AT]
    sentences = Counter(_sentence_languages(part))
    places = _word_places(part)
    words = Counter(code for code, _, _ in places)
    if sum(sentences.values()) < FEW and sum(words.values()) < 10 * FEW:
        return finding(status="not checked", told="too little text to tell a language by")
    other_sentences, other_words = _others(sentences, sample.language), _others(words, sample.language)
    statuses = []
    if sum(sentences.values()) >= FEW:
        statuses.append(graded(_share(other_sentences, sentences), STRANGE, MOSTLY_STRANGE))
    if sum(words.values()) >= 10 * FEW:
        strangers = Counter({code: n for code, n in other_words.items() if not _relatives(code, sample.language)})
        statuses.append(graded(_share(strangers, words), STRANGE, MOSTLY_STRANGE))
    status = worst(statuses)
    told = f"{percent(_share(other_sentences, sentences))} of {sum(sentences.values()):,} sentences are in another language"
    told += f" ({_names(other_sentences)})" if other_sentences else ""
    told += f", {percent(_share(other_words, words))} of the words"
    told += f" ({_names(other_words)})" if other_words else ""
    evidence: dict[str, object] = {
        "sentences": sum(sentences.values()), "other_sentences": _share(other_sentences, sentences),
        "sentence_languages": dict(other_sentences.most_common(5)), "words": sum(words.values()),
        "other_words": _share(other_words, words), "word_languages": dict(other_words.most_common(5)),
    }  # fmt: skip
    split = _accuracy_by_language(sample, places)
    if split is not None:
        evidence |= {"accuracy_own_words": split[0], "accuracy_other_words": split[1]}
        told += f"; {percent(split[1])} of these are labelled rightly, {percent(split[0])} of its own"
    remedies = () if status == "ok" else _sorted_out(case, sample)
    return finding(status=status, told=told, evidence=evidence, remedies=remedies)


def _sentence_languages(sentences: Iterable[Sentence], *, least: int = LEAST_CHARACTERS) -> Iterable[str]:
    """The language of each sentence that is long enough to tell, and told."""
    for sentence in sentences:
        text = sentence.text or sentence.joined()
        if len(text) >= least:
            code = identify(text).code
            if code is not None:
                yield code


def _word_places(sentences: Sequence[Sentence]) -> list[tuple[str, int, int]]:
    """Language, sentence and place of each word that has a language."""
    return [
        (code, number, place)
        for number, sentence in enumerate(sentences)
        for place, code in enumerate(word_languages(sentence.words))
        if code is not None
    ]


def _others(counts: Counter[str], language: str) -> Counter[str]:
    return Counter({code: count for code, count in counts.items() if not _same(code, language)})


def _relatives(one: str, other: str) -> bool:
    """Whether two languages are of one genus (Romance, Germanic, …), or share the characters of their words."""
    return info(one).genus == info(other).genus != "" or {one, other} <= HAN


def _share(part: Counter[str], whole: Counter[str]) -> float:
    return sum(part.values()) / max(1, sum(whole.values()))


def _names(counts: Counter[str]) -> str:
    return ", ".join(f"{code} {count}" for code, count in counts.most_common(3))


def _accuracy_by_language(sample: Sample, places: list[tuple[str, int, int]]) -> tuple[float, float] | None:
    """Accuracy of words in the sample's own language, and in others; None where either are few or nothing is labelled."""
    right = sample.right
    own: list[bool] = []
    other: list[bool] = []
    for code, number, place in places:
        value = right[number][place] if number < len(right) else None
        if value is not None:
            (own if _same(code, sample.language) else other).append(value)
    if len(own) < 2 * FEW or len(other) < 2 * FEW:
        return None
    return sum(own) / len(own), sum(other) / len(other)


def _sorted_out(case: Case, sample: Sample) -> tuple[Remedy, ...]:
    if sample.role == "raw":
        look = f"calque parse --input {sample.path} --lang auto{case.named} --format json"
        return (Remedy("let each sentence, and each word of mixed ones, be identified (the languages are in the output)", look),)
    both = f"--train {sample.language}=FILE --train OTHER=FILE"
    return (
        Remedy("see how the sentences are read", f"calque evaluate {case.model} {sample.argument} --per-tag --confusion"),
        Remedy(
            "train on both languages, and let the model be told which one a sentence is in",
            f"calque train {case.task} --model {case.start} {both} --language-token --output DIR",
        ),
    )

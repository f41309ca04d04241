"""From a PyTorch model to a folder that runs without PyTorch: a graph, small weights, and a measured promise that they agree.

Choices and trade-offs
- The graph goes from ``input_ids``, ``attention_mask`` and ``pooling`` (``[rows, words, pieces]``) to what the heads give out,
  ``<task>_logits`` (``[rows, words, labels]``) and the like. Pooling pieces to words is inside, so that one runtime serves every
  rule of pooling.
- Multilingual encoders are known to break when quantised. So every way to store the weights is compared, word by word, with the
  float graph on sentences in many languages; under the bars of :mod:`calque.runtime.agreement` the next, larger, way is tried,
  and float is the last. The report and the model's ``config.json`` say which one it was, how well it agreed, and in which
  languages, where the sentences are of known ones, it agreed less than the bars ask.
- The folder is written beside and renamed. One that holds PyTorch weights, or anything but an export, is not written over.
- It says where in the graph each weight is (:mod:`calque.runtime.restoring`), so that training can go on from it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from calque.adapters import FOLDER, SlotInput, adapters_in
from calque.config import ModelConfig, is_calque_model, is_export
from calque.errors import CalqueError, MissingExtraError, ModelError
from calque.loading import DEFAULT
from calque.pieces import budget_batches
from calque.runtime.adapters import ExportedAdapters
from calque.runtime.agreement import UNDETERMINED, Under, agreement, enough, ways_through
from calque.runtime.fusing import wholly_fused
from calque.runtime.session import ONNX_FILE, ONNX_FORMAT, RELATIONS_FILE, OnnxModel
from calque.tasks import output_size, outputs_of

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from calque.models.adapters.slots import Slotted
    from calque.models.model import Model
    from calque.runtime.graph import Extra
    from calque.runtime.quantise import Embeddings
    from calque.runtime.restoring import Place

FLOAT_LABELS = 64  # the output layer of a head with more is stored as the rest of the matrices are
FEW_WORDS = 200  # of a language: of fewer, one word labelled otherwise is under the bar of 99.5 %
POOLER = "backbone.pooler."  # of a BERT made by hand: nothing reads it
LISTENED = 200  # sentences on which outliers are looked for
Quantise = Literal["int8", "none"]
Check = Sequence[Sequence[str]] | Mapping[str, Sequence[Sequence[str]]]
WAYS: tuple[tuple[str, Embeddings], ...] = (  # the smallest first; then all float
    ("int8", "int8"),
    ("mixed", "int8"),
    ("int8", "float16"),
    ("float32", "int8"),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to store the weights, and the share of words it labels as the float graph does."""

    weights: str
    embeddings: str
    agreement: float  # the lowest of all tasks
    tasks: dict[str, float]  # of each
    enough: bool  # whether every task's is at its bar
    under: tuple[Under, ...] = ()  # languages in which a task's is not


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What :func:`export` wrote, and what it measured."""

    path: Path
    weights: str  # "int8", "mixed" (the few matrices with the wildest inputs in float) or "float32"
    embeddings: str  # "int8", "float16" or "float32"
    agreement: float  # with the float graph, the lowest of all tasks; 1.0 when nothing was quantised
    words: int  # that the agreement was measured on; 0 when nothing was quantised
    bytes: int  # of the whole folder
    difference: float  # largest difference between a logit of the float graph and PyTorch's
    exporter: str
    seconds: float
    attempts: tuple[Attempt, ...]  # in the order tried
    languages: dict[str, float] = field(default_factory=dict)  # of the way taken: the lowest of all tasks, by language
    # adapters that only PyTorch runs: fusions, parsers, those of the library peft, and those of another placement or activation
    # than most have
    left_behind: tuple[str, ...] = ()

    @property
    def weights_changed(self) -> bool:
        """Whether anything is stored in fewer bits than the model was trained in."""
        return (self.weights, self.embeddings) != ("float32", "float32")

    @property
    def under(self) -> tuple[Under, ...]:
        """Languages in which the way that was taken agrees less than a task's bar asks, the lowest share first."""
        return self.attempts[-1].under if self.attempts and self.attempts[-1].enough else ()

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries and lists."""
        return {**asdict(self), "path": str(self.path), "under": [asdict(one) for one in self.under]}

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.bytes / 1e6:.1f} MB, weights {self.weights}, embeddings {self.embeddings}"]
        for a in self.attempts:
            each = f" ({', '.join(f'{task} {share:.2%}' for task, share in a.tasks.items())})" if len(a.tasks) > 1 else ""
            told = f"{a.agreement:.2%} of {self.words:,} words labelled as in float{each}"
            lines.append(f"  weights {a.weights}, embeddings {a.embeddings}: {told}{'' if a.enough else ', too few: not used'}")
        if self.attempts and not self.attempts[-1].enough:
            lines.append(
                "  no smaller way agrees well enough: the weights stay in float (measure on text of your own with --check)"
            )
        lines += _told_under(self.under)
        if self.left_behind:
            lines.append(f"  adapters that stay behind, for PyTorch alone to run: {', '.join(self.left_behind)}")
        lines.append(f"  float graph against PyTorch: largest difference {self.difference:.1e}; {self.seconds:.0f} s")
        return "\n".join(lines)


def _told_under(under: Sequence[Under]) -> list[str]:
    """A line for each task that has languages under its bar, and what to do where little was measured."""
    lines = []
    for task in dict.fromkeys(one.task for one in under):
        mine = [one for one in under if one.task == task]
        shown = ", ".join(f"{one.language} {one.agreement:.2%} of {one.of:,}" for one in mine)
        lines.append(f"  {task}: languages under the bar of {mine[0].bar:.1%}: {shown}")
    few = next((one.language for one in under if one.of < FEW_WORDS), None)
    if few is not None:
        lines.append(f"  so little text decides little: measure on more of it with  --check {few}=FILE")
    return lines


def export(
    model: Model | str | Path, output: str | Path, *, quantise: Quantise = "int8", check: Check | None = None
) -> ExportReport:
    """Write a model as a folder that :class:`calque.runtime.session.OnnxModel` runs.

    :param model: a model with at least one head, its name, or its folder.
    :param output: the folder to write; one that an earlier export wrote is replaced.
    :param quantise: "int8" for 8-bit weights, where they agree with float on 99.5 % of the words of ``check``; or "none".
    :param check: sentences (lists of words) to measure that on, or such by language (``{"es": sentences}``), which are then
        judged one by one too; by default sixty in fifty languages. Text like your own is better, and a few thousand words of it.
    :raises CalqueError: when the model has no head, its encoder cannot be written as ONNX, or the folder cannot be written.
    """
    if quantise not in ("int8", "none"):
        raise CalqueError(f"unknown quantisation {quantise!r}: int8 or none")
    started = time.monotonic()
    target = Path(output)
    check_replaceable(target)
    loaded = _load(model)
    if not loaded.config.tasks and not any(c.head for c in loaded.adapter_configs.values()):
        raise ModelError(
            "a bare encoder has no head to export: train one with  calque train pos --model NAME --train FILE --output DIR"
        )
    _check_adapters(loaded, target)
    sentences, langs = _sentences(check) if quantise == "int8" else ([], [])
    from calque.models.saving import whole_folder

    with (
        whole_folder(target) as fresh,
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=fresh.parent) as work,
    ):
        folder, report, places = _write_graph(loaded, Path(work), sentences, langs)
        for part in folder.iterdir():
            part.rename(fresh / part.name)
        _describe(loaded, fresh, report, places)
        for name in _slotted(loaded):
            loaded.save_adapter(name, fresh / FOLDER / name)
        size = sum(f.stat().st_size for f in fresh.rglob("*"))
    kept = {name for name, c in loaded.adapter_configs.items() if not c.training.get("temporary")}
    left = tuple(sorted(kept - set(_slotted(loaded))))
    return replace(report, path=target, bytes=size, seconds=time.monotonic() - started, left_behind=left)


def check_replaceable(target: Path) -> None:
    """Refuse to write over anything but an earlier export.

    :raises CalqueError: that says what is there.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise CalqueError(f"{target}: a file is there; give a folder that does not exist yet")
    if any(target.iterdir()) and not (is_calque_model(target) and (target / ONNX_FILE).is_file()):
        raise CalqueError(f"{target}: there is a folder that no export wrote; give one that does not exist yet")
    if (target / "encoder").exists() or (target / "heads.safetensors").exists():
        raise CalqueError(f"{target}: holds PyTorch weights that would be lost; give a folder that does not exist yet")


def _slotted(model: Model) -> list[str]:
    """Names of the adapters that the graph has slots for."""
    found: dict[tuple[str, str], list[str]] = {}  # by what one graph has one of
    for name, config in model.adapter_configs.items():
        parses = config.head is not None and config.head.kind == "tree"
        if config.role != "fusion" and config.shape is not None and not config.training.get("temporary") and not parses:
            found.setdefault((config.shape.placement, config.shape.activation), []).append(name)
    return max(found.values(), key=len, default=[])


def _check_adapters(model: Model, target: Path) -> None:
    """Refuse to lose adapters that were put into an earlier export."""
    lost = sorted(set(adapters_in(target)) - set(model.adapter_configs))
    if lost:
        raise CalqueError(
            f"{target}: holds adapters that this model does not have ({', '.join(lost)}): put them into it "
            "(calque adapters import), or remove them there"
        )


def _load(model: Model | str | Path) -> Model:
    if not isinstance(model, str | Path):
        if getattr(model, "encoder", None) is None:
            raise ModelError(f"{model!r:.80} cannot be exported: give a calque.Model, its name or its folder")
        return model
    if is_export(model) or str(model) == DEFAULT:
        raise ModelError(f"{model}: is an export already; export the model that it came from")
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("export", "train") from error
    from calque.models.model import Model as TorchModel

    return TorchModel.load(str(model))


def _sentences(check: Check | None) -> tuple[list[list[str]], list[str]]:
    """What small weights are measured on, and the language of each sentence."""
    from calque.runtime.samples import LANGUAGES, SENTENCES

    if check is None:
        pairs: list[tuple[str, Sequence[str]]] = list(zip(LANGUAGES, SENTENCES, strict=True))
    elif isinstance(check, Mapping):
        pairs = [(lang, words) for lang, own in check.items() for words in own]
    else:
        pairs = [(UNDETERMINED, words) for words in check]
    sentences, langs = [list(words) for _, words in pairs if words], [lang for lang, words in pairs if words]
    if not sentences:
        raise CalqueError("there are no sentences to measure the small weights on: give some, or ask for no quantisation")
    return sentences, langs


def _write_graph(
    model: Model, work: Path, sentences: list[list[str]], langs: list[str]
) -> tuple[Path, ExportReport, dict[str, Place]]:
    """The graph in the smallest way that agrees with float; all float when there are no sentences. And where its weights are."""
    from calque.runtime.graph import to_onnx
    from calque.runtime.quantise import loud_matrices, quantise_matrices, shrink_embeddings
    from calque.runtime.restoring import locate

    config, pieces = model.config, model.encoder.pieces
    module, extras, adapters = _with_slots(model, work / "adapters")
    graph, exporter, difference = to_onnx(
        module,
        module.outputs(),
        work / "float",
        vocabulary=pieces.tokenizer.get_vocab_size(with_added_tokens=True),
        features=pieces.forms.rows if pieces.forms is not None else 0,
        slots=pieces.forms.slots if pieces.forms is not None else 0,
        extras=extras,
    )
    _write_relations(model, graph.parent)
    places = locate(_weights(model), graph, beside=_relations(model))
    words = sum(len(s) for s in sentences)
    report = ExportReport(graph.parent, "float32", "float32", 1.0, words, 0, difference, exporter, 0.0, ())
    if not sentences:
        return graph.parent, report, places
    reference = OnnxModel(graph.parent, config, pieces, adapters=adapters)
    small = [name for t, c in config.tasks.items() if output_size(c) <= FLOAT_LABELS for name in outputs_of(t, c.kind)]
    sources = {"float32": graph}

    def stored(weights: str) -> Path | None:
        """The graph with its matrices stored in that way; None where it would be as in 8 bits."""
        if weights not in sources:
            loud = loud_matrices(graph, _feeds(reference, sentences), work / "watched.onnx") if weights == "mixed" else []
            if weights == "mixed" and not loud:
                return None
            sources[weights] = work / f"{weights}.onnx"
            quantise_matrices(graph, sources[weights], outputs=small, spared=loud)
        return sources[weights]

    attempts: list[Attempt] = []
    for weights, embeddings in WAYS:
        source = stored(weights)
        if source is None:
            continue
        folder = work / f"{weights}-{embeddings}"
        folder.mkdir()
        shrink_embeddings(source, folder / ONNX_FILE, kind=embeddings)
        _write_relations(model, folder)
        found = agreement(reference, OnnxModel(folder, config, pieces, adapters=adapters), sentences, langs)
        share = min(found.tasks.values())
        attempts.append(Attempt(weights, embeddings, share, found.tasks, enough(found.tasks, reference), found.under))
        if attempts[-1].enough:
            lowest = {lang: min(shares.values()) for lang, shares in found.languages.items()}
            taken = replace(
                report, weights=weights, embeddings=embeddings, agreement=share, attempts=tuple(attempts), languages=lowest
            )
            return folder, taken, places
        shutil.rmtree(folder)
    return graph.parent, replace(report, attempts=tuple(attempts)), places


def _weights(model: Model) -> dict[str, NDArray[np.float32]]:
    """The model's own weights, without those of adapters, by their names in it."""
    import torch

    parts = {"encoder": model.encoder, "mixer": model.mixer, "layermix": model.layermix, "heads": model.heads}
    return {
        f"{part}.{name}": value.detach().to("cpu", torch.float32).numpy()
        for part, module in parts.items()
        for name, value in (module.state_dict().items() if module is not None else ())
        if value.is_floating_point() and not name.startswith(POOLER)
    }


def _relations(model: Model) -> dict[str, NDArray[np.float32]]:
    """What names the relations of trees, by its names in the model."""
    from calque.models.treehead import TreeHead

    trees = {task: head.relation_weights() for task, head in model.heads.items() if isinstance(head, TreeHead)}
    return {f"heads.{task}.{key}": value for task, own in trees.items() for key, value in own.items()}


def _write_relations(model: Model, folder: Path) -> None:
    """What names the relations of trees, beside the graph."""
    from safetensors.numpy import save_file

    weights = {name.removeprefix("heads."): value.astype(np.float16) for name, value in _relations(model).items()}
    if weights:
        save_file(weights, str(folder / RELATIONS_FILE))


def _feeds(model: OnnxModel, sentences: list[list[str]]) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs of the graph for some of the sentences, as they are and through each adapter with a head."""
    every = max(1, len(sentences) // LISTENED)
    rows = model.pieces.rows(sentences[::every])
    for group in budget_batches([len(row.ids) for row in rows], 2048):
        batch = model.pieces.batch([rows[i] for i in group]).arrays()
        for setup in dict.fromkeys(setup for _, _, setup in ways_through(model)):
            yield {**batch, **(model.adapters.feed([setup] * len(group)) if model.adapters is not None else {})}


def _with_slots(model: Model, work: Path) -> tuple[Slotted, list[Extra], ExportedAdapters | None]:
    """The model as it is exported, its further inputs, and its adapters as they will run."""
    import torch

    from calque.models.adapters.slots import Slotted, layout_of
    from calque.runtime.graph import Extra

    names = _slotted(model)
    if not names:
        return Slotted(model, None), [], None

    layout = layout_of(model.adapters, names)
    adapters = ExportedAdapters(layout, model.fingerprint())
    for name in names:
        adapters.add(model.save_adapter(name, work / name))

    def example(one: SlotInput) -> Extra:
        def make(rows: int) -> torch.Tensor:
            shape = one.shape(3, 4, 5, rows)
            generator = torch.Generator().manual_seed(len(one.name))
            if one.name == "adapter_index":  # levels that no row asks for are another path through the graph
                return torch.randint(0, 4, shape, generator=generator) * (torch.arange(shape[1]) < rows - 1)
            stack = 0.1 * torch.randn(shape, generator=generator)
            stack.select(one.dims.index("adapters"), 0).zero_()  # number 0 is none
            return stack

        return Extra(one.name, make, {axis: d for axis, d in enumerate(one.dims) if isinstance(d, str)})

    return Slotted(model, layout), [example(one) for one in layout.inputs()], adapters


def _describe(model: Model, folder: Path, report: ExportReport, places: Mapping[str, Place]) -> None:
    """Write ``config.json``, ``tokenizer.json`` and ``README.md`` beside the graph."""
    onnx: dict[str, Any] = {
        "format": ONNX_FORMAT,
        "weights": report.weights,
        "embeddings": report.embeddings,
        "agreement": round(report.agreement, 5),
        "agreement_by_task": {task: round(share, 5) for a in report.attempts[-1:] if a.enough for task, share in a.tasks.items()},
        "checked_words": report.words,
        "languages_under_bar": sorted({one.language for one in report.under}),
        "pad_id": model.encoder.pieces.pad_id,
        "fused": wholly_fused(folder / ONNX_FILE, len(model.encoder.layers)),
    }
    if places:
        onnx |= {"architecture": model.encoder.architecture, "parameters": dict(places)}
    from calque.models.card import model_card

    if names := _slotted(model):
        from calque.models.adapters.slots import layout_of

        onnx["adapters"] = {"layout": asdict(layout_of(model.adapters, names)), "fingerprint": model.fingerprint()}

    # no weights of the encoder lie here: what stays is where they came from
    encoder = model.config.base if model.config.encoder == "encoder" else model.config.encoder
    config: ModelConfig = replace(model.config, encoder=encoder, extra={**model.config.extra, "onnx": onnx})
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    model.encoder.pieces.save(folder)
    stored = f"Weights {report.weights}, embeddings {report.embeddings}"
    if report.weights_changed:
        stored += f"; {report.agreement:.2%} of {report.words:,} words are labelled as by the float model"
    if report.under:
        stored += f" (too few in {', '.join(sorted({one.language for one in report.under}))})"
    use = "`calque.load(FOLDER)` and `calque parse --model FOLDER` run it without PyTorch"
    use += "; `calque train … --model FOLDER` goes on from it." if places else "."
    section = f"## Exported to ONNX\n\n{stored}. {use}"
    (folder / "README.md").write_text(f"{model_card(config).rstrip()}\n\n{section}\n", encoding="utf-8")

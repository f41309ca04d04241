"""Everything that ships as weights, in one command: the encoder ``mini`` and the embedded default on top of it.

    python recipes/build.py --data ../shared/data --work build

Hours of two processor cores, most of them the two trainings, whose minutes are options. Steps whose results are there are not
made again; pre-training and training go on from their checkpoints when the command is given again. Needs
``pip install -e '.[train]' scipy opencc-python-reimplemented``.
"""

from __future__ import annotations

import argparse
import os
import shutil
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
    parser.add_argument("--work", type=Path, default=Path("build"), help="intermediate files, some 600 MB")
    parser.add_argument("--output", type=Path, default=HERE.parent / "src" / "calque" / "bundled")
    parser.add_argument("--pretrain-minutes", type=float, default=31)
    parser.add_argument("--train-minutes", type=float, nargs=3, default=(35, 54, 12))
    args = parser.parse_args()
    mini, default = args.work / "mini", args.work / "default"
    if not (mini / "ids").exists():
        run("mini/prepare.py", "--data", args.data, "--work", mini)
    if not (mini / "embeddings.npy").exists():
        run("mini/initialise.py", "--data", args.data, "--work", mini)
    encoder = mini / "encoder"
    if not encoder.exists():
        run("mini/pretrain.py", "--work", mini, "--minutes", str(args.pretrain_minutes), "--output", encoder)
    run("mini/card.py", "--work", mini, "--output", encoder)
    shutil.copytree(encoder, args.output / "mini", dirs_exist_ok=True)
    if not (default / "sources.json").exists():
        run("default/treebanks.py", "--data", args.data, "--work", default)
    if not (default / "model").exists():
        run("default/train.py", "--work", default, "--encoder", args.output / "mini", "--minutes", *map(str, args.train_minutes))
    run("default/finish.py", "--data", args.data, "--work", default, "--output", args.output / "default")


if __name__ == "__main__":
    main()

"""The comparison of strategies on ten languages, five of them with little data: `calque compare` on treebanks in a folder.

    python benchmarks/comparison.py --data ../shared/data/ud --output runs/comparison --jobs 2
    python benchmarks/comparison.py --data ../shared/data/ud --output runs/small --languages es,te --shots 0,50 --seeds 2 \
        --strategies zero-shot,few-shot,adapter --source-limit 400 --test-limit 100

Languages and files are chosen here; every other option is one of `calque compare`, whose command is printed. The training file is
the treebank's, or its dev file where the data has no training file; never its test file. Forgetting is measured on English's dev
file. `--plan` says how long it takes. Peers on the same sentences:

    python benchmarks/few_shot_peers.py --draws runs/comparison/draws --work runs/peers --languages es --limit 100
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ("en", "UD_English-EWT")
TREEBANKS = {
    "es": "UD_Spanish-GSD",
    "ca": "UD_Catalan-AnCora",
    "fr": "UD_French-GSD",
    "de": "UD_German-GSD",
    "zh": "UD_Chinese-GSDSimp",
    "cy": "UD_Welsh-CCG",
    "ga": "UD_Irish-IDT",
    "mt": "UD_Maltese-MUDT",  # mini has not been pre-trained on it
    "te": "UD_Telugu-MTG",
    "ug": "UD_Uyghur-UDT",
}
DEFAULTS = {
    "--shots": "0,10,50,100,500,all",
    "--seeds": "5",
    "--strategies": "zero-shot,few-shot,joint,replay,adapter,monolingual,self-training",
}


def split(folder: Path, *names: str) -> Path:
    for name in names:
        for suffix in (".conllu.xz", ".conllu.gz", ".conllu"):
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    sys.exit(f"{folder}: no {' or '.join(names)} file (.conllu, .conllu.gz, .conllu.xz)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], epilog="further options: calque compare --help")
    parser.add_argument("--data", type=Path, required=True, help="folder of treebanks: UD_English-EWT/train.conllu.xz and so on")
    parser.add_argument("--output", type=Path, default=Path("runs/comparison"))
    parser.add_argument("--languages", type=lambda text: text.split(","), default=list(TREEBANKS))
    options, further = parser.parse_known_args()
    unknown = [lang for lang in options.languages if lang not in TREEBANKS]
    if unknown:
        parser.error(f"no treebank known for {', '.join(unknown)}: there are {', '.join(TREEBANKS)}")
    lang, treebank = SOURCE
    command = ["compare", "--output", str(options.output), "--source"]
    command.append(f"{lang}={split(options.data / treebank, 'train')}:{split(options.data / treebank, 'dev')}")
    for lang in options.languages:
        folder = options.data / TREEBANKS[lang]
        command += ["--targets", f"{lang}={split(folder, 'train', 'dev')}:{split(folder, 'test')}"]
    command += further
    for name, value in DEFAULTS.items():
        if name not in further:
            command += [name, value]
    print("$ calque", shlex.join(command), file=sys.stderr, flush=True)
    paths = filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    sys.exit(subprocess.run([sys.executable, "-m", "calque", *command], env=environment).returncode)


if __name__ == "__main__":
    main()

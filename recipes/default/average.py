"""The mean of two models' weights: what training started from, and what came of it.

    python recipes/default/average.py --before build/default/start --after build/default/model --output build/default/mean

Choices and trade-offs
- All weights, heads and word features too: both are of one run, so they lie close enough for a straight line between them to be
  good (Wortsman et al. 2022, "Robust fine-tuning"; the end of a run that went on has unlearnt a little of what came before).
- A fifth of the old ones, chosen on the sentences that were kept aside (``docs/lab.md``).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

FILES = ("encoder/model.safetensors", "heads.safetensors", "mixer.safetensors", "layermix.safetensors")


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--after", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.2, help="of the weights from before")
    args = parser.parse_args()
    part = args.output.with_name(f"{args.output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(args.after, part)
    for name in FILES:
        old, new = load_file(args.before / name), load_file(args.after / name)
        fresh = [key for key in new if key not in old or old[key].shape != new[key].shape]
        if fresh:
            print(f"{name}: as trained, since the start has none such: {', '.join(fresh)}")
        mean = {key: new[key] if key in fresh else new[key].lerp(old[key].to(new[key].dtype), args.share) for key in new}
        save_file({key: value.contiguous() for key, value in mean.items()}, part / name, metadata={"format": "pt"})
    part.rename(args.output)


if __name__ == "__main__":
    main()

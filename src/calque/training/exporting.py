"""From a finished training straight to a folder that runs without PyTorch: ``calque train --export``.

Choices and trade-offs
- The export lies beside the model (``models/es`` → ``models/es-onnx``) and not in it: the model's own folder can be trained on,
  and each folder is one thing that :func:`calque.load` opens by itself.
- What is exported is the folder that was written, as ``calque export`` does it. Whether the place for it is free is asked before
  the training starts; whatever goes wrong after it, the trained model stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calque.errors import CalqueError, TrainingError
from calque.training.progress import Reporter

if TYPE_CHECKING:
    from calque.runtime.export import ExportReport


def export_path(output: str | Path | None, wanted: bool | str | Path) -> Path | None:
    """Where a model will be exported to, when it is trained; None where that is not wanted.

    :param output: the folder of the model.
    :param wanted: True for the folder beside the output, or a folder.
    :raises TrainingError: when there is no output, or the place holds anything but an earlier export.
    """
    if wanted is False:
        return None
    from calque.runtime.export import check_replaceable

    model = Path("" if output is None else output).expanduser()
    if not model.name:  # also of "." and "/"
        raise TrainingError("--export is of a model that is saved: give the name of its folder with --output")
    folder = model.with_name(f"{model.name}-onnx") if wanted is True else Path(wanted).expanduser()
    if folder.resolve() == model.resolve():
        raise TrainingError(f"--export {folder}: is the folder of the model itself: give another")
    try:
        check_replaceable(folder)
    except CalqueError as error:
        raise TrainingError(f"no place for --export: {error}, or another --output") from None
    return folder


def export_trained(output: str | Path, folder: Path, reporter: Reporter) -> ExportReport:
    """Export a model that was just trained, as ``calque export`` does.

    :param output: the folder of the model.
    :param folder: of :func:`export_path`.
    :raises TrainingError: when it cannot be exported; the model is then still there.
    """
    from calque.runtime.export import export

    model = Path(output).expanduser()
    reporter.say(f"exporting to {folder}")
    try:
        return export(model, folder)
    except (CalqueError, OSError) as error:
        raise TrainingError(
            f"the model is trained and stays in {output}, but could not be exported: {error}. When that is mended:  "
            f"calque export {output} --output {folder}"
        ) from error

"""The tiny encoder and treebanks of training, a source model and unlabelled text."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.conftest import OTHER, encoder, no_flushing, synthetic, treebanks  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text of the target language, labels in the file that nobody may read."""
    path = tmp_path_factory.mktemp("raw") / "raw.conllu"
    path.write_text(synthetic(20, seed=7, lexicon=OTHER), encoding="utf-8")
    return path

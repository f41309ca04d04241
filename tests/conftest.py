"""What all tests share: the data folder that does not ship, hypothesis without a clock, a tagger small enough to read."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a busy machine is not a failing test.
settings.register_profile("calque", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calque")

TAGS = ["ADJ", "ADP", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "VERB", "X"]
LEXICON = {
    "DET": "el la los las un una the a",
    "NOUN": "gato mesa casa perro cat mat dog house supermercado leche",
    "AUX": "está es is 'm",
    "ADP": "en de a_ on to in",
    "VERB": "ve come going buy sat",
    "PRON": "yo i it",
    "PUNCT": ". , ? !",
}
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data folder beside the checkout, or the one that CALQUE_SHARED names; tests that need it are skipped without."""
    folder = Path(os.environ.get("CALQUE_SHARED") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data at {folder} (set CALQUE_SHARED)")
    return folder


@pytest.fixture(scope="session")
def lexicon_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model that knows thirty words, one piece each; every other word is X. Written without PyTorch."""
    return write_lexicon_model(tmp_path_factory.mktemp("models") / "lexicon", LEXICON)


def write_lexicon_model(folder: Path, lexicon: Mapping[str, str], *, max_length: int = 64) -> Path:
    np = pytest.importorskip("numpy")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    from calque.config import ModelConfig, TaskConfig

    words = {word: tag for tag, listed in lexicon.items() for word in listed.split()}
    vocabulary = {piece: i for i, piece in enumerate([*SPECIALS, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    table = np.zeros((len(vocabulary), len(TAGS)), dtype=np.float32)
    table[:, TAGS.index("X")] = 1.0  # an unknown word is X, without much conviction
    for word, tag in words.items():
        table[vocabulary[word]] = 8.0 * (np.array(TAGS) == tag)

    make, value = helper.make_node, helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            make("Gather", ["table", "input_ids"], ["looked_up"]),
            make("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            make("Unsqueeze", ["mask", "last"], ["mask3"]),
            make("Mul", ["looked_up", "mask3"], ["pieces"]),
            make("MatMul", ["pooling", "pieces"], ["pos_logits"]),
        ],
        "lexicon",
        [
            value("input_ids", TensorProto.INT64, ["rows", "pieces"]),
            value("attention_mask", TensorProto.INT64, ["rows", "pieces"]),
            value("pooling", TensorProto.FLOAT, ["rows", "words", "pieces"]),
        ],
        [value("pos_logits", TensorProto.FLOAT, ["rows", "words", len(TAGS)])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([-1], dtype=np.int64), "last")],
    )
    folder.mkdir(parents=True)
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(folder / "model.onnx")
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = ModelConfig(name="lexicon", tasks={"pos": TaskConfig(TAGS)}, languages=["es", "en"], licence="Apache-2.0")
    config.max_length = max_length
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    return folder

"""Tiny PyTorch models of the encoder families, with random weights and a tokenizer trained on a few lines."""

from collections.abc import Callable

import pytest

LINES = [
    "the cat sat on the mat and the dog ran to the house",
    "el gato está en la mesa y el perro corre hacia la casa",
    "el gat és a la taula i el gos corre cap a casa",
    "die Katze sitzt auf dem Tisch und der Hund läuft nach Hause",
    "猫在桌子上 , 狗跑回家 。",
]
SIZE = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
SIZE["max_position_embeddings"] = 66
T5 = {"num_layers": 1, "d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 64}
FAMILIES = {
    "bert": SIZE,
    "electra": SIZE | {"embedding_size": 16},
    "roberta": SIZE | {"pad_token_id": 1},
    "xlm-roberta": SIZE | {"pad_token_id": 1},
    "modernbert": SIZE | {"local_attention": 16, "global_attn_every_n_layers": 2, "num_hidden_layers": 2, "pad_token_id": 0},
    "deberta-v2": SIZE
    | {
        "relative_attention": True,
        "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "type_vocab_size": 0,
        "position_biased_input": False,
    },
    "t5": T5,
    "mt5": T5,
}
LABELS = ["ADJ", "ADP", "AUX", "DET", "NOUN", "PUNCT", "VERB", "X"]


@pytest.fixture(scope="session")
def make_model() -> Callable:
    """``make_model(family, **config)``: a model with a ``pos`` head, random but the same every time."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    from calque.config import ModelConfig
    from calque.models.encoder import Encoder
    from calque.models.model import Model
    from calque.pieces import WordPieces

    def tokenizer() -> Tokenizer:
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        specials = ["[PAD]", "<pad>", "[UNK]", "[CLS]", "[SEP]"]
        made.train_from_iterator(
            LINES, trainers.UnigramTrainer(vocab_size=150, special_tokens=specials, unk_token="[UNK]", show_progress=False)
        )
        made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)])
        return made

    def make(family: str = "electra", *, max_length: int = 64, scale: float = 1.0, **changes: object) -> Model:
        torch.manual_seed(7)
        cut = tokenizer()
        config = transformers.AutoConfig.for_model(family, **(FAMILIES[family] | {"vocab_size": 200} | changes))
        kinds = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel"}
        backbone = getattr(transformers, kinds[family])(config) if family in kinds else transformers.AutoModel.from_config(config)
        model = Model(Encoder(backbone, WordPieces(cut, max_length=max_length), name="tiny"), ModelConfig(name="tiny"))
        model.add_head("pos", LABELS)
        # labels decided by a wide margin, as a trained head decides them
        torch.nn.init.normal_(model.heads["pos"].linear.weight, std=scale)
        return model.eval()

    return make


@pytest.fixture
def sentences() -> list[list[str]]:
    return [line.split() for line in LINES]

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from calque.errors import ModelError  # noqa: E402
from calque.models import Model  # noqa: E402
from calque.models.encoder import Encoder, load_pieces  # noqa: E402

Checkpoint = Callable[..., Path]

WINDOWS = {
    "xlm-roberta": 64, "xlm-roberta-xl": 64, "camembert": 64, "roberta": 64, "bert": 64, "distilbert": 64, "electra": 64,
    "rembert": 64, "deberta-v2": 64, "modernbert": 512, "t5": 512, "mt5": 512, "umt5": 512,
}  # fmt: skip
SENTENCE = "el gato negro está en la mesa , y la casa también .".split()


@pytest.mark.parametrize("kind", WINDOWS)
def test_each_family_loads_with_its_window_and_fills_it(checkpoint: Checkpoint, kind: str) -> None:
    encoder = Encoder.load(checkpoint(kind))
    assert encoder.pieces.max_length == WINDOWS[kind]
    assert not encoder.training
    rows = encoder.pieces.rows([["gato"] * 700, SENTENCE])
    assert max(len(r.ids) for r in rows) > encoder.pieces.room - 8
    batch = encoder.pieces.batch(rows)
    with torch.inference_mode():
        hidden = encoder(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
    assert hidden.shape == (*batch.input_ids.shape, encoder.hidden_size)
    assert torch.isfinite(hidden).all()


@pytest.mark.parametrize("kind", WINDOWS)
def test_padding_does_not_change_vectors(checkpoint: Checkpoint, kind: str) -> None:
    encoder = Encoder.load(checkpoint(kind))
    rows = encoder.pieces.rows([SENTENCE, SENTENCE[:3]])
    alone = encoder.pieces.batch(rows[1:])
    both = encoder.pieces.batch(rows)
    with torch.inference_mode():
        one = encoder(torch.from_numpy(alone.input_ids), torch.from_numpy(alone.attention_mask))
        two = encoder(torch.from_numpy(both.input_ids), torch.from_numpy(both.attention_mask))
    assert torch.allclose(one[0], two[1, : one.shape[1]], atol=1e-5)


@pytest.mark.parametrize("kind", WINDOWS)
def test_all_layers_end_with_the_last(checkpoint: Checkpoint, kind: str) -> None:
    encoder = Encoder.load(checkpoint(kind))
    batch = encoder.pieces.batch(encoder.pieces.rows([SENTENCE]))
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
    with torch.inference_mode():
        layers = encoder.all_layers(ids, mask)
        assert len(layers) == len(encoder.layers) + 1
        assert layers[1].shape == encoder(ids, mask).shape


@pytest.mark.parametrize("kind", WINDOWS)
def test_groups_hold_every_parameter_once_and_freezing_stops_gradients(checkpoint: Checkpoint, kind: str) -> None:
    encoder = Encoder.load(checkpoint(kind))
    embeddings, layers, rest = encoder.parameter_groups()
    ids = [id(p) for group in (embeddings, *layers, rest) for p in group]
    assert sorted(ids) == sorted(id(p) for p in encoder.parameters())
    assert len(layers) == 2
    assert any(p.shape[0] == encoder.backbone.config.vocab_size for p in embeddings)
    encoder.freeze(embeddings=True)
    assert not any(p.requires_grad for p in embeddings)
    assert all(p.requires_grad for p in [*layers[0], *layers[1], *rest])
    encoder.freeze(layers=1)
    assert not any(p.requires_grad for p in [*embeddings, *layers[0]])
    assert all(p.requires_grad for p in layers[1])
    encoder.freeze(everything=True)
    assert not any(p.requires_grad for p in encoder.parameters())
    encoder.freeze()
    assert all(p.requires_grad for p in encoder.parameters())
    with pytest.raises(ModelError, match="has 2"):
        encoder.freeze(layers=3)


def test_float16_weights_become_float32(checkpoint: Checkpoint) -> None:
    encoder = Encoder.load(checkpoint("xlm-roberta", half=True))
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_there_is_no_pooler_to_train_in_vain(checkpoint: Checkpoint) -> None:
    for kind in ("xlm-roberta", "bert"):
        assert not any("pooler" in name for name, _ in Encoder.load(checkpoint(kind)).named_parameters())


def test_the_encoder_is_the_librarys(checkpoint: Checkpoint) -> None:
    folder = checkpoint("mt5")
    encoder = Encoder.load(folder)
    reference = transformers.MT5Model.from_pretrained(folder, dtype=torch.float32).encoder.eval()
    ids = torch.tensor([[5, 6, 7, 1]])
    with torch.inference_mode():
        assert torch.allclose(encoder(ids, torch.ones_like(ids)), reference(ids).last_hidden_state, atol=1e-6)


def test_saved_and_loaded_is_the_same(checkpoint: Checkpoint, tmp_path: Path) -> None:
    encoder = Encoder.load(checkpoint("modernbert"))
    encoder.save_pretrained(tmp_path / "copy")
    again = Encoder.load(tmp_path / "copy")
    assert again.pieces.pad_id == encoder.pieces.pad_id
    rows = encoder.pieces.rows([SENTENCE])
    assert rows[0].ids.tolist() == again.pieces.rows([SENTENCE])[0].ids.tolist()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    library = transformers.AutoTokenizer.from_pretrained(tmp_path / "copy")
    assert library.pad_token == "[PAD]"
    transformers.AutoModel.from_pretrained(tmp_path / "copy")


def test_old_checkpoints_in_pickle_are_read_as_numbers_only(checkpoint: Checkpoint, tmp_path: Path) -> None:
    source = checkpoint("bert")
    folder = tmp_path / "old"
    shutil.copytree(source, folder)
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    old, new = Encoder.load(folder), Encoder.load(source)
    for name, tensor in new.state_dict().items():
        assert torch.equal(tensor, old.state_dict()[name])


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    shutil.copytree(checkpoint("bert"), folder)
    (folder / "model.safetensors").unlink()
    flag = tmp_path / "flag"

    class Evil:
        def __reduce__(self) -> object:
            return Path.touch, (flag,)

    torch.save({"x": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read"):
        Encoder.load(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="cannot be read"):
        Encoder.load(folder)
    assert not flag.exists()


def _copy(checkpoint: Checkpoint, tmp_path: Path, kind: str = "xlm-roberta") -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint(kind), folder)
    return folder


@pytest.mark.parametrize("keep", [0, 3, 100, 0.5, 0.99])
def test_truncated_weights_are_an_error(checkpoint: Checkpoint, tmp_path: Path, keep: float) -> None:
    folder = _copy(checkpoint, tmp_path)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(ModelError, match="download it again"):
        Encoder.load(folder)


def test_weights_of_another_model_are_an_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = _copy(checkpoint, tmp_path)
    shutil.copy(checkpoint("modernbert") / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(ModelError, match="lack"):
        Encoder.load(folder)


def test_weights_of_another_size_are_an_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = _copy(checkpoint, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 40}))
    with pytest.raises(ModelError, match="in other sizes"):
        Encoder.load(folder)


def test_a_tokenizer_of_another_model_is_an_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = _copy(checkpoint, tmp_path)
    shutil.copy(checkpoint("roberta") / "tokenizer.json", folder / "tokenizer.json")
    with pytest.raises(ModelError, match="different models"):
        Encoder.load(folder)


@pytest.mark.parametrize(
    ("leave", "add", "says"),
    [
        ([], ["model.gguf"], "GGUF"),
        ([], ["tf_model.h5"], "TensorFlow"),
        ([], ["adapter_model.safetensors"], "LoRA"),
        ([], [], "there are none"),
    ],
)
def test_weights_of_other_kinds_are_named(
    checkpoint: Checkpoint, tmp_path: Path, leave: list[str], add: list[str], says: str
) -> None:
    folder = _copy(checkpoint, tmp_path)
    (folder / "model.safetensors").unlink()
    for name in add:
        (folder / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=says):
        Encoder.load(folder)


def test_no_tokenizer_is_an_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = _copy(checkpoint, tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        Encoder.load(folder)
    (folder / "sentencepiece.bpe.model").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="damaged"):
        Encoder.load(folder)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "gpt2"}, "text generator"),
        ({"model_type": "marian"}, "sequence-to-sequence"),
        ({"model_type": "vit"}, "vision"),
        ({"model_type": "whisper"}, "speech"),
        ({"model_type": "brandnew", "auto_map": {"AutoModel": "x.Y"}}, "never does"),
        ({"model_type": "bert", "is_decoder": True}, "decoder"),
        ({"architectures": ["X"]}, "model_type"),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 9, "pad_token_id": 1}, "too small"),
        (
            {"model_type": "xlm-roberta", "max_position_embeddings": "514"},
            "'max_position_embeddings' of config.json is no number",
        ),
        ({"model_type": "xlm-roberta", "pad_token_id": "1"}, "'pad_token_id' of config.json is no number"),
        ({"model_type": "bert", "quantization_config": {"quant_method": "bitsandbytes"}}, r"quantised \(bitsandbytes\)"),
    ],
)
def test_unfit_architectures_say_why(checkpoint: Checkpoint, tmp_path: Path, config: dict[str, object], says: str) -> None:
    folder = _copy(checkpoint, tmp_path)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=says):
        Encoder.load(folder)


@pytest.mark.parametrize("kind", ["xlm-roberta", "mt5"])
def test_a_fresh_encoder_reads_chinese_without_marks_of_spaces(checkpoint: Checkpoint, kind: str) -> None:
    folder = checkpoint(kind)
    plain = load_pieces(folder)
    for pieces in (Encoder.load(folder).pieces, Model.load(str(folder)).encoder.pieces):
        chinese, before = (p.tokenizer.encode("我们", add_special_tokens=False).tokens for p in (pieces, plain))
        assert len(chinese) == len(before) - 1
        assert pieces.tokenizer.encode("cat").ids == plain.tokenizer.encode("cat").ids
        assert pieces.max_length == plain.max_length and pieces.pad_id == plain.pad_id


def test_a_model_keeps_the_marks_it_was_trained_with(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tagger = checkpoint("xlm-roberta", task="ForTokenClassification", labels=["ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "VERB"])
    published = Model.load(str(tagger)).encoder.pieces.tokenizer
    assert published.encode("我们").ids == load_pieces(tagger).tokenizer.encode("我们").ids
    fresh = Model.load(str(checkpoint("xlm-roberta")))
    fresh.add_head("pos", ["NOUN", "VERB"])
    fresh.save_pretrained(tmp_path / "m")
    again = Model.load(str(tmp_path / "m")).encoder.pieces.tokenizer
    assert again.encode("我们").ids == fresh.encoder.pieces.tokenizer.encode("我们").ids

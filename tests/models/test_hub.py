from __future__ import annotations

import errno
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from calque import tags
from calque.errors import ModelError  # noqa: E402
from calque.models import download, hub, registry  # noqa: E402
from calque.models.encoder import Encoder  # noqa: E402
from calque.models.model import Model  # noqa: E402

Checkpoint = Callable[..., Path]
FakeHub = Any  # of conftest.py

UPOS = list(tags.UPOS)
XLMR = "FacebookAI/xlm-roberta-base"


@pytest.mark.parametrize(
    ("name", "repo"),
    [
        ("xlm_roberta_base", XLMR),
        ("xlm-roberta-base", XLMR),
        (" XLM-RoBERTa_Large ", "FacebookAI/xlm-roberta-large"),
        ("mbert", "google-bert/bert-base-multilingual-cased"),
        ("bert-base-multilingual-cased", "google-bert/bert-base-multilingual-cased"),
        ("xlm-v-base", "facebook/xlm-v-base"),
        ("mt5_small", "google/mt5-small"),
        ("mt5-xxl", "google/mt5-xxl"),
        ("mmBERT-small", "jhu-clsp/mmBERT-small"),
        ("mmbert", "jhu-clsp/mmBERT-base"),
        ("mdeberta", "microsoft/mdeberta-v3-base"),
        ("glot500", "cis-lmu/glot500-base"),
        ("roberta_base", "FacebookAI/roberta-base"),
        ("org/any-name", "org/any-name"),
    ],
)
def test_names_lead_to_hub_ids(name: str, repo: str) -> None:
    assert hub.resolve(name).repo == repo


def test_every_entry_has_its_facts() -> None:
    for entry in registry.ENTRIES.values():
        assert entry.licence
        assert entry.folder or (entry.repo and entry.parameters and entry.megabytes and entry.languages)
    assert set(registry.ALIASES.values()) <= set(registry.ENTRIES)


@pytest.mark.parametrize(
    ("given", "revision", "wanted"), [("org/n@v2", None, "v2"), ("org/n", "v3", "v3"), ("mbert@v1", None, "v1")]
)
def test_a_revision_may_follow_a_name(given: str, revision: str | None, wanted: str) -> None:
    assert hub.resolve(given, revision=revision).revision == wanted


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("xlm_roberta_bas", "xlm_roberta_base"),
        ("xlmroberta-base", "xlm_roberta_base"),
        ("mt5_smal", "mt5_small"),
        ("glot", "glot500"),
    ],
)
def test_an_unknown_name_brings_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ModelError, match=nearest):
        hub.resolve(name)


@pytest.mark.parametrize(
    "name", ["./nowhere", "/no/where", "a/b/c", "~/nowhere", "~nobody/x", "a\\b", "..", "./" + "x" * 300, "./\0"]
)
def test_a_missing_folder_is_said_to_be_missing(name: str) -> None:
    with pytest.raises(ModelError, match="folder"):
        hub.resolve(name)


def test_an_empty_folder_has_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        hub.resolve(tmp_path)


def test_a_name_that_is_nothing_like_any_points_to_the_list() -> None:
    with pytest.raises(ModelError, match="calque models list"):
        hub.resolve("zzzzzz")
    with pytest.raises(ModelError, match="calque models list"):
        hub.resolve("")


def test_a_folder_wins_over_a_known_name(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(checkpoint("bert"), tmp_path / "mini")
    monkeypatch.chdir(tmp_path)
    assert hub.resolve("mini").folder == Path("mini")
    with pytest.raises(ModelError, match="no revisions"):
        hub.resolve("mini", revision="main")


def test_mini_is_the_bundled_folder() -> None:
    assert hub.resolve("Mini").folder == registry.BUNDLED / "mini"
    for name, revision in (("mini@v9", None), ("mini", "v9")):
        with pytest.raises(ModelError, match="mini comes with calque and has no revisions: leave 'v9' out"):
            hub.resolve(name, revision=revision)


def test_an_encoder_by_name_is_downloaded_cached_and_read_offline(
    fake_hub: FakeHub, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "repo"
    shutil.copytree(checkpoint("xlm-roberta"), folder)
    for extra in ("tf_model.h5", "flax_model.msgpack", "model.onnx", "pytorch_model.bin", "rust_model.ot"):
        (folder / extra).write_bytes(b"not needed")
    commit = fake_hub.add(XLMR, folder)
    model = Model.load("xlm_roberta_base")
    assert sorted(fake_hub.downloads) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (model.encoder.repo, model.encoder.revision) == (XLMR, commit)
    assert model.config.base == XLMR

    fake_hub.requests.clear()
    Encoder.load("xlm-roberta-base")
    assert fake_hub.downloads == []
    assert len(fake_hub.requests) == 1

    from huggingface_hub import constants

    fake_hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    Encoder.load("xlm_roberta_base")
    Encoder.load(XLMR)
    assert fake_hub.requests == []


@pytest.mark.parametrize(
    ("name", "repo", "kind"),
    [
        ("mbert", "google-bert/bert-base-multilingual-cased", "bert"),
        ("mt5_small", "google/mt5-small", "mt5"),
        ("mdeberta", "microsoft/mdeberta-v3-base", "deberta-v2"),
        ("mmbert_base", "jhu-clsp/mmBERT-base", "modernbert"),
        ("roberta_base", "FacebookAI/roberta-base", "roberta"),
    ],
)
def test_other_families_come_by_name_too(fake_hub: FakeHub, checkpoint: Checkpoint, name: str, repo: str, kind: str) -> None:
    fake_hub.add(repo, checkpoint(kind))
    encoder = Encoder.load(name)
    assert encoder.backbone.config.model_type == kind
    assert encoder.name == name


def test_a_published_tagger_parses_straight_from_the_hub(fake_hub: FakeHub, checkpoint: Checkpoint) -> None:
    fake_hub.add("someone/xlm-roberta-base-ft-udpos28-en", checkpoint("xlm-roberta", task="ForTokenClassification", labels=UPOS))
    tagged = Model.load("someone/xlm-roberta-base-ft-udpos28-en").tag([["el", "gato"]])
    assert set(tagged[0].labels) <= set(UPOS)


def test_a_sharded_checkpoint_is_fetched_whole(fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "sharded"
    shutil.copytree(checkpoint("bert"), folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    index: dict[str, str] = {}
    for i, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{i}-of-00002.safetensors"
        save_file({n: state[n] for n in part}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    fake_hub.add("org/sharded", folder)
    there, here = Encoder.load("org/sharded").state_dict(), Encoder.load(checkpoint("bert")).state_dict()
    assert all(torch.equal(there[key], here[key]) for key in here)
    shutil.rmtree(next(Path(hub.fetch(hub.resolve("org/sharded"))).glob("model-00001*")).resolve(), ignore_errors=True)


def test_revisions_are_pinned(fake_hub: FakeHub, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub.add("org/name", checkpoint("bert"))
    old = fake_hub.add("org/name", checkpoint("electra"), revision="v1")
    assert Encoder.load("org/name").backbone.config.model_type == "bert"
    assert Encoder.load("org/name@v1").backbone.config.model_type == "electra"
    assert Encoder.load("org/name", revision=old).backbone.config.model_type == "electra"

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert Encoder.load(f"org/name@{old}").revision == old
    assert Encoder.load("org/name@v1").revision == old
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        Encoder.load("org/name@v2")


def test_a_revision_that_is_not_there_is_named(fake_hub: FakeHub, checkpoint: Checkpoint) -> None:
    fake_hub.add("org/name", checkpoint("bert"))
    with pytest.raises(ModelError, match="revision 'v9'"):
        Encoder.load("org/name@v9")


def test_an_id_that_is_not_there_brings_the_nearest(fake_hub: FakeHub) -> None:
    with pytest.raises(ModelError, match="Did you mean FacebookAI/xlm-roberta-base"):
        Encoder.load("FacebookAI/xlm-roberta-bse")


def test_a_gated_model_says_where_to_ask(fake_hub: FakeHub, checkpoint: Checkpoint) -> None:
    fake_hub.add("org/gated", checkpoint("bert"))
    for status in (401, 403):
        fake_hub.refuse["org/gated"] = (status, "GatedRepo")
        with pytest.raises(ModelError, match=f"{fake_hub.endpoint}/org/gated.*hf auth login"):
            Encoder.load("org/gated")


@pytest.mark.parametrize("status", [401, 403])
def test_a_private_model_says_to_log_in(fake_hub: FakeHub, checkpoint: Checkpoint, status: int) -> None:
    fake_hub.add("org/private", checkpoint("bert"))
    fake_hub.refuse["org/private"] = (status, "RepoNotFound" if status == 401 else "")
    with pytest.raises(ModelError, match="hf auth login"):
        Encoder.load("org/private")


def test_no_network_says_so_and_the_cache_still_serves(
    fake_hub: FakeHub, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    fake_hub.add("org/name", checkpoint("bert"))
    Encoder.load("org/name")
    with socket.socket() as taken:  # bound and not listening: refuses
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", dead)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", dead + "/{repo_id}/resolve/{revision}/{filename}")
        Encoder.load("org/name")
        with pytest.raises(ModelError, match=r"does not answer.*check the network"):
            Encoder.load("org/other")


def test_offline_and_not_in_the_cache_says_so(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        Encoder.load("mbert")
    assert fake_hub.requests == []


def test_a_server_in_trouble_is_no_traceback(fake_hub: FakeHub, checkpoint: Checkpoint) -> None:
    fake_hub.add("org/name", checkpoint("bert"))
    fake_hub.refuse["org/name"] = (500, "")
    with pytest.raises(ModelError, match=r"in trouble.*500.*try again later"):
        Encoder.load("org/name")


def test_an_interrupted_download_leaves_nothing_half_and_goes_on(fake_hub: FakeHub, checkpoint: Checkpoint) -> None:
    fake_hub.add("org/name", checkpoint("bert"))
    fake_hub.truncate.add("model.safetensors")
    with pytest.raises(ModelError, match="org/name"):
        Encoder.load("org/name")
    fake_hub.truncate.clear()
    Encoder.load("org/name")


def test_a_file_damaged_on_the_hub_is_an_error(fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    shutil.copytree(checkpoint("bert"), folder)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-100])
    fake_hub.add("org/name", folder)
    with pytest.raises(ModelError, match="download it again"):
        Encoder.load("org/name")


def test_too_small_a_disk_is_found_out_before_the_weights(fake_hub: FakeHub, checkpoint: Checkpoint) -> None:
    fake_hub.add("org/name", checkpoint("bert"))
    fake_hub.sizes["model.safetensors"] = 10**18
    with pytest.raises(ModelError, match=r"needs 1000000000\.\d+ GB.*HF_HOME"):
        Encoder.load("org/name")
    assert "model.safetensors" not in fake_hub.downloads


def test_a_disk_that_fills_up_meanwhile_says_so(
    fake_hub: FakeHub, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def full(*args: Any, **options: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(ModelError, match="disk is full"):
        download.Source("org/name", None, "org/name").file("config.json")


@pytest.mark.parametrize("kind", ["gpt2", "vit", "marian"])
def test_an_unfit_architecture_is_refused_before_the_weights(
    fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "repo"
    shutil.copytree(checkpoint("bert"), folder)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    fake_hub.add("org/name", folder)
    with pytest.raises(ModelError, match=kind):
        Encoder.load("org/name")
    assert fake_hub.downloads == ["config.json"]


def test_a_repository_without_config_is_no_transformer(fake_hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "model.Q4.gguf").write_bytes(b"GGUF")
    fake_hub.add("org/gguf", tmp_path / "repo")
    with pytest.raises(ModelError, match=r"no config\.json"):
        Encoder.load("org/gguf")


@pytest.mark.parametrize(("remove", "says"), [("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")])
def test_a_repository_without_what_is_needed_says_what(
    fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path, remove: str, says: str
) -> None:
    folder = tmp_path / "repo"
    shutil.copytree(checkpoint("bert"), folder)
    (folder / remove).unlink()
    fake_hub.add("org/name", folder)
    with pytest.raises(ModelError, match=says):
        Encoder.load("org/name")


def test_a_calque_model_comes_from_the_hub_with_or_without_its_weights(
    fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    model = Model.load(checkpoint("bert"))
    model.add_head("pos", UPOS)
    model.save_pretrained(tmp_path / "m")
    (tmp_path / "m" / "model.onnx").write_bytes(b"graph")
    fake_hub.add("me/m", tmp_path / "m")
    folder = hub.fetch(hub.resolve("me/m"), onnx=True)
    assert (folder / "model.onnx").is_file()
    assert not (folder / "encoder").exists()
    assert Model.load("me/m").tag([["a"]]) == model.eval().tag([["a"]])


def test_a_frozen_encoder_can_stay_on_the_hub(fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path) -> None:
    commit = fake_hub.add(XLMR, checkpoint("xlm-roberta"))
    model = Model.load("xlm_roberta_base")
    model.add_head("pos", UPOS)
    model.save_pretrained(tmp_path / "small", link_encoder=True)
    assert not (tmp_path / "small" / "encoder").exists()
    again = Model.load(tmp_path / "small")
    assert Encoder.load(tmp_path / "small").repo == XLMR
    assert again.config.encoder_revision == commit
    assert again.tag([["gato"]]) == model.eval().tag([["gato"]])
    next(iter(again.encoder.parameters())).data.add_(1.0)
    with pytest.raises(ModelError, match="trained since"):
        again.save_pretrained(tmp_path / "other", link_encoder=True)
    with pytest.raises(ModelError, match="came from the Hub"):
        Model.load(checkpoint("bert")).save_pretrained(tmp_path / "other", link_encoder=True)


def test_a_published_tagger_whose_encoder_stays_on_the_hub_cuts_words_as_before(
    fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    fake_hub.add("org/tagger", checkpoint("xlm-roberta", task="ForTokenClassification", labels=UPOS))
    model = Model.load("org/tagger")
    model.save_pretrained(tmp_path / "small", link_encoder=True)
    words = [["猫", "gato", "桌子"]]  # a fresh encoder puts no mark of a space before the Chinese ones
    again = Model.load(tmp_path / "small")
    assert again.encoder.pieces.rows(words)[0].ids.tolist() == model.encoder.pieces.rows(words)[0].ids.tolist()


def test_an_interrupted_download_of_a_model_goes_on(fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = Model.load(checkpoint("bert"))
    model.add_head("pos", UPOS)
    model.add_word_features(rows=20_000)  # 2.6 MB: the largest part comes last
    model.save_pretrained(tmp_path / "m")
    fake_hub.add("me/m", tmp_path / "m")
    fake_hub.truncate.add("mixer.safetensors")
    with pytest.raises(ModelError):
        Model.load("me/m")
    fake_hub.truncate.clear()
    assert Model.load("me/m").tag([["a"]]) == model.eval().tag([["a"]])


@pytest.mark.parametrize("kind", ["bottleneck", "lora"])
def test_an_adapter_comes_from_the_hub_and_then_from_the_cache(
    fake_hub: FakeHub, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from huggingface_hub import constants

    model = Model.load(checkpoint("bert"))
    if kind == "lora":
        pytest.importorskip("peft")
        model.add_adapter("es", kind="lora", r=2, target_modules=["query"])
        model.export_adapter("es", tmp_path / "es")
        weights = "adapter_model.safetensors"
    else:
        model.add_adapter("es", adapter_size=64)
        model.save_adapter("es", tmp_path / "es")
        weights = "adapter.safetensors"
    fake_hub.add("me/es", tmp_path / "es", revision="refs/pr/1")
    fake_hub.truncate.add(weights)
    with pytest.raises(ModelError):
        model.load_adapter("me/es@refs/pr/1", "again")
    fake_hub.truncate.clear()
    model.load_adapter("me/es@refs/pr/1", "again")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(fake_hub.requests)
    model.load_adapter("me/es@refs/pr/1", "offline")
    assert len(fake_hub.requests) == asked
    for name in ("again", "offline"):
        assert all(t.equal(model.adapters.state("es")[key]) for key, t in model.adapters.state(name).items())


def test_a_model_is_pushed_in_one_commit(fake_hub: FakeHub, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.load(checkpoint("bert"))
    model.add_head("pos", UPOS)
    with pytest.raises(ModelError, match="no valid Hub id"):
        model.push_to_hub("a/b/c")
    assert model.push_to_hub("me/m", token="hf_secret") == f"{fake_hub.endpoint}/me/m"
    ((repo, files),) = fake_hub.commits
    assert repo == "me/m"
    assert {"config.json", "README.md", "tokenizer.json", "heads.safetensors", "encoder/model.safetensors"} <= set(files)
    assert json.loads(files["config.json"])["format"] == "calque-model"


def test_a_refused_push_says_to_log_in(fake_hub: FakeHub, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    model = Model.load(checkpoint("bert"))
    model.add_head("pos", UPOS)
    fake_hub.refuse["me/m"] = (403, "")
    with pytest.raises(ModelError, match="hf auth login"):
        model.push_to_hub("me/m", token="hf_secret")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        model.push_to_hub("me/m", token="hf_secret")


def test_the_embedded_default_is_a_name_and_has_no_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "default").mkdir()
    (tmp_path / "default" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)  # a folder of that name is another thing, and is told apart as calque.load does
    assert (hub.fetch(hub.resolve("default")) / "model.onnx").is_file()
    assert not (hub.fetch(hub.resolve("./default")) / "model.onnx").is_file()
    with pytest.raises(ModelError, match="default comes with calque and has no revisions"):
        hub.resolve("default@main")

"""Tiny random checkpoints of every family of encoders, and a local server that speaks enough of the Hub's API."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LINES = [
    "one horse and another horse went to the market in 2024 .",
    "el gato negro está en la mesa , y la casa también .",
    "der Hund schläft auf dem Sofa , aber die Katze nicht !",
    "кошка спит на столе и собака спит на полу .",
] * 3


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """``with files_of_at_most(200):`` no file that is written grows beyond 200 bytes, as on a disk that is full."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


def _unigram(special: list[str], first: str, last: str) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return _ends(tokenizer, first, last)


def _ends(tokenizer: Tokenizer, first: str, last: str) -> Tokenizer:
    ids = [(name, tokenizer.token_to_id(name)) for name in (first, last) if name]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}".strip(), special_tokens=ids)
    return tokenizer


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(LINES, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False))
    return _ends(tokenizer, "[CLS]", "[SEP]")


def _byte_level(special: list[str], first: str, last: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return _ends(tokenizer, first, last)


def _xlmr() -> Tokenizer:
    return _unigram(["<s>", "<pad>", "</s>", "<unk>"], "<s>", "</s>")


def _deberta() -> Tokenizer:
    return _unigram(["[PAD]", "[CLS]", "[SEP]", "<unk>"], "[CLS]", "[SEP]")


def _t5() -> Tokenizer:
    return _unigram(["<pad>", "</s>", "<unk>"], "", "</s>")


def _roberta() -> Tokenizer:
    return _byte_level(["<s>", "<pad>", "</s>", "<unk>"], "<s>", "</s>")


def _modernbert() -> Tokenizer:
    return _byte_level(["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[CLS]", "[SEP]")


_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
_ROBERTA = {**_BERT, "max_position_embeddings": 66, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 1, "num_heads": 2, "pad_token_id": 0}
_DEBERTA = {
    **_BERT,
    "max_position_embeddings": 64,
    "relative_attention": True,
    "position_buckets": 32,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
_MODERNBERT = {
    **_BERT,
    "max_position_embeddings": 1024,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
    "global_attn_every_n_layers": 2,
    "local_attention": 16,
}
_DISTIL = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64}
_REMBERT = {**_BERT, "input_embedding_size": 16, "output_embedding_size": 16, "max_position_embeddings": 64}

# model type → library prefix, options of the configuration, tokenizer, window that must come out
FAMILIES: dict[str, tuple[str, dict[str, Any], Callable[[], Tokenizer], int]] = {
    "xlm-roberta": ("XLMRoberta", _ROBERTA, _xlmr, 64),
    "xlm-roberta-xl": ("XLMRobertaXL", _ROBERTA, _xlmr, 64),
    "camembert": ("Camembert", _ROBERTA, _xlmr, 64),
    "roberta": ("Roberta", _ROBERTA, _roberta, 64),
    "bert": ("Bert", {**_BERT, "max_position_embeddings": 64}, _wordpiece, 64),
    "distilbert": ("DistilBert", _DISTIL, _wordpiece, 64),
    "electra": ("Electra", {**_BERT, "embedding_size": 16, "max_position_embeddings": 64}, _wordpiece, 64),
    "rembert": ("RemBert", _REMBERT, _deberta, 64),
    "deberta-v2": ("DebertaV2", _DEBERTA, _deberta, 64),
    "modernbert": ("ModernBert", _MODERNBERT, _modernbert, 512),
    "t5": ("T5", _T5, _t5, 512),
    "mt5": ("MT5", _T5, _t5, 512),
    "umt5": ("UMT5", _T5, _t5, 512),
}


def make_checkpoint(folder: Path, kind: str, *, task: str = "", labels: list[str] | None = None, half: bool = False) -> Path:
    """Write a tiny random checkpoint in Hugging Face format.

    :param task: ``ForTokenClassification`` and the like; by default what encoders are published as.
    """
    prefix, options, tokenizer, _ = FAMILIES[kind]
    made = tokenizer()
    extra = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}} if labels else {}
    config = getattr(transformers, f"{prefix}Config")(vocab_size=made.get_vocab_size(), **options, **extra)
    task = task or {"t5": "ForConditionalGeneration", "mt5": "ForConditionalGeneration", "umt5": "ForConditionalGeneration"}.get(
        kind, "ForMaskedLM"
    )
    torch.manual_seed(3)
    model = getattr(transformers, prefix + task)(config)
    with torch.no_grad():  # larger than at the start of a training, so that differences show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    if half:
        model = model.half()
    library = transformers.utils.logging
    library.disable_progress_bar()
    model.save_pretrained(folder)
    made.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes tiny checkpoints, each kind once a session: do not change what it returns."""
    made: dict[str, Path] = {}

    def make(kind: str, *, task: str = "", labels: list[str] | None = None, half: bool = False) -> Path:
        key = json.dumps([kind, task, labels, half])
        if key not in made:
            made[key] = make_checkpoint(tmp_path_factory.mktemp(kind), kind, task=task, labels=labels, half=half)
        return made[key]

    return make


class FakeHub:
    """Repositories as folders; ``refuse[repo] = (status, code)`` answers every request about one with an error."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, Path]] = {}  # repo → revision → folder
        self.refuse: dict[str, tuple[int, str]] = {}
        self.truncate: set[str] = set()  # file names of which half is sent
        self.sizes: dict[str, int] = {}  # sizes to claim in listings
        self.requests: list[str] = []
        self.commits: list[tuple[str, dict[str, bytes]]] = []
        self.endpoint = ""

    def add(self, repo: str, folder: Path, *, revision: str = "main") -> str:
        """Serve a folder; gives the commit."""
        self.repos.setdefault(repo, {})[revision] = folder
        commit = self.commit(repo, revision)
        self.repos[repo][commit] = folder
        return commit

    def commit(self, repo: str, revision: str) -> str:
        """The hash of a revision."""
        if re.fullmatch("[0-9a-f]{40}", revision):
            return revision
        return hashlib.sha1(f"{repo} {revision} {self.repos[repo][revision]}".encode()).hexdigest()

    @property
    def downloads(self) -> list[str]:
        """Names of the files sent so far."""
        return [r.rsplit("/", 1)[1] for r in self.requests if r.startswith("GET") and "/resolve/" in r]


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._get(body=False)

    def do_GET(self) -> None:
        self._get(body=True)

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append(f"POST {path}")
        if "/commit/" in path:
            files = {}
            import base64

            for line in content.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            repo = path.removeprefix("/api/models/").split("/commit/")[0]
            if repo in self.hub.refuse:
                return self._error(repo)
            self.hub.commits.append((repo, files))
            return self._json(
                {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.hub.endpoint}/{repo}/commit/{'0' * 40}"}
            )
        if "/preupload/" in path:
            asked = json.loads(content)["files"]
            return self._json({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]})
        if path == "/api/repos/create":
            name = json.loads(content)["name"]
            return self._json({"url": f"{self.hub.endpoint}/me/{name}", "id": f"me/{name}", "name": f"me/{name}"})
        return self._json({"ok": True})

    def _get(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            repo, revision = match[1], match[2] or "main"
            if self._known(repo, revision):
                self._json(self._info(repo, revision))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            if self._known(match[1], match[2]):
                files = self._info(match[1], match[2])["siblings"]
                self._json([{"type": "file", "path": f["rfilename"], "size": f["size"], "oid": "0" * 40} for f in files])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/((?:refs/pr/)?[^/]+)/(.+)", path):
            if self._known(match[1], match[2]):
                self._send_file(match[1], match[2], match[3], body=body)
        else:
            self._json({"error": "Not Found"}, 404)

    def _known(self, repo: str, revision: str) -> bool:
        if repo in self.hub.refuse:
            self._error(repo)
        elif repo not in self.hub.repos:
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif revision not in self.hub.repos[repo]:
            self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        else:
            return True
        return False

    def _error(self, repo: str) -> None:
        status, code = self.hub.refuse[repo]
        self._json({"error": "refused"}, status, {"X-Error-Code": code, "X-Error-Message": "refused"} if code else {})

    def _info(self, repo: str, revision: str) -> dict[str, Any]:
        folder = self.hub.repos[repo][revision]
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        siblings = [{"rfilename": f, "size": self.hub.sizes.get(f, (folder / f).stat().st_size), "blobId": "0"} for f in files]
        return {"id": repo, "modelId": repo, "sha": self.hub.commit(repo, revision), "siblings": siblings}

    def _send_file(self, repo: str, revision: str, name: str, *, body: bool) -> None:
        file = self.hub.repos[repo][revision] / name
        if not file.is_file():
            return self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", self.hub.commit(repo, revision))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and name in self.hub.truncate:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif body:
            self.wfile.write(content)

    def _json(self, plain: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(plain).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub of our own and an empty cache; the client reads its environment when imported, so its constants are set."""
    from huggingface_hub import constants

    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # its pauses between attempts
    yield hub
    server.shutdown()
    server.server_close()

"""A stand-in for the official place of treebanks: a repository host on this machine."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from calque.data import download

ROW = "{i}\t{word}\t_\t{tag}\t_\t_\t{head}\t{rel}\t_\t_\n"


def conllu(*sentences: str) -> bytes:
    """A small treebank, a sentence an argument, every word a NOUN."""
    text = ""
    for sentence in sentences:
        text += f"# text = {sentence}\n"
        for i, word in enumerate(sentence.split(), 1):
            text += ROW.format(i=i, word=word, tag="NOUN", head=i - 1, rel="root" if i == 1 else "dep")
        text += "\n"
    return text.encode()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Host:
    """Repositories by (name, release), and what goes wrong on the way."""

    url: str = ""
    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    # given the path and the number of times it was asked before: (status, headers, body), or None to answer as usual
    trouble: Callable[[str, int], tuple[int, dict[str, str], bytes] | None] = lambda path, times: None
    ranges: bool = True
    cut: dict[str, int] = field(default_factory=dict)  # path ending -> bytes after which the connection is cut, once

    conllu = staticmethod(conllu)

    def put(self, name: str, release: str, files: dict[str, bytes]) -> None:
        self.files[name, release] = files

    def answer(self, path: str) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            if parts[2:4] == ["git", "trees"]:
                files = self.files.get((parts[1], parts[4].removeprefix("r")))
                if files is None:
                    return 404, b"{}"
                tree = [{"path": n, "type": "blob", "size": len(c), "sha": git_hash(c)} for n, c in files.items()]
                return 200, json.dumps({"tree": [*tree, {"path": "not-to-release", "type": "tree", "sha": "0" * 40}]}).encode()
            releases = [r for n, r in self.files if n == parts[1]]
            if not releases:
                return 404, b"{}"
            return 200, json.dumps([{"ref": f"refs/tags/r{r}"} for r in releases]).encode()
        files = self.files.get((parts[1], parts[2].removeprefix("r")), {})
        return (200, files[parts[3]]) if parts[3] in files else (404, b"")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host with UD_English-EWT and UD_Czech-PDT at releases 2.16 and 2.17; the cache is empty and no pause is made."""
    place = Host()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            before = place.asked.count(self.path)
            place.asked.append(self.path)
            place.headers.append(dict(self.headers))
            odd = place.trouble(self.path, before)
            extra: dict[str, str] = {}
            if odd is not None:
                status, extra, body = odd
            else:
                status, body = place.answer(self.path)
            start = self.headers.get("Range")
            if status == 200 and start and place.ranges:
                at = int(start.removeprefix("bytes=").rstrip("-"))
                status, body = 206, body[at:]
            self.send_response(status)
            for key, value in extra.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for ending in [e for e in place.cut if self.path.endswith(e)]:
                body = body[: place.cut.pop(ending)]
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    place.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("CALQUE_UD_API", place.url + "/api")
    monkeypatch.setenv("CALQUE_UD_FILES", place.url + "/raw/")
    monkeypatch.setenv("CALQUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "TIMEOUT", 5.0)
    for release in ("2.16", "2.17"):
        place.put(
            "UD_English-EWT",
            release,
            {
                "README.md": b"# Summary\n\nIncludes text: yes\nLicense: CC BY-SA 4.0\n",
                "LICENSE.txt": b"the terms\n",
                "en_ewt-ud-train.conllu": conllu(*[f"dogs chase cats {n}" for n in range(400)]),
                "en_ewt-ud-dev.conllu": conllu("dogs sleep"),
                "en_ewt-ud-test.conllu": conllu(f"cats sleep in {release}"),
                "stats.xml": b"<x/>",
            },
        )
    place.put(
        "UD_Czech-PDT",
        "2.17",
        {f"cs_pdt-ud-{part}.conllu": conllu(f"pes {part}") for part in ("dev", "test", "train-m", "train-l", "train-c")},
    )
    yield place
    server.shutdown()
    server.server_close()

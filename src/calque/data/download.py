"""Fetching files over HTTP so that what lands on disk is whole, or is not there.

Choices and trade-offs
- The standard library's ``urllib``: proxies and certificates as everybody has set them up, and nothing more to install.
- A file is known before it is fetched: its size and git's own hash (SHA-1 over ``blob <size>``, a zero byte and the content)
  come from the repository's listing. So a broken transfer is found out and a part that an interruption left can be gone on with.
- Passing faults (time-outs, 5xx, dropped connections) are tried again three times; a refusal is not.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from calque.errors import DataError

ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt; doubled for each further one
TIMEOUT = 30.0
CHUNK = 1 << 16
_TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")


class NotThere(DataError):
    """The server answered that there is no such thing (404)."""


class _Broken(Exception):
    """A transfer that may go through when it is tried again."""


def cache_folder() -> Path:
    """Where downloads are kept: ``CALQUE_CACHE``, or ``calque`` in the system's folder for caches."""
    chosen = os.environ.get("CALQUE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "calque"


def blob_hash(path: Path) -> str:
    """Git's hash of a file's content, as 40 hex digits."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def get_json(url: str) -> Any:
    """One JSON answer.

    :raises NotThere: on 404.
    :raises DataError: when the server cannot be reached, refuses, or answers with something else.
    """
    body = _again(url, lambda: _read(url))
    try:
        return json.loads(body)
    except ValueError:
        raise DataError(f"{url}: the answer is not JSON: is a proxy or a login page in between?") from None


def download(url: str, target: Path, *, size: int, sha: str, progress: Callable[[int], None] | None = None) -> None:
    """Fetch one file to ``target``, going on with what an interrupted fetch left there; it is whole afterwards.

    :param size: bytes it must have.
    :param sha: git's hash it must have.
    :param progress: called with the number of bytes present so far.
    :raises NotThere: on 404.
    :raises DataError: when it cannot be fetched, or what comes is not what the listing promised.
    """
    for fresh in (False, True):
        if fresh:
            target.unlink(missing_ok=True)
        _again(url, lambda: _write(url, target, size, progress))
        if target.stat().st_size == size and blob_hash(target) == sha:
            return
    target.unlink(missing_ok=True)
    raise DataError(
        f"{url}: what arrived is not what its listing promises (git hash {sha}): "
        "something on the way changes files; try another network, or a mirror that you trust"
    )


def _again(url: str, once: Callable[[], Any]) -> Any:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return once()
        except _Broken as error:
            if attempt == ATTEMPTS:
                host = urllib.parse.urlsplit(url).netloc
                raise DataError(
                    f"cannot reach {host} ({error}): check the network and any proxy (HTTPS_PROXY), "
                    "then give the same command again; what has arrived is kept"
                ) from None
            time.sleep(PAUSE * 2 ** (attempt - 1))
    raise AssertionError("not reached")


def _open(url: str, *, start: int = 0) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise DataError(f"{url}: not an http or https address")
    request = urllib.request.Request(url, headers={"User-Agent": "calque", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    token = next((os.environ[name] for name in _TOKENS if os.environ.get(name)), None)
    if token and parts.scheme == "https" and parts.hostname == "api.github.com":  # a mirror must not see it
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
        return response
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error) from None
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Broken(getattr(error, "reason", None) or str(error) or type(error).__name__) from None


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code == 404:
        return NotThere(f"{url}: not found")
    if error.code == 416:  # the part on disk is longer than the file: begin again
        return _Broken("the server has less than the part on disk")
    if error.code == 429 or (
        error.code == 403 and (error.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in error.headers)
    ):
        return DataError(
            f"{urllib.parse.urlsplit(url).netloc} limits how much may be asked without an account{_until(error)}: "
            "wait, or set GITHUB_TOKEN to a token of yours (no permissions needed), then give the same command again"
        )
    if error.code == 401:
        return DataError(f"{url}: the token in GITHUB_TOKEN is not accepted: unset it, or make a new one")
    if error.code >= 500:
        return _Broken(f"the server answers {error.code}")
    return DataError(f"{url}: the server refuses ({error.code} {error.reason})")


def _until(error: urllib.error.HTTPError) -> str:
    reset = error.headers.get("x-ratelimit-reset", "")
    if reset.isdigit():
        return f", until {datetime.fromtimestamp(int(reset)):%H:%M}"
    wait = error.headers.get("retry-after", "")
    return f", for {wait} seconds" if wait.isdigit() else ""


def _read(url: str) -> bytes:
    with _open(url) as response:
        try:
            return response.read()
        except (http.client.HTTPException, OSError) as error:
            raise _Broken(error) from None


def _write(url: str, target: Path, size: int, progress: Callable[[int], None] | None) -> None:
    have = target.stat().st_size if target.exists() else 0
    if have > size:
        target.unlink()
        have = 0
    if have == size:
        target.touch()  # of an empty file, too
        return
    with _open(url, start=have) as response:
        if response.status != 206:  # the server sends the whole file
            have = 0
        try:
            with target.open("ab" if have else "wb") as out:
                _copy(response, out, have, size, progress)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DataError(f"{target.parent}: the disk is full; make room, then give the same command again") from None
            raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None


def _copy(
    response: http.client.HTTPResponse, out: IO[bytes], have: int, size: int, progress: Callable[[int], None] | None
) -> None:
    while True:
        if progress is not None:
            progress(have)
        try:
            chunk = response.read(CHUNK)
        except (http.client.HTTPException, OSError) as error:
            raise _Broken(str(error) or type(error).__name__) from None
        if not chunk:
            if have < size:
                raise _Broken("the connection was cut")
            return
        have += len(chunk)
        if have > size:  # no listing promised this; the hash would fail anyway, but an endless answer must not fill the disk
            return
        out.write(chunk)

"""Files from the Hub into the Hub client's cache, with its many errors turned into words.

Choices and trade-offs
- Public functions of ``huggingface_hub`` only: its environment (``HF_HOME``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT`` …)
  keeps its meaning, and its progress bars show.
- The space a download needs is compared with what the disk has before it starts: the client itself only warns, and then fails
  after an hour.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calque.errors import ModelError
from calque.models.registry import nearest

_LOG_IN = "log in with  hf auth login  or set HF_TOKEN"
_MAKE_ROOM = "make room, set HF_HOME to a folder on a larger disk, or give a smaller encoder (calque models list)"


@dataclass(frozen=True, slots=True)
class Source:
    """One repository on the Hub at one revision; ``name`` is what the user called it."""

    repo: str
    revision: str | None
    name: str

    def file(self, path: str, *, commit: str | None = None) -> Path:
        """One file, from the cache or the network.

        :param commit: full hash, when known: saves the question which commit the revision means.
        :raises ModelError: when it cannot be had.
        """
        from huggingface_hub import hf_hub_download

        with self._errors(path):
            return Path(hf_hub_download(self.repo, path, revision=commit or self.revision))

    def listing(self, commit: str) -> dict[str, int]:
        """Sizes in bytes of all files.

        :raises ModelError: when the Hub does not answer.
        """
        from huggingface_hub import HfApi

        with self._errors(None):
            info = HfApi().model_info(self.repo, revision=commit, files_metadata=True)
        return {file.rfilename: file.size or 0 for file in info.siblings or ()}

    def download(self, files: Mapping[str, int], *, commit: str) -> None:
        """Fetch files (with their sizes in bytes) one after the other.

        :raises ModelError: when one cannot be had, or the disk is too small for all.
        """
        from huggingface_hub import constants, try_to_load_from_cache

        need = sum(s for f, s in files.items() if not isinstance(try_to_load_from_cache(self.repo, f, revision=commit), str))
        cache = Path(constants.HF_HUB_CACHE).expanduser()
        free = shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
        if need > free:
            raise ModelError(f"{self.name} needs {need / 1e9:.2f} GB in {cache}, and {free / 1e9:.2f} GB are free: {_MAKE_ROOM}")
        for file in files:
            self.file(file, commit=commit)

    @contextmanager
    def _errors(self, path: str | None) -> Iterator[None]:
        """Say what went wrong in the user's terms."""
        from huggingface_hub import errors

        network: type[Exception] = errors.HfHubHTTPError.__bases__[0]  # of the client's HTTP library, whichever it is
        try:
            yield
        except (network, OSError, errors.HFValidationError) as error:  # the client's own errors are OSErrors
            raise ModelError(f"{self.name}{self._there()}: {self._explain(error, path)}") from error

    def _there(self) -> str:
        repo = f" ({self.repo})" if self.name != self.repo else ""
        return f"{repo} at revision '{self.revision}'" if self.revision else repo

    def _explain(self, error: Exception, path: str | None) -> str:
        from huggingface_hub import constants, errors

        page = f"{constants.ENDPOINT}/{self.repo}"
        answer = next((e for e in (error, error.__cause__) if isinstance(e, errors.HfHubHTTPError)), None)
        status = answer.response.status_code if answer is not None else 0
        number = getattr(error, "errno", None)
        match error:
            case errors.GatedRepoError():
                return f"its owners ask for consent first (gated): accept their terms at {page}, then {_LOG_IN}"
            case errors.RevisionNotFoundError():
                return f"there is no such revision: see {page}/commits"
            case errors.RepositoryNotFoundError():
                near = [n for n in nearest(self.repo) if n != self.repo]
                hint = f" Did you mean {' or '.join(near)}?" if near else ""
                return f"no such folder here, and no such model on the Hub (or it is private: {_LOG_IN}).{hint}"
            case errors.RemoteEntryNotFoundError():
                return f"the repository has no {path}: it is no transformer in Hugging Face format. Give the original encoder"
            case errors.HFValidationError():
                return f"no valid Hub id ({error}): write org/name"
            case _ if status in (401, 403):
                return f"the Hub refuses access ({status}): {_LOG_IN}"
            case _ if number in (errno.ENOSPC, errno.EDQUOT):
                return f"the disk is full (while downloading {path}): {_MAKE_ROOM}"
            case _ if isinstance(error, OSError) and not isinstance(error, _not_there()):
                return f"the download of {path} failed ({_first_line(error)}): try again; what has arrived whole is kept"
            case _ if constants.is_offline_mode():
                return f"not in the cache ({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE is set: unset it, or give a folder"
        why = _first_line(error.__cause__ or error)
        if status:
            return f"not in the cache, and {constants.ENDPOINT} is in trouble ({why}): try again later"
        return f"not in the cache, and {constants.ENDPOINT} does not answer ({why}): check the network (HTTPS_PROXY, HF_ENDPOINT)"


def _not_there() -> tuple[type[Exception], ...]:
    """Errors for what is not in the cache while the network is away."""
    from huggingface_hub import errors

    return errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HfHubHTTPError


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

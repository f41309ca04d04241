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
            raise self._full(f"{self.name} needs {need / 1e9:.2f} GB in {cache}, and {free / 1e9:.2f} GB are free")
        for file in files:
            self.file(file, commit=commit)

    def _full(self, what: str) -> ModelError:
        return ModelError(f"{what}: make room, set HF_HOME to a folder on a larger disk, or give a smaller encoder (calque models list)")

    @contextmanager
    def _errors(self, path: str | None) -> Iterator[None]:
        """Say what went wrong in the user's terms."""
        from huggingface_hub import constants, errors

        network: type[Exception] = errors.HfHubHTTPError.__bases__[0]  # the client's HTTP library, whichever it is
        where = f"{self.name} ({self.repo})" if self.name != self.repo else self.repo
        at = f" at revision '{self.revision}'" if self.revision else ""
        page = f"{constants.ENDPOINT}/{self.repo}"
        try:
            yield
        except errors.GatedRepoError as error:
            raise ModelError(
                f"{where}: its owners ask for consent first (gated): accept their terms at {page}, then log in with  hf auth login  or set HF_TOKEN"
            ) from error
        except errors.RevisionNotFoundError as error:
            raise ModelError(f"{where}: there is no revision '{self.revision}': see {page}/commits") from error
        except errors.RepositoryNotFoundError as error:
            raise ModelError(self._absent(where)) from error
        except errors.RemoteEntryNotFoundError as error:
            raise ModelError(
                f"{where}{at}: the repository has no {path}, so it is no transformer in Hugging Face format (GGUF and the like do not serve): "
                "give the original encoder"
            ) from error
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, network) as error:
            if isinstance(error, errors.HfHubHTTPError) and error.response.status_code in (401, 403):
                raise ModelError(f"{where}: the Hub refuses access ({error.response.status_code}): log in with  hf auth login  or set HF_TOKEN") from error
            raise ModelError(self._unreachable(where + at, error)) from error
        except errors.HFValidationError as error:
            raise ModelError(f"{where}: is no valid Hub id ({error}): write org/name") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full(f"{where}: the disk is full while downloading {path}") from error
            raise ModelError(f"{where}: the download of {path} failed ({error}): try again; what has arrived is kept") from error

    def _absent(self, where: str) -> str:
        near = [n for n in nearest(self.repo) if n != self.repo]
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"{where}: no such folder here, and no such model on the Hub (or it is private: log in with  hf auth login  or set HF_TOKEN).{hint}"

    def _unreachable(self, where: str, error: Exception) -> str:
        from huggingface_hub import constants

        if constants.is_offline_mode():
            return f"{where}: is not in the cache ({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE forbids the network: unset it, or give a folder"
        cause = error.__cause__ or error
        first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        return f"{where}: is not in the cache, and {constants.ENDPOINT} does not answer ({first}): check the network (HTTPS_PROXY, HF_ENDPOINT) or give a folder"

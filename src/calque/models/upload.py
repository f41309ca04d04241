"""A saved model to the Hub."""

from __future__ import annotations

from pathlib import Path

from calque.errors import ModelError


def upload(folder: Path, repo: str, *, private: bool, token: str | None, message: str | None, revision: str | None) -> str:
    """Make the repository when it is not there, and commit a model's folder to it in one commit.

    :returns: the address of the repository.
    :raises ModelError: when the Hub refuses or does not answer.
    """
    from huggingface_hub import HfApi, constants, errors

    network: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    if constants.is_offline_mode():
        raise ModelError(f"{repo}: cannot upload while HF_HUB_OFFLINE is set: unset it")
    api = HfApi(token=token)
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message or "Save calque model", revision=revision)
    except errors.HFValidationError as error:
        raise ModelError(f"'{repo}' is no valid Hub id: write org/name") from error
    except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError) as error:
        status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 401
        if status in (401, 403):
            raise ModelError(
                f"{repo}: the Hub refuses the upload ({status}): log in with  hf auth login  and a token that may write"
            ) from error
        raise ModelError(f"{repo}: the Hub refuses the upload ({str(error).strip().splitlines()[0]})") from error
    except (network, OSError) as error:
        raise ModelError(f"{repo}: {constants.ENDPOINT} does not answer ({error}): check the network and try again") from error
    return f"{constants.ENDPOINT}/{repo}"

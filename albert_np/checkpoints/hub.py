"""Names on a model hub: fetched by Hugging Face's library, with its cache, its tokens and its settings."""

import re
from pathlib import Path

from albert_np.files import given

__all__ = ["resolve"]

_TOKENIZER = ["spiece.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
_SAFETENSORS = ["model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"]
_PYTORCH = ["pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"]
_NAME = re.compile(r"\w[\w.-]*/[\w.-]+", re.ASCII)


def resolve(source: str | Path, revision: str | None = None) -> Path:
    """Return what `source` means: an existing path, or else the folder of a model on the hub, fetched if need be.

    source: a path, or a name such as "albert/albert-base-v2". revision: a branch, tag or commit on the hub. Only
    configuration, tokenizer and weights are fetched; PyTorch's own format only where there are no safetensors.
    HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are huggingface_hub's and do what they do there.

    Raises FileNotFoundError if there is no such path, model or revision, or it is not in the cache while offline;
    PermissionError if the model asks for a login; OSError if the hub does not answer; ImportError without
    huggingface_hub.
    """
    if given(source).exists():
        return Path(source)
    name = str(source)
    if not _NAME.fullmatch(name):
        raise FileNotFoundError(f"{name} is not a folder, and no name on the model hub, such as albert/albert-base-v2")
    folder = _fetch(name, revision, ["config.json", *_TOKENIZER, *_SAFETENSORS])
    if not any(folder.glob("model*.safetensors")):
        folder = _fetch(name, revision, _PYTORCH)
    return folder


def _fetch(name: str, revision: str | None, patterns: list[str]) -> Path:
    try:
        from huggingface_hub import constants, errors, snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{name} is not a folder here; to fetch a model of that name from the hub: pip install 'albert-np[hub]'"
        ) from error
    hub = constants.ENDPOINT
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError as error:
        raise PermissionError(
            f"{name} on {hub} is given to those alone who ask for it: do so on its page, then set HF_TOKEN"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise FileNotFoundError(
            f"{name} is neither a folder here nor a model on {hub} (a private one needs HF_TOKEN)"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(f"{name} on {hub} has no revision {revision}") from error
    except errors.LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise FileNotFoundError(
                f"{name} is neither a folder here nor in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set"
            ) from error
        raise ConnectionError(f"{name} is not a folder here, and {hub} does not answer") from error
    except Exception as error:  # of requests, httpx or the hub, by version
        raise OSError(f"{name} cannot be fetched from {hub}: {error}") from error

"""From any kind of checkpoint to a Hugging Face folder."""

from pathlib import Path

from albert_np.checkpoints import open_checkpoint
from albert_np.files import is_vacant, whole_folder
from albert_np.model.base import AlbertBase
from albert_np.model.loading import class_of, model_classes
from albert_np.tokenization import AlbertTokenizer

__all__ = ["convert"]


def convert(
    source: str | Path,
    target: str | Path,
    *,
    class_name: str | None = None,
    dtype: str = "float32",
    max_shard_bytes: int | None = None,
    config_path: str | Path | None = None,
) -> AlbertBase:
    """Write what `open_checkpoint` reads as a Hugging Face folder, with the tokenizer where there is one.

    class_name: one of `model_classes()`, where it should not be `class_of` the checkpoint. dtype: "float32", "float64",
    "float16" or "bfloat16", of the file. max_shard_bytes: cut the weights into files of that size at most.
    config_path: see `open_checkpoint`. Returns the model that was written. FileExistsError if `target` holds anything;
    ValueError if checkpoint and class do not fit.
    """
    target = Path(target)
    if not is_vacant(target):
        raise FileExistsError(f"{target} already exists and is not an empty folder")
    if class_name is not None and class_name not in model_classes():
        raise ValueError(f"class_name={class_name!r}: allowed are {', '.join(sorted(model_classes()))}")
    checkpoint = open_checkpoint(source, config_path=config_path)
    cls = class_of(checkpoint) if class_name is None else model_classes()[class_name]
    model: AlbertBase = cls.from_checkpoint(checkpoint, dtype="float64" if dtype == "float64" else "float32")
    try:
        tokenizer = AlbertTokenizer.from_pretrained(checkpoint.source)
    except FileNotFoundError:
        tokenizer = None
    with whole_folder(target) as folder:
        model.save_pretrained(folder, dtype=dtype, max_shard_bytes=max_shard_bytes)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    return model

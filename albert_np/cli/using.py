"""albert-np fill-mask, embed, tokenize, info, convert"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import track

from albert_np.cli.main import console, figure_option, file_option, input_lines, print_json, reports_errors, say
from albert_np.cli.progress import backend_option
from albert_np.cli.ranks import written_by_first

if TYPE_CHECKING:
    from albert_np.config import AlbertConfig


@click.command("fill-mask")
@click.argument("text")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="A run, checkpoint or model folder.")
@click.option(
    "--top",
    "top_k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How many answers to show for each [MASK].",
)
@backend_option
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
@reports_errors
def fill_mask(text: str, model: Path, top_k: int, backend: str, as_json: bool) -> None:
    """Say what stands at each [MASK] of TEXT.

    Example: albert-np fill-mask "return a [MASK] of strings." --model runs/quickstart
    """
    from albert_np.tasks.fill_mask import fill_mask as answers
    from albert_np.tasks.fill_mask import load_masked_lm

    blanks = answers(*load_masked_lm(model, backend), text, top_k)
    if as_json:
        print_json([[candidate._asdict() for candidate in blank] for blank in blanks])
        return
    for i, blank in enumerate(blanks, 1):
        if len(blanks) > 1:
            say(f"[MASK] {i}")
        for candidate in blank:
            say(f"{candidate.probability:7.1%}  {candidate.token:<15} {candidate.text}")


@click.command()
@click.argument("texts", metavar="[TEXT]…", nargs=-1)
@click.option("--model", required=True, help="A run, a folder, a TensorFlow checkpoint or a name on the hub.")
@click.option("--file", type=click.Path(path_type=Path), help="A file with a text a line instead.")
@click.option(
    "--pooling",
    type=click.Choice(["mean", "cls"]),
    default="mean",
    show_default=True,
    help="The mean of the last hidden states of all tokens, or that of [CLS].",
)
@file_option("--output", "Write them there, as one array of NumPy's (.npy), a row a text.", ".npy")
@click.option("--threads", type=click.IntRange(min=1), help="Of each rank; all processors by default.")
@backend_option
@reports_errors
def embed(
    texts: Sequence[str],
    model: str,
    file: Path | None,
    pooling: str,
    output: Path | None,
    threads: int | None,
    backend: str,
) -> None:
    """Give each TEXT a vector, as JSON lines or as an array of NumPy's.

    Without TEXT, each line of --file or of standard input.

    \b
    albert-np embed "the cat sat" "a dog ran" --model albert/albert-base-v2
    albert-np embed --file lines.txt --model runs/quickstart --output lines.npy
    mpiexec -n 4 albert-np embed --file lines.txt --model runs/quickstart --output lines.npy
    """
    import numpy as np

    from albert_np.execution import this_job, threads_in_all
    from albert_np.files import read_lines
    from albert_np.tasks import embed as vectors_of
    from albert_np.tasks import load_encoder

    if file is not None and texts:
        raise click.UsageError("--file stands in place of TEXT")
    if file is not None:
        texts = [line.rstrip("\r\n") for line in read_lines(file)]
    texts = list(texts or (input_lines() if file is None else ()))
    if not texts:
        raise ValueError(f"{file} holds no text")
    job = this_job()
    if threads is None and backend == "numpy":
        threads = threads_in_all(job) // job.size
    job.take_device(backend)
    encoder, tokenizer = load_encoder(model, backend=backend)
    progress = partial(track, description="embedding", console=console, transient=True)
    with written_by_first(job, output) as hidden:
        vectors = vectors_of(encoder, tokenizer, texts, pooling, threads=threads, ranks=job, progress=progress)
        if hidden is not None:
            with hidden.open("wb") as opened:
                np.save(opened, vectors)
    if output is not None:
        say(f"{output}: {vectors.shape[0]:,} vectors of {vectors.shape[1]} numbers")
        return
    for text, vector in zip(texts, vectors, strict=True):  # all vectors as lists would take eight times their memory
        print_json({"text": text, "embedding": vector.tolist()}, indent=None)


@click.command()
@click.argument("text", required=False)
@click.option("--pair", help="A second text, for [CLS] TEXT [SEP] PAIR [SEP].")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="A model folder, or a spiece.model file.")
@click.option("--json", "as_json", is_flag=True, help="Print ids, types and tokens as JSON.")
@reports_errors
def tokenize(text: str | None, pair: str | None, model: Path, as_json: bool) -> None:
    """Show the tokens of TEXT and their ids; without TEXT, of each line of standard input."""
    from albert_np.checkpoints import find_model
    from albert_np.tokenization import AlbertTokenizer

    tokenizer = AlbertTokenizer(model) if model.is_file() else AlbertTokenizer.from_pretrained(find_model(model))
    lines = [text] if text is not None else list(input_lines())
    encodings = [dict(tokenizer(line, pair)) for line in lines]
    for encoding in encodings:
        encoding["tokens"] = tokenizer.convert_ids_to_tokens(encoding["input_ids"])
    if as_json:
        print_json(encodings[0] if text is not None else encodings)
        return
    for encoding in encodings:
        pairs = zip(encoding["tokens"], encoding["input_ids"], strict=True)
        say(" ".join(f"{token}:{token_id}" for token, token_id in pairs))


@click.command()
@click.argument("what")
@click.option("--positions", type=int, help="Sequence length to count for; the longest by default.")
@click.option(
    "--sharing", type=click.Choice(["all", "attention", "ffn", "none"]), help="What if the layers shared this?"
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@figure_option("Draw the way of the data, with these sizes, into this PNG or SVG file.")
@reports_errors
def info(what: str, positions: int | None, sharing: str | None, as_json: bool, figure: Path | None) -> None:
    """Show what WHAT is and costs: a released size (base-v2, xxlarge-v1, …) or a model of any kind.

    A model: a run, a Hugging Face folder, a TensorFlow checkpoint, a name on the model hub. Parameters by part,
    memory, computation, and what sharing saves of each.
    """
    from dataclasses import replace

    from albert_np.checkpoints import find_model, open_checkpoint
    from albert_np.config import PRESETS, AlbertConfig
    from albert_np.model import class_of
    from albert_np.study import describe

    stored: dict[str, object] = {}
    if what in PRESETS:
        config = AlbertConfig.preset(what)
    elif not Path(what).exists() and "/" not in what:
        raise ValueError(f"{what!r} is neither a file or folder, nor owner/name, nor one of {', '.join(PRESETS)}")
    else:
        checkpoint = open_checkpoint(find_model(what))
        config = checkpoint.config
        stored = {
            "kind": checkpoint.kind,
            "class": class_of(checkpoint).__name__,
            "tensors": len(checkpoint.weights),
            "remarks": list(checkpoint.remarks),
        }
    if sharing:
        config = replace(config, sharing=sharing, num_hidden_groups=0)
    figures = {**describe(config, positions), "doubts": config.doubts(), "stored": stored or None}
    if figure:
        from albert_np.plots import architecture_figure, save

        save(architecture_figure(config), figure)
    if as_json:
        print_json(figures)
    else:
        _print_info(what, config, figures)


def _print_info(what: str, config: "AlbertConfig", figures: dict[str, Any]) -> None:
    alone, stored = figures["without_sharing"], figures["stored"]
    say(
        f"{what}: {config.num_hidden_layers} layers in {config.num_hidden_groups} group(s), "
        f"hidden {config.hidden_size}, embedding {config.embedding_size}, "
        f"{config.num_attention_heads} heads, {config.hidden_act}"
    )
    if stored:
        say(f"  {stored['kind']} checkpoint, {stored['tensors']} tensors, read as {stored['class']}")
    for remark in (*(stored["remarks"] if stored else ()), *figures["doubts"]):
        say(f"  note: {remark}")
    if config.hidden_size == 2048 and config.num_attention_heads == 16:
        say("  note: 16 heads as in the released configurations; the paper says 32, and the weights fit both")
    say("\nparameters")
    for part, count in figures["parameters"].items():
        say(f"  {part:<34}{count:>14,}")
    say(f"  {'backbone (embeddings to pooler)':<34}{figures['backbone_parameters']:>14,}")
    say(f"  {'with both pretraining heads':<34}{figures['pretraining_parameters']:>14,}")
    word = figures["word_embedding_parameters"]
    say(f"\nword embeddings: V·E + E·H = {word['factorised']:,}, where V·H would be {word['V x H']:,}")
    say(f"\nat {figures['positions']} positions, float32{'':<9}{'this model':>14}{'nothing shared':>18}")
    rows = [
        ("weights, MB", figures["weight_bytes_float32"] / 1e6, 4 * alone["backbone_parameters"] / 1e6),
        ("activations of one sequence, MB", *(f["activation_bytes_per_sequence"] / 1e6 for f in (figures, alone))),
        ("forward MFLOP a token", *(f["flops_per_token"] / 1e6 for f in (figures, alone))),
    ]
    for name, shared, unshared in rows:
        say(f"  {name:<34}{shared:>12,.1f}{unshared:>18,.1f}")
    say(f"  {'weights, gradients, moments, MB':<34}{figures['training_bytes_float32'] / 1e6:>12,.1f}")
    offloaded = figures["offloaded_bytes_float32"]
    say(f"  {'of these to the host: moments, MB':<34}{offloaded['moments'] / 1e6:>12,.1f}")
    say(f"  {'and the inputs of a sequence, MB':<34}{offloaded['inputs'] / 1e6:>12,.1f}")
    on_gpu = figures["gpu_activation_bytes_per_sequence"]
    say(f"  {'activations on a GPU, MB':<34}{on_gpu['float32'] / 1e6:>12,.1f}")
    say(f"  {'in bfloat16 or float16, MB':<34}{on_gpu['bfloat16'] / 1e6:>12,.1f}")
    say(f"  {'and rounded weights beside, MB':<34}{figures['rounded_weight_bytes'] / 1e6:>12,.1f}")
    say("\nSharing saves weights. It saves no computation and no activation memory: every step is still computed.")


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO", type=click.Path(path_type=Path))
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the file.",
)
@click.option("--class", "class_name", help="Read it as this class, such as AlbertForMultipleChoice.")
@click.option("--config", type=click.Path(path_type=Path), help="An albert_config.json that lies elsewhere.")
@click.option("--max-shard-mb", type=click.IntRange(min=1), help="Cut the weights into files of so many MB.")
@reports_errors
def convert(
    source: str, target: Path, dtype: str, class_name: str | None, config: Path | None, max_shard_mb: int | None
) -> None:
    """Write a model of any kind as a Hugging Face folder TO, its tokenizer with it, or as one ONNX file TO.onnx.

    FROM: a Hugging Face folder (safetensors or PyTorch's format), a TensorFlow checkpoint as Google released it (its
    folder, or the path before .index), a TF-Hub module, or a name on the model hub.

    \b
    albert-np convert albert_base/model.ckpt-best albert-base
    albert-np convert albert/albert-base-v2 half --dtype float16
    albert-np convert runs/mails mails.onnx
    """
    from albert_np.model import convert as write

    if target.suffix == ".onnx":
        if dtype != "float32" or max_shard_mb is not None:
            raise click.UsageError("an ONNX file is one file of float32: it takes no --dtype and no --max-shard-mb")
        _export(source, target, class_name, config)
        return
    limit = None if max_shard_mb is None else max_shard_mb * 1_000_000
    model = write(source, target, class_name=class_name, dtype=dtype, max_shard_bytes=limit, config_path=config)
    say(f"{target}: {type(model).__name__}, {model.layout.size:,} parameters, {dtype}")


def _export(source: str, target: Path, class_name: str | None, config: Path | None) -> None:
    from albert_np.checkpoints import open_checkpoint
    from albert_np.export import export_onnx, onnx_difference
    from albert_np.model import class_of, model_classes

    if target.exists():
        raise FileExistsError(f"{target} already exists")
    if class_name is not None and class_name not in model_classes():
        raise ValueError(f"--class {class_name}: allowed are {', '.join(sorted(model_classes()))}")
    checkpoint = open_checkpoint(source, config_path=config)
    cls = class_of(checkpoint) if class_name is None else model_classes()[class_name]
    model = cls.from_checkpoint(checkpoint)
    size = export_onnx(model, target)
    say(f"{target}: {cls.__name__}, {model.layout.size:,} parameters, {size / 1e6:,.1f} MB")
    try:
        say(f"ONNX Runtime's outputs differ from the model's by at most {onnx_difference(model, target):.1e}")
    except ImportError as error:
        say(f"not compared with the model: {error}")

"""albert-np explore"""

import webbrowser
from pathlib import Path

import click

from albert_np.cli.main import file_option, remark, reports_errors, say

TEXT = "return the number of {items} in the list."
SECOND = "the list is not changed."


@click.command()
@click.argument("text", required=False)
@click.argument("second", required=False)
@click.option("--model", type=click.Path(path_type=Path), help="A run or a model folder; by default the shipped one.")
@click.option("--toy", is_flag=True, help="A tiny model in which every number fits on the screen.")
@file_option("--output", "Write the page into this file; explore.html by default.")
@click.option("--at", help="Open the page at the first stop of this function of ops, such as softmax_backward.")
@click.option("--no-open", is_flag=True, help="Write the page only; do not open a browser.")
@reports_errors
def explore(
    text: str | None,
    second: str | None,
    model: Path | None,
    toy: bool,
    output: Path | None,
    at: str | None,
    no_open: bool,
) -> None:
    """Walk one pass of a model, forward and back, in a browser, with the real numbers.

    Words of TEXT in braces are masked, and are what the loss asks for; with a SECOND sentence it also asks for the
    order of the two. One HTML file is written, which needs nothing else and can be sent to others.

    Example: albert-np explore "return the number of {items} in the list."
    """
    from albert_np import ops
    from albert_np.explore import explore_sentence, explore_toy
    from albert_np.study import data_folder

    if toy and (text is not None or model):
        raise click.UsageError("--toy has a model and a text of its own: give neither TEXT nor --model with it")
    if text is None:
        text, second = TEXT, SECOND
    if at is not None and not hasattr(ops, at):
        raise click.BadParameter(f"{at!r} is no function of albert_np.ops", param_hint="--at")
    path = output or Path("explore.html")
    source = model or data_folder() / "small-albert"
    exploration = explore_toy() if toy else explore_sentence(source, text, second)
    exploration.save(path)
    say(f"{path}: {len(exploration.data['stops'])} stops, {path.stat().st_size / 1e6:.2f} MB")
    for what in exploration.differs:
        remark(f"not as it should be: {what}")
    if not no_open and not webbrowser.open(path.resolve().as_uri() + (f"#{at}" if at else "")):
        remark("no browser found: open the file with one")

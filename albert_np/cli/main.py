"""The commands and what they have in common: how errors end, where JSON goes."""

import functools
import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

__all__ = [
    "console",
    "figure_option",
    "figures_table",
    "file_option",
    "main",
    "print_json",
    "remark",
    "reports_errors",
    "results",
]

console = Console(stderr=True, highlight=False)  # progress and remarks; results go to standard output


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def remark(text: str) -> None:
    """Show what the user should know beside the results, markup of other people's texts as it stands."""
    console.print(text, style="yellow", markup=False, soft_wrap=True)


def results(width: int = 120) -> Console:
    """Return a console on standard output; of a fixed width where no terminal has one, so that no table is cut."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False)


def figures_table(*headers: str) -> Table:
    """Return a table of one column of names and further ones of figures."""
    table = Table(*headers, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def file_option(name: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option for a file to write, which must not be a folder but lie in one; text: its help."""

    def in_a_folder(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and path.is_dir():
            raise click.BadParameter(f"{path} is a folder")
        if path is not None and not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}")
        return path

    return click.option(name, type=click.Path(path_type=Path), callback=in_a_folder, help=text)


def figure_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --figure FILE; text: its help."""
    return file_option("--figure", text)


def reports_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an expected exception into one line and an exit status, and warnings into lines."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from albert_np.training import CheckpointError, NonFiniteError, TrainingInterrupted

        warnings.showwarning = lambda message, *_, **__: remark(f"warning: {_as_typed(str(message))}")
        try:
            return command(*args, **kwargs)
        except (CheckpointError, NonFiniteError, TrainingInterrupted) as error:
            _fail(error, 1)
        except (ValueError, TypeError, FileNotFoundError, FileExistsError, IsADirectoryError, ImportError) as error:
            _fail(error, 2)
        except BrokenPipeError:  # whoever read our output has seen enough
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            sys.exit(1)
        except OSError as error:
            _fail(error, 1)
        except KeyboardInterrupt:
            _fail("interrupted", 1)

    return wrapped


def _fail(error: object, status: int) -> None:
    click.echo(f"albert-np: {_as_typed(str(error))}", err=True)
    sys.exit(status)


def _as_typed(message: str) -> str:
    """Name arguments of functions, such as `batch_size=0`, as the options that gave them: `--batch-size 0`."""
    context = click.get_current_context(silent=True)
    options = context.command.params if context else ()
    names = {option.name: option.opts[-1] for option in options if option.param_type_name == "option"}
    return re.sub(
        r"(?<![\w'\"])(\w+)=", lambda found: f"{names[found[1]]} " if found[1] in names else found[0], message
    )


class _Lazy(click.Group):
    """A group that imports a command's module only when the command is asked for."""

    COMMANDS = {  # noqa: RUF012
        "quickstart": "training",
        "pretrain": "training",
        "finetune": "finetuning",
        "evaluate": "finetuning",
        "classify": "finetuning",
        "answer": "finetuning",
        "fill-mask": "using",
        "tokenize": "using",
        "convert": "using",
        "info": "using",
        "verify": "verifying",
        "notebooks": "teaching",
        "experiment": "teaching",
        "bench": "benching",
        "profile": "benching",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.COMMANDS:
            return None
        module = __import__(f"albert_np.cli.{self.COMMANDS[name]}", fromlist=["*"])
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="albert-np")
def main() -> None:
    """ALBERT from the inside: pure NumPy, with every gradient written by hand.

    Start with `albert-np quickstart`, which pretrains a small model in minutes, then `albert-np verify`, which proves
    its gradients.
    """

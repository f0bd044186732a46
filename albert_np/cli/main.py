"""The commands and what they have in common: how errors end, where JSON goes."""

import functools
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

__all__ = ["console", "figure_option", "figures_table", "main", "print_json", "reports_errors", "results"]

console = Console(stderr=True, highlight=False)  # progress and remarks; results go to standard output


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def results(width: int = 120) -> Console:
    """Return a console on standard output; of a fixed width where no terminal has one, so that no table is cut."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False)


def figures_table(*headers: str) -> Table:
    """Return a table of one column of names and further ones of figures."""
    table = Table(*headers, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def figure_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --figure FILE, whose folder must exist; text: its help."""

    def in_a_folder(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {path.parent}")
        return path

    return click.option("--figure", type=click.Path(path_type=Path), callback=in_a_folder, help=text)


def reports_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an expected exception into one line and an exit status, and warnings into lines."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from albert_np.training import CheckpointError, NonFiniteError, TrainingInterrupted

        warnings.showwarning = lambda message, *_, **__: console.print(f"warning: {message}", style="yellow")
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
    click.echo(f"albert-np: {error}", err=True)
    sys.exit(status)


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

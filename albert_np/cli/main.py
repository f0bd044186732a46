"""The commands and what they have in common: what is printed, how errors end, where JSON goes.

What is printed may hold the user's text: a label, a path, the name of a tensor. It is never read as markup, control
characters in it are written out, such as \\x1b, and so is what a stream's encoding does not have.
"""

import errno
import functools
import io
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from albert_np.cli.ranks import as_one_program, refuse_ranks
from albert_np.schema import is_unicode

__all__ = [
    "console",
    "figure_option",
    "figures_table",
    "file_option",
    "input_lines",
    "main",
    "print_json",
    "printable",
    "remark",
    "reports_errors",
    "results",
    "say",
]

P = ParamSpec("P")
T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., object] | click.Command)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and ends of lines
_WRONG_CALL = (ValueError, TypeError, ImportError, OverflowError)
_WRONG_PATH = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_WRONG_NAME = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EROFS)


def printable(text: str) -> str:
    """Return a text whose control characters are written out, since a terminal would obey them."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class _PlainConsole(Console):
    """A console that shows every text as it is; what is to have a style gets it as one."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


console: Console = _PlainConsole(stderr=True)  # progress and remarks; results go to standard output


def say(text: str) -> None:
    """Print a line on standard output."""
    click.echo(printable(text), file=sys.stdout)  # without `file`, click takes UTF-8 for ASCII


def print_json(value: object, indent: int | None = 2) -> None:
    """Print one JSON document on standard output, in ASCII unless the stream is UTF-8; indent=None: on one line."""
    is_utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, indent=indent, ensure_ascii=not is_utf8)
    click.echo(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text), file=sys.stdout)


def remark(text: str) -> None:
    """Show what the user should know beside the results."""
    console.print(text, style="yellow", soft_wrap=True)


def results(width: int = 120) -> Console:
    """Return a console on standard output; of a fixed width where no terminal has one, so that no table is cut."""
    return _PlainConsole(width=None if sys.stdout.isatty() else width)


def input_lines() -> Iterator[str]:
    """Yield the lines of standard input; ValueError names the first one that is not in the encoding it should have.

    ValueError too if there is none. UsageError where there are several ranks: Open MPI 5 hands rank 0 lines twice, and
    never the end of them.
    """
    refuse_ranks("reading standard input (give a file)")
    encoding, number = sys.stdin.encoding or "utf-8", 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"standard input, line {number}: byte {error.start + 1} is not {encoding}") from error
    if number == 0:
        raise ValueError("standard input holds no text, and none is given")


def figures_table(*headers: str) -> Table:
    """Return a table of one column of names and further ones of figures."""
    table = Table(*headers, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def file_option(name: str, text: str, *endings: str) -> Callable[[Command], Command]:
    """Return an option for a file to write, which must not be a folder but lie in one.

    text: its help. endings: what its name may end in, if that says how it is written.
    """

    def in_a_folder(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and path.is_dir():
            raise click.BadParameter(printable(f"{path} is a folder"))
        if path is not None and not path.parent.is_dir():
            raise click.BadParameter(printable(f"there is no folder {path.parent}"))
        if path is not None and endings and path.suffix.lower() not in endings:
            raise click.BadParameter(printable(f"{path} does not end in {' or '.join(endings)}"))
        return path

    return click.option(name, type=click.Path(path_type=Path), callback=in_a_folder, help=text)


def figure_option(text: str) -> Callable[[Command], Command]:
    """Return the option --figure FILE; text: its help."""
    return file_option("--figure", text, ".png", ".svg")


def reports_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Turn an expected exception into one line and an exit status, and warnings into lines."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        from albert_np.execution import RankError
        from albert_np.training import CheckpointError, NonFiniteError, TrainingInterrupted

        _check_parameters(click.get_current_context())
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: remark(f"warning: {_as_typed(str(message))}")
            try:
                return command(*args, **kwargs)
            except (CheckpointError, NonFiniteError, RankError, TrainingInterrupted) as error:
                _fail(str(error), 1)
            except _WRONG_CALL as error:
                _fail(str(error) or type(error).__name__, 2)
            except BrokenPipeError:  # whoever read our output has seen enough
                sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
                sys.exit(1)
            except OSError as error:
                _fail(_of_system(error), 2 if isinstance(error, _WRONG_PATH) or error.errno in _WRONG_NAME else 1)
            except MemoryError as error:
                _fail(f"not enough memory: {error}", 1)

    return wrapped


def _check_parameters(context: click.Context) -> None:
    """Raise BadParameter for a number that is none, or infinite, and for text that is no Unicode."""
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, float) and not math.isfinite(each):
                raise click.BadParameter(f"{each} is not a finite number", context, parameter)
            if isinstance(each, str) and not is_unicode(each) and not os.path.lexists(each):
                raise click.BadParameter(f"{each!a} is not Unicode: give it in UTF-8", context, parameter)


def _of_system(error: OSError) -> str:
    """Return the message of a system's error, the path first and no number."""
    return f"{error.filename}: {error.strerror}" if error.filename is not None and error.strerror else str(error)


def _fail(message: str, status: int) -> NoReturn:
    """Print one line and end."""
    click.echo(printable(f"albert-np: {' '.join(_as_typed(message).splitlines())}"), file=sys.stderr)
    sys.exit(status)


def _as_typed(message: str) -> str:
    """Name arguments of functions, such as `batch_size=0`, as the options that gave them: `--batch-size 0`."""
    context = click.get_current_context(silent=True)
    parameters = context.command.params if context else ()
    options = {option.name: option for option in parameters if isinstance(option, click.Option)}

    def typed(found: re.Match[str]) -> str:
        option = options.get(found[1])
        if option is None:
            return found[0]
        return f"{option.opts[-1]} {'' if option.is_flag else found[2]}".rstrip()

    return re.sub(r"(?<![\w'\"])(\w+)=('[^']*'|[^\s,;:)]*)", typed, message)


class _GivenPath(click.Path):
    """A path that is not empty: "" would be the working folder, and is what a shell makes of an unset variable."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


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
        "embed": "using",
        "tokenize": "using",
        "convert": "using",
        "info": "using",
        "verify": "verifying",
        "explore": "exploring",
        "notebooks": "teaching",
        "labs": "labs",
        "experiment": "teaching",
        "bench": "benching",
        "profile": "benching",
    }

    OF_RANKS = ("pretrain", "finetune", "evaluate", "classify", "answer", "embed", "bench")  # what they do together

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return as_one_program(lambda: super(_Lazy, self).main(*args, **kwargs))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # in a command, or while its module is imported
            _fail("interrupted", 130)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name not in self.OF_RANKS:
            refuse_ranks(name)
        return name, command, rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.COMMANDS:
            return None
        module = __import__(f"albert_np.cli.{self.COMMANDS[name]}", fromlist=["*"])
        command: click.Command = getattr(module, name.replace("-", "_"))
        for each in (command, *getattr(command, "commands", {}).values()):
            for parameter in each.params:
                if isinstance(parameter.type, click.Path):
                    parameter.type = _GivenPath(path_type=Path)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="albert-np")
def main() -> None:
    """ALBERT from the inside: pure NumPy, with every gradient written by hand.

    Start with `albert-np quickstart`, which pretrains a small model in minutes, then `albert-np verify`, which proves
    its gradients.
    """

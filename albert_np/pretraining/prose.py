"""English sentences out of technical documentation: docstrings and manual pages, without markup, code or tables."""

import inspect
import re
from collections.abc import Iterator

from albert_np.pretraining.sentences import split_sentences

_BULLET = re.compile(r"\s*(?:[*+•-]|\(?\w{1,2}[.)])\s+(?=\S)")
_RULER = re.compile(r"([^\w\s.>])\1\1(?:\1|\s)*$")  # ===== under a heading, or the border of a table
_FIELD = re.compile(r"[^:]{1,60} : |[:@]\w+[^:`]*:(?: |$)|\w+ ?=")  # "axis : int", ":param x:", "x = 3"
_ADMONITION = re.compile(r"\.\. (?:note|warning|seealso|versionchanged|deprecated)")  # directives that hold prose
_TABLE = ("|", "+-")

# Markup and what is left of it, in this order. A formula becomes a backslash, which no English sentence has.
_MARKUP = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r":math:`[^`]*`", r"\\"),
        (r"[“”]", '"'),
        (r"[‘’´]", "'"),
        (r"[–—]", "-"),
        (r":[\w:.+-]+:(?=`)", ""),  # :func:`x` -> `x`
        (r"`{1,2}~?([^`<]+?)(?: <[^`>]*>)?`{1,2}_{0,2}", r"\1"),  # ``x``, `x`, `text <target>`_
        (r"(?<![\w*])\*{1,2}([^\s*](?:[^*]*[^\s*])?)\*{1,2}(?![\w*])", r"\1"),  # *x*, **x**
        (r" ?\[\w+\]_?(?=[\s.,;:)]|$)", ""),  # footnotes
        (r"\"([^\s\"]+)\"|'([\w.]+)'", r"\1\2"),  # quotes around a single name
        (r"(?<=\w)\(\)", ""),  # call() -> call
        (r" -- ", " - "),
    ]
]

_COMMON = """
a an the this that these those it its they their them he his she her we our you your i
and or but nor so if then else than as because while when where which who what how whether
is are was were be been being has have had do does did not no can could may might must shall should will would
of to in into on onto at by for from with without within over under up out about after before between through
any all both each every more most other another some such only own same very also one two
"""
_COMMON_WORDS = frozenset(_COMMON.split())
_OPENING = re.compile(r"[\"'(]?[A-Z]")
_ENDING = re.compile(r"(?<!\.\.)[.?!][\"')]*$")
_FOREIGN = re.compile(r"[=<>{}\[\]|\\~^@#$%*+`]|//|::|\.\.\.|Copyright")
_WORD = re.compile(r"[A-Za-z0-9]+(?:['/-][A-Za-z0-9]+)*|\d+[.,]\d+|e\.g|i\.e|-")


def clean_prose(text: str) -> list[str]:
    """The English sentences of a docstring or of a page of Python's manual, in order.

    Markup is taken off (reStructuredText and the plain text that Sphinx makes of it); headings, code, doctests,
    tables, signatures, lines that name a parameter's type, formulas, web addresses and fragments are left out.
    """
    return [
        sentence
        for paragraph in _paragraphs(inspect.cleandoc(text))
        if any(mark in paragraph for mark in ".?!")
        for sentence in split_sentences(_strip_markup(paragraph))
        if is_english_sentence(sentence)
    ]


def is_english_sentence(sentence: str) -> bool:
    """Whether a line reads as a sentence of English rather than as code or as a fragment.

    It opens with a capital letter and ends with a full stop, question or exclamation mark; has 4 to 80 words, in
    ASCII, without symbols of code; its brackets and quotes are balanced; at least one word in eight is one of the
    commonest words of English, and at most one in eight is a name such as ``a.b`` or ``__new__``.
    """
    words = sentence.split()
    if not (
        4 <= len(words) <= 80
        and _OPENING.match(sentence)
        and _ENDING.search(sentence)
        and sentence.isascii()
        and not _FOREIGN.search(sentence)
        and sentence.count("(") == sentence.count(")")
        and sentence.count('"') % 2 == 0
    ):
        return False
    words = [word.strip(".,;:!?()\"'") for word in words]
    common = sum(word.lower() in _COMMON_WORDS for word in words)
    names = sum(_WORD.fullmatch(word) is None for word in words)
    return 8 * common >= len(words) and names <= max(1, len(words) // 8)


def _paragraphs(text: str) -> Iterator[str]:
    """Runs of lines that stand together, each joined to one line.

    A blank line, a bullet, a change of the indentation and a line that names a field end a paragraph.
    What follows ``::`` or a directive and is indented further is code and is left out, and so are doctests.
    """
    paragraph: list[str] = []
    margin = 0
    code_margin: int | None = None  # the indentation of the line that announced code
    for line in [*text.expandtabs().splitlines(), ""]:
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if words and code_margin is not None:
            if indent > code_margin:
                continue
            code_margin = None
        if bullet := _BULLET.match(line):
            indent = bullet.end()
            words = line[indent:].strip()
        heading = _RULER.match(words) is not None
        if not words or heading or bullet or indent != margin or _FIELD.match(words):
            if paragraph and not heading and not paragraph[0].startswith(">>>"):
                yield " ".join(paragraph)
            paragraph = []
        margin = indent
        if words.startswith(".. "):
            code_margin = None if _ADMONITION.match(words) else indent
        elif words and not heading and not words.startswith(_TABLE):
            paragraph.append(words)
            if words.endswith("::"):
                code_margin = indent


def _strip_markup(text: str) -> str:
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text

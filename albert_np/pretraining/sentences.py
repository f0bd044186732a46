"""Running text to sentences, whatever its script; stretches without an end are cut where a reader might pause."""

import re

__all__ = ["LONGEST_SENTENCE", "cut_long", "ends_sentence", "split_sentences"]

LONGEST_SENTENCE = 80  # units, see `cut_long`
_SHORTEST_PART, _LONGEST_PART = 20, 40

_CLOSING = "\"'”’“»«›)\\]」』"
_MARKS, _ALWAYS = ".?!…‽", "。！？｡।॥؟۔։።፧။។"
# An end mark, any closing quotes or brackets, white space, and then something that may open a sentence; or a mark that
# always ends one, as Chinese, Hindi, Arabic, Urdu, Armenian, Ethiopic, Burmese and Khmer have. The set of all marks
# stands first: what begins with one set is searched for three times as fast as an alternative of two.
_BOUNDARY = re.compile(
    rf"[{_MARKS}{_ALWAYS}](?:"
    rf"(?<=[{_MARKS}])[{_MARKS}]*[{_CLOSING}]*(?= [\"'“‘„«»‹›(\[¿¡—–]*([^\W_]))"
    rf"|(?<=[{_ALWAYS}])[{_ALWAYS}]*[{_CLOSING}]*)"
)
_OPENING = "([\"'“‘„«‹¿¡"
# A full stop after one of these ends no sentence: initials (J., U.S., e.g.) and abbreviations.
_INITIALS = re.compile(r"(?:[^\W\d_]\.){2,}")
_ABBREVIATION = re.compile(
    r"(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|Gen|Col|Capt|Lt|Rev|Hon|Vol|Ed|Figs?|Eqs?|Sec|Ch|Refs?|pp|al|cf|vs|viz"
    r"|approx|resp|ca|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\."
)
_ANY_CASE = re.compile(_ABBREVIATION.pattern, re.IGNORECASE)

# Scripts that write no spaces: Thai to Burmese, Khmer, Japanese and Chinese.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ANY_UNSPACED = re.compile(f"[{_UNSPACED}]")
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]{{1,16}}")
_CLOSERS = frozenset('"”’“»«›)]」』')
_ENDS, _PAUSES = frozenset(_MARKS + _ALWAYS), frozenset(",;:—–、，；：،؛")


def split_sentences(text: str) -> list[str]:
    """Split running prose into sentences.

    A sentence ends at ``.``, ``?``, ``!`` or ``…`` (with the quotes and brackets that close after it) where white
    space and a letter or digit follow, unless the full stop belongs to initials or to a common English abbreviation.
    That letter must not be a small one, except where the whole text has no capitals. Marks such as ``。``, ``।`` and
    ``؟`` always end one. Runs of white space, line ends too, become one space.

    Returns the sentences in order, none of them empty: together they hold every character of the text that is
    not white space.
    """
    text = " ".join(text.split())
    no_capitals = text == text.lower()
    sentences, start = [], 0
    for match in _BOUNDARY.finditer(text):
        opens = match[1]
        if opens is not None:
            last_word = text[start : match.end()].rpartition(" ")[2].lstrip(_OPENING)
            if (opens.islower() and not no_capitals) or _is_abbreviation(last_word, no_capitals):
                continue
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def ends_sentence(text: str) -> bool:
    """Whether a text, or a piece of one, ends as sentences do: with an end mark or what closes after one."""
    return bool(text) and (text[-1] in _ENDS or text[-1] in _CLOSERS)


def _is_abbreviation(word: str, no_capitals: bool) -> bool:
    """Whether a full stop belongs to its word; where there are no capitals, single letters but "i" are initials."""
    if len(word) == 2 and word.endswith("."):
        return word[0].isupper() or (no_capitals and word[0].islower() and word[0] != "i")
    return bool(_INITIALS.fullmatch(word) or (_ANY_CASE if no_capitals else _ABBREVIATION).fullmatch(word))


def cut_long(sentence: str) -> list[str]:
    """Cut a sentence of more than 80 units into parts of 20 to 40, the last of up to 60; return a shorter one alone.

    A unit is a word, 16 characters of a longer one, or a character of a script without spaces: about a token or two.
    A part ends, in this order of preference, behind a mark that may end a sentence, behind a comma or another pause,
    between words, anywhere; the later of equals. Transcripts and lower-cased texts have such sentences, of any length:
    an example of pretraining shows as much of a sentence as fits into it, and would never show the rest.
    """
    if len(sentence) <= LONGEST_SENTENCE:
        return [sentence]
    few_words = sentence.count(" ") + len(sentence) // 16 < LONGEST_SENTENCE
    if few_words and (sentence.isascii() or not _ANY_UNSPACED.search(sentence)):
        return [sentence]
    units = [match.span() for match in _UNIT.finditer(sentence)]
    if len(units) <= LONGEST_SENTENCE:
        return [sentence]
    parts, first, begin = [], 0, 0
    while len(units) - first > _SHORTEST_PART + _LONGEST_PART:
        places = range(first + _SHORTEST_PART, first + _LONGEST_PART + 1)
        first = max(places, key=lambda i: (_pause(sentence, units[i - 1][1], units[i][0]), i))
        parts.append(sentence[begin : units[first][0]].strip())
        begin = units[first][0]
    return [*parts, sentence[begin:].strip()]


def _pause(sentence: str, end: int, start: int) -> int:
    """How good a place the one between two units is, from 0: within a word."""
    last = sentence[end - 1]
    if end == start and not _ANY_UNSPACED.match(sentence, start):
        return 0
    return 3 if last in _ENDS else 2 if last in _PAUSES else int(end < start)

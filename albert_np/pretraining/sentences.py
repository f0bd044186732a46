"""From running text to sentences: a small splitter for English prose."""

import re

# An end mark, any closing quotes or brackets, white space, and then something that can open a sentence.
_BOUNDARY = re.compile(r"""[.?!]+["'”’)\]]*(?=\s+["'“‘(\[]*[A-Z0-9])|[。！？]+[」』”’）]*""")
_OPENING = "([\"'“‘"
# A full stop after one of these ends no sentence: initials (J., U.S., e.g.) and abbreviations.
_ABBREVIATION = re.compile(
    r"(?:[A-Z]\.)+|(?:[a-z]\.){2,}"
    r"|(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|Gen|Col|Capt|Lt|Rev|Hon|Vol|Ed|Figs?|Eqs?|Sec|Ch|Refs?|pp|al|cf|vs|viz"
    r"|approx|resp|ca|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\."
)


def split_sentences(text: str) -> list[str]:
    """Split running English prose into sentences.

    A sentence ends at ``.``, ``?`` or ``!`` (with the quotes and brackets that close after it) where white space
    and a capital letter or a digit follow, unless the full stop belongs to initials or to a common abbreviation.
    The Chinese marks ``。！？`` always end one. Runs of white space, line ends too, become one space.

    Returns the sentences in order, none of them empty: together they hold every character of the text that is
    not white space.
    """
    text = " ".join(text.split())
    sentences, start = [], 0
    for match in _BOUNDARY.finditer(text):
        last_word = text[start : match.end()].rpartition(" ")[2].lstrip(_OPENING)
        if _ABBREVIATION.fullmatch(last_word):
            continue
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]

"""From raw text to token ids and back: split off added tokens, normalise, cut into pieces; join pieces."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar, cast

from albert_np.tokenization.normalization import Normalizer, Spans
from albert_np.tokenization.special_tokens import AddedVocabulary, Part

Text = str | Sequence[str]  # a text, or one that is already cut into words
Offsets = list[tuple[int, int]]  # start and end of each token: characters of the text it came from
Item = TypeVar("Item")
Piece = TypeVar("Piece", bound=str | int)  # or its id

CHUNK = 8192  # texts cut at a time: bounds the memory that a long corpus needs


class TokenizedText(NamedTuple):
    """One text as tokens, before special tokens are added.

    `ids`: token ids. `offsets`: start and end of each token in the text (in its word, if the text came as
    words). `words`: which word each token belongs to. These two are None where they were not asked for. `start`: how
    many tokens of the text were cut off in front.
    """

    ids: list[int]
    offsets: Offsets | None = None
    words: list[int] | None = None
    start: int = 0

    def cut(self, window: slice) -> "TokenizedText":
        """The tokens inside `window`."""
        return TokenizedText(
            self.ids[window],
            None if self.offsets is None else self.offsets[window],
            None if self.words is None else self.words[window],
            window.indices(len(self.ids))[0],
        )


class LocatedText(NamedTuple):
    """All that is known of the tokens of one text: as they were spelled there, their places and their words."""

    tokens: list[str]
    offsets: Offsets
    words: list[int]


class Stretch(NamedTuple):
    """A part of a text: an added token, or normalised text; `spans` lead back to the source."""

    text: str
    spans: Spans
    is_token: bool


class TextEncoder:
    """Text to token ids, the place in the text that every token came from, and ids to text.

    `added` also holds the model; with `split_special_tokens` its special tokens are not looked for in texts, with
    `sampling` texts are cut at random. Nothing of these is changed: other tokens or options need another encoder.
    """

    def __init__(
        self,
        normalizer: Normalizer,
        added: AddedVocabulary,
        split_special_tokens: bool = False,
        sampling: Mapping[str, object] | None = None,
    ):
        self.made_of = normalizer, added, split_special_tokens, sampling
        self.sampling = sampling
        self.model = added.model
        self.normalizer = normalizer
        self.added = added
        self.splitter = added.splitter(normalizer.do_lower_case, split_special_tokens)
        self._not_in_texts = {*added.all_special} if split_special_tokens else set()
        self._verbatim = re.compile("|".join(map(re.escape, {*self.model.reserved, *added.ids})))

    def token_to_id(self, token: str) -> int:
        """The id of an added token or a piece; of anything else, the unknown id."""
        token_id = self.added.ids.get(token)
        return self.model.piece_to_id(token) if token_id is None else token_id

    def id_to_token(self, token_id: int) -> str:
        """The added token or piece of an id. Raises ValueError for an id that does not exist."""
        if token_id in self.added.by_id:
            return self.added.by_id[token_id].content
        if not 0 <= token_id < len(self.model):
            raise ValueError(f"ids: {token_id} is no token id; allowed are 0 to {len(self.added) - 1}")
        return self.model.pieces[token_id]

    def _id_in_text(self, token: str) -> int:
        """The id of a token of a text; the unknown id where an unknown run spells a token that is not looked for."""
        return self.model.unk_id if token in self._not_in_texts else self.token_to_id(token)

    def tokenized(self, texts: Sequence[Text], as_words: bool, offsets: bool) -> list[TokenizedText]:
        """Tokenize strings or, with `as_words`, lists of words."""
        if not as_words:
            return self._tokenized_strings(cast(Sequence[str], texts), offsets)
        words = list(dict.fromkeys(word for text in texts for word in text))  # each of them once
        tokenized = dict(zip(words, self._tokenized_strings(words, offsets), strict=True))
        return [_join_words([tokenized[word] for word in text], offsets) for text in texts]

    def _tokenized_strings(self, texts: Sequence[str], offsets: bool) -> list[TokenizedText]:
        if not offsets:
            return [TokenizedText(ids) for ids in self.ids(texts)]
        return [TokenizedText([*map(self._id_in_text, tokens)], places) for tokens, places in self.located(texts)]

    def ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the token ids of each text: the fast way, on all cores, with one library call for a chunk of texts.

        A text with added tokens goes in as several segments.
        """
        splitter = self.splitter
        for chunk in _chunks(texts):
            lowered = [splitter.lower(text) for text in chunk]
            if not splitter.occurs_in("\n".join(lowered)):
                yield from self._segment_ids(lowered)
                continue
            splits: list[list[Part]] = [splitter.split(text) for text in lowered]
            segments = [
                text[part.start : part.stop]
                for text, parts in zip(lowered, splits, strict=True)
                for part in parts
                if part.token_id is None
            ]
            segment_ids = iter(self._segment_ids(segments))
            for parts in splits:
                yield [i for p in parts for i in (next(segment_ids) if p.token_id is None else (p.token_id,))]

    def _segment_ids(self, segments: Sequence[str]) -> list[list[int]]:
        """Cut segments without added tokens into ids."""
        normalized = [self.normalizer(segment) for segment in segments]
        batch = self.model.encode_ids(normalized, self.sampling)
        if self._verbatim.search("\n".join(normalized)):
            # Normalising can spell out a token ("［CLS］"). SentencePiece sees unknown characters there; the
            # run they form is then looked up as a whole and found after all.
            for i, text in enumerate(normalized):
                if self._verbatim.search(text):
                    batch[i] = [self._id_in_text(piece) for piece in self.model.encode_pieces([text], self.sampling)[0]]
        return batch

    def located(self, texts: Sequence[str]) -> Iterator[tuple[list[str], Offsets]]:
        """Yield the tokens of each text, and the characters of the text that each of them came from.

        A run of unknown characters is one token.
        """
        for chunk in _chunks(texts):
            split_texts = [self._stretches(text) for text in chunk]
            ordinary = [s.text for stretches in split_texts for s in stretches if not s.is_token]
            pieces = iter(self.model.encode_pieces(ordinary, self.sampling))
            for stretches in split_texts:
                tokens: list[str] = []
                offsets: Offsets = []
                for stretch in stretches:
                    own = [stretch.text] if stretch.is_token else next(pieces)
                    tokens += own
                    offsets += self._offsets(stretch, own)
                yield tokens, offsets

    def located_text(self, text: Text, as_words: bool) -> LocatedText:
        """The tokens of one text with their places and words.

        Words are those that were given or, in a string, what white space sets apart; an added token is a word.
        """
        if as_words:
            each = list(self.located(text))
            tokens = [token for own, _ in each for token in own]
            numbers = [number for number, (own, _) in enumerate(each) for _ in own]
            return LocatedText(tokens, [place for _, places in each for place in places], numbers)
        (tokens, offsets), words = next(self.located([cast(str, text)])), []
        number, starts = -1, True
        for token in tokens:
            is_added = token in self.added.ids
            number += starts or is_added or self.model.starts_word(token)
            words.append(number)
            starts = is_added or self.model.ends_word(token)
        return LocatedText(tokens, offsets, words)

    def _stretches(self, text: str) -> list[Stretch]:
        """Split one text at added tokens and normalise what lies between them."""
        lowered, spans = self.splitter.lower_with_spans(text)
        stretches = []
        for start, stop, token_id in self.splitter.split(lowered):
            raw, raw_spans = lowered[start:stop], spans.cut(start, stop)
            if token_id is None:
                raw, raw_spans = self.normalizer.with_spans(raw, raw_spans)
            stretches.append(Stretch(raw, raw_spans, token_id is not None))
        return stretches

    def _offsets(self, stretch: Stretch, pieces: Sequence[str]) -> Offsets:
        """Return start and end, in the source, of each piece of a stretch.

        Characters at either end of a piece that leave no trace in it, such as the space before a word, are left
        out. A lone "▁" gets the first character of the word it starts, as in the Rust tokenizers, or the last one of
        the word it ends.
        """
        text, spans, is_token = stretch
        if is_token:
            return [(spans.starts[0], spans.ends[-1])]
        alignment, blanks = self.model.alignment(text, pieces), self.model.blanks(text)
        offsets = []
        for first, last in self.model.places(pieces):
            start, end = alignment.starts[first], alignment.ends[last]
            while start < end and text[start] in blanks:
                start += 1
            while start < end and text[end - 1] in blanks:
                end -= 1
            if start == end:
                start = self.model.word_of_space(alignment.starts[first], end, text)
                end = start + 1
            offsets.append((spans.starts[start], spans.ends[end - 1]))
        return offsets

    def decode(self, ids: Sequence[int], spaces: bool = True) -> str:
        """Join ids to text.

        The text before a special token gets a space in front, the text behind it none: `[CLS] hello[SEP]`. Other
        added tokens stand between `spaces`, or without them. Semantics: Hugging Face transformers 4.57,
        `PreTrainedTokenizer._decode` and `AlbertTokenizer.convert_tokens_to_string`.
        """
        stretches: list[str] = []
        specials = set(self.added.special_ids)
        for is_plain, run in groupby(ids, key=self.added.plain_ids.__contains__):
            if is_plain:
                stretches += map(self.id_to_token, run)
            elif joined := self._join(run, specials, self.id_to_token):
                stretches.append(joined)
        return (" " if spaces else "").join(stretches)

    def join_tokens(self, tokens: Sequence[str]) -> str:
        """Join tokens to text, unknown ones as they are spelled; all added ones that are not special as pieces are."""
        return self._join(tokens, set(self.added.all_special), str)

    def _join(self, items: Iterable[Piece], specials: set[Piece], spell: Callable[[Piece], str]) -> str:
        """Join pieces and special tokens, as ids or strings, with the spaces of `decode`."""
        text, after_special = "", False
        pieces: list[Piece] = []
        for item in items:
            if item not in specials:
                pieces.append(item)
                after_special = False
                continue
            text += ("" if after_special else " ") + self.model.decode(pieces) + spell(item)
            pieces, after_special = [], True
        return (text + self.model.decode(pieces)).strip()


def _join_words(words: Sequence[TokenizedText], offsets: bool) -> TokenizedText:
    """One text from its tokenized words."""
    return TokenizedText(
        [i for word in words for i in word.ids],
        [offset for word in words for offset in word.offsets or ()] if offsets else None,
        [number for number, word in enumerate(words) for _ in word.ids],
    )


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield `CHUNK` items at a time."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


CLEAN_UPS = {
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}


def clean_up(text: str) -> str:
    """Drop the spaces before punctuation and English contractions (Hugging Face `clean_up_tokenization`)."""
    for spaced, joined in CLEAN_UPS.items():
        text = text.replace(spaced, joined)
    return text

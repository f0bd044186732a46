"""From raw text to token ids: split off added tokens, normalise, cut into pieces."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from albert_np.tokenization.normalization import Normalizer, Spans
from albert_np.tokenization.offsets import piece_offsets
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.special_tokens import AddedVocabulary, Part

CHUNK = 8192  # texts cut at a time: bounds the memory that a long corpus needs


class Stretch(NamedTuple):
    """A part of a text: an added token as it stands, or normalised text; `spans` lead back to the source."""

    text: str
    spans: Spans
    is_token: bool


class TextEncoder:
    """Text to token ids, and to the place in the text that every token came from."""

    def __init__(self, model: SentencePieceModel, normalizer: Normalizer, added: AddedVocabulary):
        self.model = model
        self.normalizer = normalizer
        self.added = added
        self._ids = {**model.piece_ids, **added.ids}
        self._verbatim = re.compile("|".join(map(re.escape, {*model.reserved, *added.ids})))

    def token_to_id(self, token: str) -> int:
        """The id of an added token or a piece; of anything else, the unknown id."""
        return self._ids.get(token, self.model.unk_id)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Cut many texts into token ids, on all cores."""
        return [ids for chunk in self.chunks(texts) for ids in chunk]

    def chunks(self, texts: Sequence[str]) -> Iterator[list[list[int]]]:
        """Yield the ids of `CHUNK` texts at a time."""
        for start in range(0, len(texts), CHUNK):
            yield self._chunk_ids(texts[start : start + CHUNK])

    def _chunk_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """One SentencePiece call for all texts; texts with added tokens go in as several segments."""
        splitter = self.added.splitter
        lowered = [splitter.lower(text) for text in texts]
        if not splitter.occurs_in("\n".join(lowered)):
            return self._segment_ids(lowered)
        splits: list[list[Part]] = [splitter.split(text) for text in lowered]
        segments = [
            text[part.start : part.stop]
            for text, parts in zip(lowered, splits, strict=True)
            for part in parts
            if part.token_id is None
        ]
        segment_ids = iter(self._segment_ids(segments))
        return [
            [i for p in parts for i in (next(segment_ids) if p.token_id is None else (p.token_id,))] for parts in splits
        ]

    def _segment_ids(self, segments: Sequence[str]) -> list[list[int]]:
        """Cut segments without added tokens into ids."""
        normalized = [self.normalizer(segment) for segment in segments]
        batch = self.model.encode_ids(normalized)
        if self._verbatim.search("\n".join(normalized)):
            # Normalising can spell out a token ("［CLS］"). SentencePiece sees unknown characters there; the
            # run they form is then looked up as a whole and found after all.
            for i, text in enumerate(normalized):
                if self._verbatim.search(text):
                    batch[i] = [self.token_to_id(piece) for piece in self.model.encode_pieces([text])[0]]
        return batch

    def located(self, texts: Sequence[str]) -> Iterator[tuple[list[str], list[tuple[int, int]]]]:
        """Yield the tokens of every text, and the characters of the text that each of them came from.

        A run of unknown characters comes as it stands.
        """
        for start in range(0, len(texts), CHUNK):
            split_texts = [self._stretches(text) for text in texts[start : start + CHUNK]]
            ordinary = [s.text for stretches in split_texts for s in stretches if not s.is_token]
            pieces = iter(self.model.encode_pieces(ordinary))
            for stretches in split_texts:
                tokens: list[str] = []
                offsets: list[tuple[int, int]] = []
                for stretch in stretches:
                    own = [stretch.text] if stretch.is_token else next(pieces)
                    tokens += own
                    offsets += self._offsets(stretch, own)
                yield tokens, offsets

    def _stretches(self, text: str) -> list[Stretch]:
        """Split one text at added tokens and normalise what lies between them."""
        lowered, spans = self.added.splitter.lower_with_spans(text)
        stretches = []
        for start, stop, token_id in self.added.splitter.split(lowered):
            raw, raw_spans = lowered[start:stop], spans.cut(start, stop)
            if token_id is None:
                raw, raw_spans = self.normalizer.with_spans(raw, raw_spans)
            stretches.append(Stretch(raw, raw_spans, token_id is not None))
        return stretches

    def _offsets(self, stretch: Stretch, pieces: list[str]) -> list[tuple[int, int]]:
        if stretch.is_token:
            return [(stretch.spans.starts[0], stretch.spans.ends[-1])]
        alignment = self.model.alignment(stretch.text, pieces)
        return piece_offsets(pieces, stretch.text, alignment, stretch.spans, self.model.blanks(stretch.text))

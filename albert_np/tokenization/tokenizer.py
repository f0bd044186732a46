"""The tokenizer of ALBERT, called as Hugging Face's tokenizers are."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from albert_np.tokenization import files
from albert_np.tokenization.batching import (
    TokenizedText,
    build_columns,
    join_words,
    make_rows,
    special_count,
)
from albert_np.tokenization.call import (
    SIDES,
    Text,
    check_choice,
    check_int,
    check_texts,
    read_inputs,
    read_limits,
    read_padding,
)
from albert_np.tokenization.decoding import clean_up, join_tokens
from albert_np.tokenization.encoder import TextEncoder
from albert_np.tokenization.encoding import BatchEncoding
from albert_np.tokenization.model_proto import read_model
from albert_np.tokenization.normalization import Normalizer
from albert_np.tokenization.padding import Padding, collect_columns
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary
from albert_np.tokenization.tokenizer_json import write_tokenizer_json

Ids = Sequence[int] | npt.NDArray[Any]


class AlbertTokenizer:
    """Text to ids and back, with the ids of Hugging Face's slow `AlbertTokenizer` (transformers 4.57).

    `vocab_file` is a SentencePiece model (`spiece.model`); the options carry Hugging Face's names. Where
    Hugging Face's slow and fast tokenizers differ, this one does as the slow one:

    - accents: only characters of a combining class are dropped, so Thai and Indic vowel signs stay;
    - special tokens in the text are cut out first, and the text between them is tokenized by itself;
    - `truncation="longest_first"` rounds as the slow one, `"longest_first_fast"` as the fast one;
    - windows over pairs of texts need `only_first` or `only_second`.

    Offsets, words and overflowing windows as rows are abilities of the fast one. `model_max_length` is 512,
    the number of positions of the released models.

    Raises FileNotFoundError or ValueError if `vocab_file` is missing or no SentencePiece model.
    """

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | SentencePieceModel,
        do_lower_case: bool = True,
        remove_space: bool = True,
        keep_accents: bool = False,
        bos_token: str | AddedToken = "[CLS]",
        eos_token: str | AddedToken = "[SEP]",
        unk_token: str | AddedToken = "<unk>",
        sep_token: str | AddedToken = "[SEP]",
        pad_token: str | AddedToken = "<pad>",
        cls_token: str | AddedToken = "[CLS]",
        mask_token: str | AddedToken = "[MASK]",
        additional_special_tokens: Sequence[str | AddedToken] = (),
        added_tokens: Mapping[int, AddedToken] | None = None,
        model_max_length: int = 512,
        padding_side: str = "right",
        truncation_side: str = "right",
        clean_up_tokenization_spaces: bool = False,
    ):
        check_int("model_max_length", model_max_length, least=1)
        self.model_max_length = model_max_length
        self.padding_side = check_choice("padding_side", padding_side, SIDES)
        self.truncation_side = check_choice("truncation_side", truncation_side, SIDES)
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        model = vocab_file if isinstance(vocab_file, SentencePieceModel) else SentencePieceModel.from_file(vocab_file)
        specials = {
            "bos_token": AddedToken.from_json(bos_token),
            "eos_token": AddedToken.from_json(eos_token),
            "unk_token": AddedToken.from_json(unk_token),
            "sep_token": AddedToken.from_json(sep_token),
            "pad_token": AddedToken.from_json(pad_token),
            "cls_token": AddedToken.from_json(cls_token),
            "mask_token": mask_token if isinstance(mask_token, AddedToken) else AddedToken(mask_token, lstrip=True),
        }
        additional = [AddedToken.from_json(token) for token in additional_special_tokens]
        self.added = AddedVocabulary(model.piece_ids, specials, additional, added_tokens or {}, do_lower_case)
        self.model = model
        self._size = len(self.get_vocab())
        self.normalizer = Normalizer(do_lower_case, remove_space, keep_accents)
        self.encoder = TextEncoder(model, self.normalizer, self.added)
        self.bos_token, self.bos_token_id = self._special("bos_token")
        self.eos_token, self.eos_token_id = self._special("eos_token")
        self.unk_token, self.unk_token_id = self._special("unk_token")
        self.sep_token, self.sep_token_id = self._special("sep_token")
        self.pad_token, self.pad_token_id = self._special("pad_token")
        self.cls_token, self.cls_token_id = self._special("cls_token")
        self.mask_token, self.mask_token_id = self._special("mask_token")
        self.additional_special_tokens = self.added.additional
        self.all_special_tokens = self.added.all_special
        self.all_special_ids = [self.encoder.token_to_id(token) for token in self.all_special_tokens]

    def _special(self, role: str) -> tuple[str, int]:
        token = self.added.roles[role]
        return token, self.encoder.token_to_id(token)

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> "AlbertTokenizer":
        """Load a tokenizer from a folder in Hugging Face's layout, or from a name on the model hub.

        Reads `spiece.model` (or, where there is none, `tokenizer.json`), `tokenizer_config.json`,
        `special_tokens_map.json` and `added_tokens.json`; `options` override what they say. Raises OSError if
        the folder has no vocabulary, ValueError if a file is damaged or the vocabulary is BertTokenizer's.
        """
        model, saved = files.read_folder(folder)
        return cls(model, **{**saved, **options})

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that Hugging Face transformers 4.57 and 5 load.

        `spiece.model`, `tokenizer_config.json`, `special_tokens_map.json`, `tokenizer.json` (all that version 5
        reads; without it the digit-comma rule is lost there), and `added_tokens.json` where tokens were added.
        """
        if Path(folder).is_file():
            raise NotADirectoryError(f"folder={str(folder)!r} is a file")
        options = {
            "do_lower_case": self.normalizer.do_lower_case,
            "remove_space": self.normalizer.remove_space,
            "keep_accents": self.normalizer.keep_accents,
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
        }
        contents = files.describe(self.added, options, self.vocab_size)
        contents[files.RUST_VOCABULARY] = write_tokenizer_json(
            read_model(self.model.serialized),
            self.added.by_id,
            cls=(self.cls_token, self.cls_token_id),
            sep=(self.sep_token, self.sep_token_id),
            do_lower_case=self.normalizer.do_lower_case,
            keep_accents=self.normalizer.keep_accents,
        )
        files.write_folder(folder, self.model.serialized, contents)

    @property
    def vocab_size(self) -> int:
        """Number of pieces, without tokens that were added behind them."""
        return len(self.model)

    def __len__(self) -> int:
        return self._size

    def get_vocab(self) -> dict[str, int]:
        """Return token → id, added tokens included."""
        return {**self.model.piece_ids, **self.added.ids}

    def __repr__(self) -> str:
        return (
            f"AlbertTokenizer(vocab_size={self.vocab_size}, do_lower_case={self.normalizer.do_lower_case}, "
            f"keep_accents={self.normalizer.keep_accents}, model_max_length={self.model_max_length})"
        )

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into tokens; a run of unknown characters comes back as it stands."""
        return next(self.encoder.located([text]))[0]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """Return the id of a token, or the list of ids of several; what is no token gets the unknown id."""
        to_id = self.encoder.token_to_id
        return to_id(tokens) if isinstance(tokens, str) else [to_id(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Ids) -> Any:
        """Return the token of an id, or the list of tokens of several. Raises ValueError for an unknown id."""
        if isinstance(ids, (int, np.integer)):
            return self._token(int(ids))
        return [self._token(int(i)) for i in ids]

    def _token(self, token_id: int) -> str:
        if token_id in self.added.by_id:
            return self.added.by_id[token_id].content
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"ids: {token_id} is no token id; allowed are 0 to {len(self) - 1}")
        return self.model.pieces[token_id]

    def encode(self, text: Text, text_pair: Text | None = None, **options: Any) -> list[int]:
        """Return only the `input_ids` of a call."""
        ids: list[int] = self(text, text_pair, **options)["input_ids"]
        return ids

    def encode_lines(self, lines: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Return the ids of every line, without special tokens: the fast road for a corpus, on all cores."""
        check_texts("lines", lines)
        return [np.array(ids, dtype=np.int32) for chunk in self.encoder.chunks(lines) for ids in chunk]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens a row holds: two with one text, three with two."""
        return special_count(pair)

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool = True,
        return_attention_mask: bool = True,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
    ) -> BatchEncoding:
        """Tokenize a text, a pair of texts, or a batch of either.

        `text`, `text_pair`: strings, or lists of strings for a batch; `text` may also be a list of pairs. With
        `is_split_into_words`, a list of words stands for each string, and `word_ids(i)` of the result tells
        which word each token came from.
        `padding`: False, True or "longest" (to the longest row), "max_length". `truncation`: False, True or
        "longest_first", "longest_first_fast", "only_first", "only_second"; a `max_length` that comes with neither
        `padding` nor `truncation` means truncation. `max_length` defaults to `model_max_length`.
        `return_overflowing_tokens`: a text that is cut gives further rows, which overlap by `stride` tokens;
        `overflow_to_sample_mapping` says which text each row shows.
        `return_tensors`: None for lists, "np" for int64 arrays of shape (rows, tokens).

        Returns `input_ids`, `token_type_ids`, `attention_mask`, and what was asked for: `special_tokens_mask`;
        `offset_mapping`, the (start, end) characters of each token in its text (in its word, where words were
        given), without the space before it; `length`, the number of tokens of each row without padding. Of a
        single text the values are not wrapped in a batch, unless as arrays or with overflowing rows.

        Raises TypeError or ValueError that names the argument, and ValueError where texts cannot be cut as asked.
        """
        inputs = read_inputs(text, text_pair, is_split_into_words)
        pair = inputs.seconds is not None
        if truncation is None and max_length is not None and padding is False:
            truncation = True
        length = self._length(max_length)
        specials = add_special_tokens * special_count(pair)
        limits = read_limits(
            truncation, length, self.truncation_side, stride, specials, pair, return_overflowing_tokens
        )
        fill = self._padding(padding, length, pad_to_multiple_of, padding_side, return_tensors, limits is not None)

        firsts = self._tokenized(inputs.firsts, is_split_into_words, return_offsets_mapping)
        seconds = None
        if inputs.seconds is not None:
            seconds = self._tokenized(inputs.seconds, is_split_into_words, return_offsets_mapping)
        rows = list(make_rows(firsts, seconds, limits, add_special_tokens, return_overflowing_tokens))
        asked = {
            "input_ids": True,
            "token_type_ids": return_token_type_ids,
            "attention_mask": return_attention_mask,
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
            "length": return_length,
            "overflow_to_sample_mapping": return_overflowing_tokens,
        }
        wanted = [name for name, is_asked in asked.items() if is_asked]
        columns = build_columns(rows, self.cls_token_id, self.sep_token_id, wanted)
        width = fill.width(row.token_count() for row in rows)
        columns = fill.apply(columns, width)
        if not inputs.batched and not return_overflowing_tokens and not fill.as_arrays:
            columns = {name: values[0] for name, values in columns.items()}
        return BatchEncoding(columns, rows, width, fill.side)

    def _length(self, max_length: int | None) -> int:
        check_int("max_length", max_length, least=1)
        return self.model_max_length if max_length is None else max_length

    def _padding(
        self,
        padding: bool | str,
        length: int,
        multiple: int | None,
        side: str | None,
        return_tensors: str | None,
        truncated: bool,
    ) -> Padding:
        """Check the padding arguments."""
        strategy = read_padding(padding, length, multiple, truncated)
        side = check_choice("padding_side", side or self.padding_side, SIDES)
        if return_tensors is not None:
            check_choice("return_tensors", return_tensors, ("np",))
        return Padding(strategy, length, multiple, side, self.pad_token_id, return_tensors == "np")

    def _tokenized(self, texts: Sequence[Text], split_into_words: bool, offsets: bool) -> list[TokenizedText]:
        """Tokenize texts, or lists of words."""
        if not split_into_words:
            return self._tokenized_strings(cast(Sequence[str], texts), offsets)
        words = list(dict.fromkeys(word for words in texts for word in words))  # each of them once
        tokenized = dict(zip(words, self._tokenized_strings(words, offsets), strict=True))
        return [join_words([tokenized[word] for word in text]) for text in texts]

    def _tokenized_strings(self, texts: Sequence[str], offsets: bool) -> list[TokenizedText]:
        if not offsets:
            return [TokenizedText(ids) for ids in self.encoder.ids(texts)]
        to_id = self.encoder.token_to_id
        return [
            TokenizedText([to_id(token) for token in tokens], places) for tokens, places in self.encoder.located(texts)
        ]

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Fill encodings up to one length: a list of single encodings, or a batch, or one single encoding.

        `input_ids`, `token_type_ids`, `attention_mask`, `special_tokens_mask` and `offset_mapping` are filled up,
        other columns are passed through. An `attention_mask` is made if there is none. Raises ValueError if
        there are no `input_ids`.
        """
        length = self._length(max_length)
        fill = self._padding(padding, length, pad_to_multiple_of, padding_side, return_tensors, truncated=False)
        columns, batched = collect_columns(encoded_inputs)
        columns.setdefault("attention_mask", [[1] * len(row) for row in columns["input_ids"]])
        columns = fill.apply(columns, fill.width(len(row) for row in columns["input_ids"]))
        if not batched and not fill.as_arrays:
            columns = {name: values[0] for name, values in columns.items()}
        return BatchEncoding(columns)

    def decode(
        self,
        token_ids: int | Ids,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> str:
        """Turn ids back into text.

        `skip_special_tokens` leaves out [CLS], [SEP], <pad> and their like; `clean_up_tokenization_spaces`
        closes up the spaces before punctuation (None: as the tokenizer was made). Raises ValueError for an id
        that is none, or for several rows of ids.
        """
        array = np.atleast_1d(np.asarray(token_ids))
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise ValueError(f"token_ids must be one row of integers (batch_decode takes several), got {token_ids!r}")
        ids = array.tolist()
        tokens = {i: self._token(i) for i in ids}
        specials = set(self.all_special_ids)
        if skip_special_tokens:
            ids = [i for i in ids if i not in specials]
        text = join_tokens(ids, specials, self.added.plain_ids, tokens.__getitem__, self.model.decode)
        tidy = (
            self.clean_up_tokenization_spaces if clean_up_tokenization_spaces is None else clean_up_tokenization_spaces
        )
        return clean_up(text) if tidy else text

    def batch_decode(
        self,
        sequences: Sequence[Ids] | npt.NDArray[Any],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """Turn every row of ids back into text."""
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in sequences]

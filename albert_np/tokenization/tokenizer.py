"""The tokenizer of ALBERT, called as Hugging Face's tokenizers are."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from albert_np.tokenization.arguments import (
    SIDES,
    check_choice,
    check_int,
    check_texts,
    read_inputs,
    read_limits,
    read_padding,
)
from albert_np.tokenization.batch import COLUMNS, BatchEncoding, collect_columns, make_rows, special_count
from albert_np.tokenization.encoder import Text, TextEncoder, clean_up
from albert_np.tokenization.folder import read_folder, write_folder
from albert_np.tokenization.normalization import Normalizer
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary

Ids = Sequence[int] | npt.NDArray[np.integer[Any]]


class AlbertTokenizer:
    """Text to ids and back, with the ids of Hugging Face's slow `AlbertTokenizer` (transformers 4.57).

    vocab_file: path of a SentencePiece model (`spiece.model`), or one that is already read.
    do_lower_case: put text into lower case. remove_space: strip white space and collapse it to single spaces.
        keep_accents: leave accents on their letters.
    bos_token … mask_token, additional_special_tokens: tokens that are found in text as they are written and never
        split, as strings or as `AddedToken`. One that is not in the vocabulary gets the next free id.
    added_tokens: further tokens of this kind, id → token.
    model_max_length: the default of `max_length`, in tokens; 512 is the number of positions of the released models.
    padding_side, truncation_side: "right" or "left", the side on which rows are filled up and cut.
    clean_up_tokenization_spaces: the default of `decode`.

    Where Hugging Face's slow and fast tokenizers differ, this one follows the slow one:

    - accents: only characters of a combining class are dropped, so Thai and Indic vowel signs stay;
    - special tokens in the text are cut out first, and the text between them is tokenized by itself;
    - `truncation="longest_first"` rounds as the slow one does, `"longest_first_fast"` as the fast one does;
    - windows over pairs of texts need `only_first` or `only_second`.

    Offsets, words and overflowing windows as rows are known from the fast one.

    Raises FileNotFoundError if there is no `vocab_file`, ValueError if it is not a SentencePiece model, and TypeError
    or ValueError, naming the argument, for an option that is not allowed.
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
        self.model = model
        self.normalizer = Normalizer(do_lower_case, remove_space, keep_accents)
        self.added = AddedVocabulary(model.piece_ids, specials, additional, added_tokens or {}, do_lower_case)
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
        self.all_special_ids = self.added.special_ids

    def _special(self, role: str) -> tuple[str, int]:
        token = self.added.roles[role]
        return token, self.added.ids[token]

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> "AlbertTokenizer":
        """Load a tokenizer from a folder in Hugging Face's layout, or from a name on the model hub.

        Reads `spiece.model` (or, where there is none, `tokenizer.json`), `tokenizer_config.json`,
        `special_tokens_map.json` and `added_tokens.json`; `options`, those of the constructor, override what they
        say. Raises OSError if there is no such folder or no vocabulary in it, ValueError if a file is damaged or the
        vocabulary is BertTokenizer's.
        """
        model, saved = read_folder(folder)
        return cls(model, **{**saved, **options})

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that Hugging Face transformers 4.57 and 5 load: all files of the tokenizer, or none.

        `spiece.model`, `tokenizer_config.json`, `special_tokens_map.json`, `tokenizer.json` (all that version 5
        reads; without it the digit-comma rule is lost there), and `added_tokens.json` where tokens were added.
        The folder is made if need be; other files in it stay. Raises NotADirectoryError if it is a file, ValueError
        if the vocabulary is no Unigram model.
        """
        options = {
            "do_lower_case": self.normalizer.do_lower_case,
            "remove_space": self.normalizer.remove_space,
            "keep_accents": self.normalizer.keep_accents,
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
        }
        write_folder(folder, self.model, self.added, options)

    @property
    def vocab_size(self) -> int:
        """Number of pieces, without tokens that were added behind them."""
        return len(self.model)

    def __len__(self) -> int:
        return len(self.encoder.vocabulary)

    def get_vocab(self) -> dict[str, int]:
        """Return token → id, added tokens included."""
        return dict(self.encoder.vocabulary)

    def __repr__(self) -> str:
        return (
            f"AlbertTokenizer(vocab_size={self.vocab_size}, do_lower_case={self.normalizer.do_lower_case}, "
            f"keep_accents={self.normalizer.keep_accents}, model_max_length={self.model_max_length})"
        )

    def tokenize(self, text: str) -> list[str]:
        """Cut a text into tokens, without special tokens around it; a run of unknown characters is one token."""
        return next(self.encoder.located([text]))[0]

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> int | list[int]:
        """Return the id of a token, or the ids of several; a string that is not a token gets the unknown id."""
        to_id = self.encoder.token_to_id
        return to_id(tokens) if isinstance(tokens, str) else [to_id(token) for token in tokens]

    @overload
    def convert_ids_to_tokens(self, ids: int) -> str: ...
    @overload
    def convert_ids_to_tokens(self, ids: Ids) -> list[str]: ...
    def convert_ids_to_tokens(self, ids: int | Ids) -> str | list[str]:
        """Return the token of an id, or the tokens of several. Raises ValueError for an id that does not exist."""
        to_token = self.encoder.id_to_token
        return to_token(int(ids)) if isinstance(ids, (int, np.integer)) else [to_token(int(i)) for i in ids]

    def encode(self, text: Text, text_pair: Text | None = None, **options: Any) -> list[int]:
        """Return only the `input_ids` of one text or one pair; `options` are those of a call."""
        ids: list[int] = self(text, text_pair, **options)["input_ids"]
        return ids

    def encode_lines(self, lines: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Return an int32 array of ids for each line, without special tokens around it.

        This is the fast way through a corpus, on all cores. Raises TypeError if `lines` are not strings.
        """
        check_texts("lines", lines)
        return [np.array(ids, dtype=np.int32) for ids in self.encoder.ids(lines)]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return how many special tokens a row holds: two with one text, three with a pair."""
        return special_count(pair)

    def __call__(
        self,
        text: Text | Sequence[Text],
        text_pair: Text | Sequence[Text] | None = None,
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

        text, text_pair: strings, or lists of strings for a batch; `text` may also be a list of pairs.
        add_special_tokens: rows read [CLS] A [SEP] or [CLS] A [SEP] B [SEP]; without it, they hold the texts alone.
        padding: False, True or "longest" (to the longest row), "max_length"; rounded up to `pad_to_multiple_of`.
        truncation: False, True or "longest_first", "longest_first_fast", "only_first", "only_second"; None means
            True if `max_length` is given and `padding` is not, else False.
        max_length: tokens in a row, special ones included; `model_max_length` by default.
        return_overflowing_tokens: the rest of a text that is cut follows in further rows, which overlap by `stride`
            tokens; `overflow_to_sample_mapping` says which text each row shows.
        is_split_into_words: a list of words stands for each string, and `word_ids(i)` of the result tells which word
            each token of row i came from.
        padding_side: "right" or "left"; by default the side that the tokenizer was made with.
        return_tensors: None for lists, "np" for int64 arrays of shape (rows, tokens).

        Returns `input_ids`, `token_type_ids`, `attention_mask`, and what was asked for: `special_tokens_mask`;
        `offset_mapping`, the (start, end) characters of each token in its text (in its word, where words were
        given), without the space before it; `length`, the number of tokens of each row without padding. For a
        single text the values are those of its one row, without a batch around them, unless arrays or overflowing
        rows are asked for.

        Raises TypeError or ValueError, naming the argument, for what is not allowed, and ValueError if texts cannot be
        cut as asked.
        """
        inputs = read_inputs(text, text_pair, is_split_into_words)
        paired = inputs.seconds is not None
        if truncation is None and max_length is not None and padding is False:
            truncation = True
        length = self._length(max_length)
        specials = special_count(paired) if add_special_tokens else 0
        limits = read_limits(
            truncation, length, self.truncation_side, stride, specials, paired, return_overflowing_tokens
        )
        side = padding_side or self.padding_side
        fill = read_padding(
            padding, length, pad_to_multiple_of, side, self.pad_token_id, return_tensors, limits is not None
        )
        firsts = self.encoder.tokenized(inputs.firsts, is_split_into_words, return_offsets_mapping)
        seconds = None
        if inputs.seconds is not None:
            seconds = self.encoder.tokenized(inputs.seconds, is_split_into_words, return_offsets_mapping)
        special = (self.cls_token_id, self.sep_token_id) if add_special_tokens else None
        rows = list(make_rows(firsts, seconds, special, limits, return_overflowing_tokens))
        asked = {
            "input_ids": True,
            "token_type_ids": return_token_type_ids,
            "attention_mask": return_attention_mask,
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
            "length": return_length,
            "overflow_to_sample_mapping": return_overflowing_tokens,
        }
        columns = {name: [COLUMNS[name](row) for row in rows] for name, is_asked in asked.items() if is_asked}
        columns, width = fill.apply(columns)
        if not inputs.batched and not return_overflowing_tokens and not fill.as_arrays:
            columns = {name: values[0] for name, values in columns.items()}
        return BatchEncoding(columns, rows, width, fill.side)

    def _length(self, max_length: int | None) -> int:
        check_int("max_length", max_length, least=1)
        return self.model_max_length if max_length is None else max_length

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Fill encodings up to one length.

        encoded_inputs: one encoding, a batch, or a list of single encodings. `input_ids`, `token_type_ids`,
            `attention_mask`, `special_tokens_mask` and `offset_mapping` are filled up, other columns are passed
            through. An `attention_mask` is made if there is none.

        The other arguments are those of a call. Raises ValueError if there are no `input_ids`, if the columns differ
        in their number of rows, or for an argument that is not allowed.
        """
        length = self._length(max_length)
        side = padding_side or self.padding_side
        fill = read_padding(padding, length, pad_to_multiple_of, side, self.pad_token_id, return_tensors, False)
        columns, batched = collect_columns(encoded_inputs)
        columns.setdefault("attention_mask", [[1] * len(row) for row in columns["input_ids"]])
        columns, _ = fill.apply(columns)
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

        token_ids: one id, or one row of ids as a list or an array.
        skip_special_tokens: leave out [CLS], [SEP], <pad> and the like.
        clean_up_tokenization_spaces: close up the spaces before punctuation; by default as the tokenizer was made.

        Raises ValueError for an id that does not exist, or for several rows of ids.
        """
        array = np.atleast_1d(np.asarray(token_ids))
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise ValueError(f"token_ids must be one row of integers (batch_decode takes several), got {token_ids!r}")
        ids: list[int] = array.tolist()
        self.convert_ids_to_tokens(ids)  # refuses what is no id
        if skip_special_tokens:
            ids = [i for i in ids if i not in self.all_special_ids]
        text = self.encoder.decode(ids)
        tidy = clean_up_tokenization_spaces
        return clean_up(text) if (self.clean_up_tokenization_spaces if tidy is None else tidy) else text

    def batch_decode(
        self,
        sequences: Sequence[Ids] | npt.NDArray[np.integer[Any]],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """Turn every row of ids back into text; the options are those of `decode`."""
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in sequences]

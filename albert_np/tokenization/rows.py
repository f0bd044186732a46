"""What a tokenizer does with texts that are ids already: rows with special tokens, cut and filled up."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Unpack

from albert_np.schema import check_flag
from albert_np.tokenization.arguments import (
    UNBOUNDED,
    Asked,
    CallOptions,
    check_id,
    check_ids,
    check_input_names,
    check_int,
    check_length,
    check_side,
    read_asked,
    read_options,
    read_padding,
)
from albert_np.tokenization.attributes import HasSpecialTokens, Option
from albert_np.tokenization.batch import COLUMNS, Columns, Row, collect_columns, make_rows, special_count
from albert_np.tokenization.encoder import TokenizedText
from albert_np.tokenization.encoding import BatchEncoding, Source


class MakesRows(HasSpecialTokens):
    """A tokenizer that sets special tokens around texts, as ids, and makes batches of them."""

    model_max_length = Option(check_length)
    padding_side = Option(check_side)
    truncation_side = Option(check_side)
    model_input_names = Option(check_input_names)

    pad_token_type_id = 0
    _warned = False

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of one text fit in `model_max_length`."""
        return self.model_max_length - special_count(False)

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of two texts fit in `model_max_length`."""
        return self.model_max_length - special_count(True)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return how many special tokens a row holds: two with one text, three with a pair."""
        return special_count(check_flag("pair", pair))

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Set [CLS] and [SEP] around the ids of one text or two."""
        return self._row(token_ids_0, token_ids_1).input_ids()

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """Return the `token_type_ids` of the row that `build_inputs_with_special_tokens` makes of these ids."""
        return self._row(token_ids_0, token_ids_1).token_type_ids()

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for special tokens and 0 for others, of the row that `build_inputs_with_special_tokens` makes.

        already_has_special_tokens: `token_ids_0` are such a row; every special token in it counts.
        """
        if not already_has_special_tokens:
            return self._row(token_ids_0, token_ids_1).special_tokens_mask()
        if token_ids_1 is not None:
            raise ValueError("get_special_tokens_mask: a row that has special tokens is one list, token_ids_0")
        special = {*self.added.special_ids}
        return [int(i in special) for i in token_ids_0]

    def _row(self, first: Sequence[int], second: Sequence[int] | None) -> Row:
        """The row of one text or two that are given as ids."""
        special = (self.role_id("cls_token"), self.role_id("sep_token"))
        return Row(0, _of_ids(first), None if second is None else _of_ids(second), special)

    def prepare_for_model(
        self, ids: Sequence[int], pair_ids: Sequence[int] | None = None, **options: Unpack[CallOptions]
    ) -> BatchEncoding:
        """One row of texts that are given as ids, without special tokens; `options` are those of a call."""
        asked = self._asked(read_options({**options, "return_offsets_mapping": False}), pair_ids is not None)
        second = None if pair_ids is None else _of_ids(pair_ids)
        return self._encoding([_of_ids(ids)], [second], asked, batched=False)

    def pad(
        self,
        encoded_inputs: Mapping[str, object] | Sequence[Mapping[str, object]],
        padding: bool | str | None = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Fill encodings up to one length.

        encoded_inputs: one encoding, a batch, or a list of single encodings. `input_ids`, `token_type_ids`,
            `attention_mask`, `special_tokens_mask` and `offset_mapping` are filled up, other columns are passed
            through. An `attention_mask` is made if there is none, unless `return_attention_mask` is False.

        The other arguments are those of a call, None for the default. Raises TypeError for what is no encoding, and
        ValueError if there are no `input_ids`, if columns differ in their rows or rows in their columns, if arrays are
        asked for and the rows of another column differ in length, or for an argument that is not allowed.
        """
        check_int("max_length", max_length, least=1)
        length = self.model_max_length if max_length is None else max_length
        side = self.padding_side if padding_side is None else padding_side
        padding = True if padding is None else padding
        fill = read_padding(padding, length, pad_to_multiple_of, side, self.pad_token_id, return_tensors, False)
        has_mask = (
            "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        )
        columns, batched = collect_columns(encoded_inputs)
        if check_flag("return_attention_mask", has_mask):
            columns.setdefault("attention_mask", [[1] * len(row) for row in columns["input_ids"]])
        columns, _ = fill.apply(columns)
        if not batched and not fill.as_arrays:
            columns = {name: values[0] for name, values in columns.items()}
        return BatchEncoding(columns)

    def _asked(self, options: CallOptions, paired: bool) -> Asked:
        """What a call asks for. Raises TypeError or ValueError for what is not allowed."""
        return read_asked(
            options,
            paired,
            self.model_max_length,
            (self.truncation_side, self.padding_side),
            self.pad_token_id,
            self.model_input_names,
        )

    def _encoding(
        self,
        firsts: Sequence[TokenizedText],
        seconds: Sequence[TokenizedText | None] | None,
        asked: Asked,
        batched: bool,
        source: Source | None = None,
    ) -> BatchEncoding:
        """From tokenized texts to what a call returns."""
        special = (self.role_id("cls_token"), self.role_id("sep_token")) if asked.special else None
        rows = list(make_rows(firsts, seconds, special, asked.limits, asked.overflowing))
        if asked.limits is None and special and self.model_max_length <= UNBOUNDED:
            self._warn_of_length(max((row.length() for row in rows), default=0))
        columns: Columns = {name: [COLUMNS[name](row) for row in rows] for name in asked.columns}
        columns, width = asked.padding.apply(columns)
        if not batched and not asked.overflowing and not asked.padding.as_arrays:
            columns = {name: values[0] for name, values in columns.items()}
        return BatchEncoding(columns, rows, width, asked.padding.side, source)

    def _warn_of_length(self, length: int) -> None:
        if length > self.model_max_length and not self._warned:
            self._warned = True
            warnings.warn(
                "Token indices sequence length is longer than the specified maximum sequence length for this model "
                f"({length} > model_max_length={self.model_max_length}): ask for truncation=True (this is said once)",
                stacklevel=4,
            )


def _of_ids(ids: Sequence[int]) -> TokenizedText:
    """A text that is given as ids. Raises TypeError for what is no list of integers."""
    check_ids(ids)
    return TokenizedText([check_id(each) for each in ids])

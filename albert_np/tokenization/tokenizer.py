"""The tokenizer of ALBERT, called as Hugging Face's tokenizers are."""

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Never, Unpack, overload

import numpy as np
import numpy.typing as npt

from albert_np.files import whole_files
from albert_np.schema import check_flag
from albert_np.tokenization.arguments import (
    DEFAULTS,
    INPUT_NAMES,
    CallOptions,
    Pair,
    check_id,
    check_ids,
    check_input_names,
    check_names,
    check_sampling,
    check_text,
    check_texts,
    read_inputs,
    read_options,
)
from albert_np.tokenization.attributes import ROLES, Option, Token, check_tokens
from albert_np.tokenization.elsewhere import refuse_options
from albert_np.tokenization.encoder import Text, TextEncoder, TokenizedText, clean_up
from albert_np.tokenization.encoding import BatchEncoding, Source
from albert_np.tokenization.fields import OPTIONS
from albert_np.tokenization.folder import VOCABULARY, read_folder, write_folder
from albert_np.tokenization.learning import Given, flattened, learn
from albert_np.tokenization.normalization import Normalizer
from albert_np.tokenization.rows import MakesRows
from albert_np.tokenization.sentencepiece_model import Kind, ModelProto, SentencePieceModel, read_model, unknown_id
from albert_np.tokenization.special_tokens import AddedToken, AddedVocabulary

Ids = Sequence[int] | npt.NDArray[np.integer[Any]]


class AlbertTokenizer(MakesRows):
    """Text to ids and back, with the ids of Hugging Face's slow `AlbertTokenizer` (transformers 4.57).

    vocab_file: path of a SentencePiece model (`spiece.model`), or one that is already read.
    do_lower_case: put text into lower case. remove_space: strip white space and collapse it to single spaces.
        keep_accents: leave accents on their letters.
    bos_token … mask_token, additional_special_tokens: tokens that are found in text as they are written and never
        split, as strings or as `AddedToken`. One that is not in the vocabulary gets the next free id. None: no token
        has this role, and what needs one says so.
    added_tokens: further tokens of this kind, id → token.
    model_max_length: the default of `max_length`, in tokens; 512 is the number of positions of the released models.
    padding_side, truncation_side: "right" or "left", the side on which rows are filled up and cut.
    clean_up_tokenization_spaces: the default of `decode`.
    split_special_tokens: take special tokens that are written in a text for ordinary text, as for texts of strangers.
    model_input_names: the columns that a call returns by default, "input_ids" first.
    sp_model_kwargs: {"enable_sampling": True, "alpha": 0.1, "nbest_size": -1} draws one of the ways to cut a text, each
        call anew, with probability ∝ P(cut)^alpha of the nbest_size best (-1: of all); subword regularization (Kudo,
        2018). `sentencepiece.set_random_generator_seed` fixes the draws.
    extra_special_tokens: a list, which is another name for `additional_special_tokens`, or name → token: special
        tokens with roles of their own, read as `tokenizer.name` and `tokenizer.name_id`.

    Every option can be read as an attribute, and set to another value: that holds from then on and is saved.

    Where Hugging Face's slow and fast tokenizers differ, this one follows the slow one:

    - accents: only characters of a combining class are dropped, so Thai and Indic vowel signs stay;
    - special tokens in the text are cut out first, and the text between them is tokenized by itself;
    - `truncation="longest_first"` rounds as the slow one does, `"longest_first_fast"` as the fast one does.

    Offsets, words, overflowing windows as rows, of pairs too, that every token which says it is special is one, that
    `split_special_tokens` splits these alone, and what a single word is, are known from the fast one (which gives even
    split ones their ids where they are pieces). An added token that is neither special nor normalized is found as it
    is written; the slow one finds it only without capitals.

    Raises FileNotFoundError if there is no `vocab_file`, ValueError if it is not a SentencePiece model, and TypeError
    or ValueError, naming the argument, for an option that is not allowed.
    """

    is_fast = True  # as Hugging Face means it: encodings know offsets and words

    do_lower_case = Option(check_flag)
    remove_space = Option(check_flag)
    keep_accents = Option(check_flag)
    clean_up_tokenization_spaces = Option(check_flag)
    split_special_tokens = Option(check_flag)
    sp_model_kwargs = Option(check_sampling)

    _encoder: TextEncoder | None = None

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | SentencePieceModel,
        do_lower_case: bool = True,
        remove_space: bool = True,
        keep_accents: bool = False,
        bos_token: Token | None = "[CLS]",
        eos_token: Token | None = "[SEP]",
        unk_token: Token | None = "<unk>",
        sep_token: Token | None = "[SEP]",
        pad_token: Token | None = "<pad>",
        cls_token: Token | None = "[CLS]",
        mask_token: Token | None = "[MASK]",
        additional_special_tokens: Sequence[Token] = (),
        added_tokens: Mapping[int, AddedToken] | None = None,
        model_max_length: int = 512,
        padding_side: str = "right",
        truncation_side: str = "right",
        clean_up_tokenization_spaces: bool = False,
        extra_special_tokens: Sequence[Token] | Mapping[str, Token] = (),
        split_special_tokens: bool = False,
        model_input_names: Sequence[str] = INPUT_NAMES,
        sp_model_kwargs: Mapping[str, object] | None = None,
        **unknown: Never,
    ):
        refuse_options(type(self), unknown, DEFAULTS)
        self.model_max_length = model_max_length
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.do_lower_case = do_lower_case
        self.remove_space = remove_space
        self.keep_accents = keep_accents
        self.split_special_tokens = split_special_tokens
        self.sp_model_kwargs = check_sampling("sp_model_kwargs", sp_model_kwargs)
        self.model_input_names = check_input_names("model_input_names", model_input_names)
        model = vocab_file if isinstance(vocab_file, SentencePieceModel) else SentencePieceModel.from_file(vocab_file)
        self.added = AddedVocabulary.with_ids(model, added_tokens or {})
        if isinstance(mask_token, str) and mask_token not in self.added.ids:
            mask_token = AddedToken(mask_token, lstrip=True, special=True)
        roles = {
            "bos_token": bos_token,
            "eos_token": eos_token,
            "unk_token": unk_token,
            "sep_token": sep_token,
            "pad_token": pad_token,
            "cls_token": cls_token,
            "mask_token": mask_token,
        }
        self.add_special_tokens(roles)
        self.add_special_tokens({"additional_special_tokens": additional_special_tokens})
        if extra_special_tokens:
            self.add_special_tokens({"extra_special_tokens": extra_special_tokens}, False)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, revision: str | None = None, **options: Any) -> "AlbertTokenizer":
        """Load a tokenizer from a folder in Hugging Face's layout, or from a name on the model hub.

        Reads `spiece.model` (or, where there is none, `tokenizer.json`), `tokenizer_config.json`,
        `special_tokens_map.json` and `added_tokens.json`; `options`, those of the constructor, override what they
        say. `revision` picks a branch, tag or commit of the hub. Raises OSError if there is no such folder or no
        vocabulary in it, ValueError if a file is damaged or the vocabulary is BertTokenizer's.
        """
        model, saved = read_folder(folder, revision)
        try:
            return cls(model, **{**saved, **options})
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from error

    def save_pretrained(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Write a folder that Hugging Face transformers 4.57 and 5 load: all files of the tokenizer, or none.

        `spiece.model`, `tokenizer_config.json`, `special_tokens_map.json`, `tokenizer.json` (all that version 5
        reads; without it the digit-comma rule is lost there), and `added_tokens.json` where tokens were added.
        The folder is made if need be; other files in it stay. Returns the paths of the files. Raises
        NotADirectoryError if it is a file, ValueError if the vocabulary is no Unigram model.
        """
        options = {name: getattr(self, name) for name in OPTIONS}
        return tuple(str(Path(folder) / name) for name in write_folder(folder, self.added, options))

    def save_vocabulary(self, save_directory: str | os.PathLike[str], filename_prefix: str | None = None) -> tuple[str]:
        """Write the vocabulary alone, `spiece.model`, into a folder, and return its path."""
        name = f"{filename_prefix}-{VOCABULARY}" if filename_prefix else VOCABULARY
        with whole_files(save_directory) as hidden:
            (hidden / name).write_bytes(self.model.serialized)
        return (str(Path(save_directory) / name),)

    def train_new_from_iterator(
        self,
        text_iterator: Iterable[str | Sequence[str]],
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[Token] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
    ) -> "AlbertTokenizer":
        """Learn a vocabulary from texts; return a tokenizer that has it, and is like this one in all else.

        text_iterator: texts, or lists of them, read once. vocab_size: of all pieces, those of special tokens and of the
            characters among them; fewer, with a warning, where the texts do not support so many. length: of the
            iterator, which is not asked for here.
        new_special_tokens: further special tokens, listed as `additional_special_tokens`. special_tokens_map: old name
            → new name of tokens that are to be called otherwise.

        Added tokens, with their flags and roles, get ids at the beginning: padding 0, the unknown one 1, then the
        others. The trainer is SentencePiece's, see `train_vocabulary`; the pieces of Hugging Face's own trainer differ.
        Raises TypeError or ValueError, naming the argument, for what is not allowed.
        """
        old = read_model(self.model.serialized)
        known = dict.fromkeys([*self.added.ids, old.pieces[unknown_id(old.pieces)].text])
        names = {} if special_tokens_map is None else check_names("special_tokens_map", special_tokens_map, known)
        added = self.added.renamed(names)
        if new_special_tokens is not None:
            added = added.with_additional([*added.listed, *check_tokens("new_special_tokens", new_special_tokens)])
        given = _given_to_new(added, old, names)
        texts = flattened("text_iterator", text_iterator)
        model = SentencePieceModel(learn(texts, vocab_size, self.normalizer, given, at_most=True))
        options: dict[str, Any] = {name: getattr(self, name) for name in OPTIONS}
        options |= {role: added.roles.get(role) for role in ROLES}
        return type(self)(
            model,
            additional_special_tokens=added.listed,
            extra_special_tokens={role: token for role, token in added.roles.items() if role not in ROLES},
            added_tokens={model.piece_ids[token.content]: token for token in added.by_id.values()},
            **options,
        )

    def __repr__(self) -> str:
        return (
            f"AlbertTokenizer(vocab_size={self.vocab_size}, do_lower_case={self.do_lower_case}, "
            f"keep_accents={self.keep_accents}, model_max_length={self.model_max_length})"
        )

    def checksum(self) -> int:
        """Return the CRC-32 of all that decides which ids a text becomes."""
        options = [getattr(self, name) for name in OPTIONS]
        told = repr((options, self.added.by_id, self.added.roles, self.added.additional))
        return zlib.crc32(told.encode("utf-8", "backslashreplace"), zlib.crc32(self.model.serialized))

    @property
    def model(self) -> SentencePieceModel:
        """The vocabulary, as it is in `spiece.model`."""
        return self.added.model

    @property
    def normalizer(self) -> Normalizer:
        """What happens to text before it is cut."""
        return Normalizer(self.do_lower_case, self.remove_space, self.keep_accents)

    @property
    def encoder(self) -> TextEncoder:
        """The way from text to ids and back, made anew when a token or an option has changed."""
        return self._encoder_that(None)

    def _encoder_that(self, split_special_tokens: bool | None) -> TextEncoder:
        """The encoder that splits special tokens, or does not; None: as the tokenizer's option says."""
        split = self.split_special_tokens if split_special_tokens is None else split_special_tokens
        sampling = self.sp_model_kwargs if self.sp_model_kwargs.get("enable_sampling") else None
        made_of = self.normalizer, self.added, split, sampling
        if self._encoder is None or self._encoder.made_of != made_of:
            self._encoder = TextEncoder(*made_of)
        return self._encoder

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_encoder": None}

    @property
    def vocab_size(self) -> int:
        """Number of pieces, without tokens that were added behind them."""
        return len(self.model)

    def __len__(self) -> int:
        """Number of ids, those of added tokens included: as many embeddings the model needs."""
        return len(self.added)

    def get_vocab(self) -> dict[str, int]:
        """Return token → id, added tokens included."""
        return {**self.model.piece_ids, **self.added.ids}

    def tokenize(
        self, text: str, add_special_tokens: bool = False, split_special_tokens: bool | None = None
    ) -> list[str]:
        """Cut a text into tokens, without special tokens around it or with them.

        split_special_tokens: as in a call. A run of unknown characters is one token, as it is spelled. Raises TypeError
        or ValueError, naming the argument, unless `text` is Unicode text, and for a flag that is no bool.
        """
        check_text("text", text)
        split = None if split_special_tokens is None else check_flag("split_special_tokens", split_special_tokens)
        tokens = next(self._encoder_that(split).located([text]))[0]
        if not add_special_tokens:
            return tokens
        cls, sep = self.convert_ids_to_tokens([self.role_id("cls_token"), self.role_id("sep_token")])
        return [cls, *tokens, sep]

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> int | list[int]:
        """Return the id of a token, or the ids of several; a string that is not a token gets the unknown id."""
        if not isinstance(tokens, Iterable):
            raise TypeError(f"tokens must be a string or a list of strings, got {tokens!r:.80}")
        to_id = self.encoder.token_to_id
        return to_id(tokens) if isinstance(tokens, str) else [to_id(token) for token in tokens]

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = False) -> str: ...
    @overload
    def convert_ids_to_tokens(self, ids: Ids, skip_special_tokens: bool = False) -> list[str]: ...
    def convert_ids_to_tokens(self, ids: int | Ids, skip_special_tokens: bool = False) -> str | list[str]:
        """Return the token of an id, or the tokens of several, those of special ones left out if asked.

        Raises TypeError for what is no integer, ValueError for an id that does not exist.
        """
        to_token = self.encoder.id_to_token
        if isinstance(ids, (int, np.integer)):
            return to_token(int(ids))
        check_ids(ids)
        skipped = {*self.added.special_ids} if skip_special_tokens else ()
        return [to_token(check_id(i)) for i in ids if i not in skipped]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Join tokens to text; unknown ones as they are spelled. Raises TypeError for what is no list of strings."""
        check_texts("tokens", tokens)
        return self.encoder.join_tokens(tokens)

    def encode(self, text: Text, text_pair: Text | None = None, **options: Unpack[CallOptions]) -> list[int]:
        """Return only the `input_ids` of one text or one pair; `options` are those of a call."""
        ids: list[int] = self(text, text_pair, **options)["input_ids"]
        return ids

    def encode_plus(self, text: Text, text_pair: Text | None = None, **options: Unpack[CallOptions]) -> BatchEncoding:
        """One text or one pair, as in a call."""
        return self(text, text_pair, **options)

    def batch_encode_plus(
        self, batch_text_or_text_pairs: Sequence[Text | Pair], **options: Unpack[CallOptions]
    ) -> BatchEncoding:
        """A batch of texts, pairs, or both, as in a call. Raises TypeError for one text."""
        if isinstance(batch_text_or_text_pairs, str):
            raise TypeError(f"batch_text_or_text_pairs must be a list, got one text, {batch_text_or_text_pairs!r:.40}")
        return self(batch_text_or_text_pairs, **options)

    def encode_lines(self, lines: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Return an int32 array of ids for each line, without special tokens around it.

        This is the fast way through a corpus, on all cores. Raises TypeError or ValueError, naming the line, if
        `lines` are not strings, or no Unicode.
        """
        check_texts("lines", lines)
        return [np.array(ids, dtype=np.int32) for ids in self.encoder.ids(lines)]

    def __call__(
        self,
        text: Text | Sequence[Text | Pair],
        text_pair: Text | Sequence[Text] | None = None,
        **options: Unpack[CallOptions],
    ) -> BatchEncoding:
        """Tokenize a text, a pair of texts, or a batch of texts and pairs.

        text, text_pair: strings, or lists of strings for a batch; entries of `text` may also be pairs of strings.

        The options, each by its name; None means the default:

        add_special_tokens=True: rows read [CLS] A [SEP] or [CLS] A [SEP] B [SEP]; False: they hold the texts alone.
        padding=False: True or "longest" (to the longest row), "max_length"; rounded up to `pad_to_multiple_of`.
        truncation=None: False, True or "longest_first", "longest_first_fast", "only_first", "only_second"; None means
            True if `max_length` is given and `padding` is not, else False.
        max_length: tokens in a row, special ones included; `model_max_length` by default.
        return_overflowing_tokens=False: True: the rest of a text that is cut follows in further rows, which overlap by
            `stride=0` tokens; `overflow_to_sample_mapping` says which text each row shows.
        is_split_into_words=False: True: a list of words stands for each string, and `word_ids(i)` of the result tells
            which word each token of row i came from.
        padding_side: "right" or "left"; by default that of the tokenizer.
        split_special_tokens: True: special tokens that are written in the text are taken for ordinary text; by default
            as the tokenizer was made.
        return_tensors: None for lists, "np" for int64 arrays of shape (rows, tokens).
        return_token_type_ids, return_attention_mask (by default whether `model_input_names` has them),
            return_special_tokens_mask=False, return_offsets_mapping=False, return_length=False: which columns
            there are.

        Returns `input_ids`, `token_type_ids`, `attention_mask`, and what was asked for: `special_tokens_mask`;
        `offset_mapping`, the (start, end) characters of each token in its text (in its word, where words were
        given), without the space before it; `length`, the number of tokens of each row without padding. For a
        single text the values are those of its one row, without a batch around them, unless arrays or overflowing
        rows are asked for.

        Raises TypeError or ValueError, naming the argument, for what is not allowed, and ValueError if texts cannot be
        cut as asked. Warns, once, of a row that is longer than `model_max_length`.
        """
        filled = read_options(options)
        as_words, offsets = bool(filled["is_split_into_words"]), bool(filled["return_offsets_mapping"])
        inputs = read_inputs(text, text_pair, as_words)
        asked = self._asked(filled, inputs.seconds is not None)
        encoder = self._encoder_that(filled["split_special_tokens"])
        firsts = encoder.tokenized(inputs.firsts, as_words, offsets)
        seconds: list[TokenizedText | None] | None = None
        if inputs.seconds is not None:
            there = iter(encoder.tokenized([text for text in inputs.seconds if text is not None], as_words, offsets))
            seconds = [None if text is None else next(there) for text in inputs.seconds]
        names = self.cls_token, self.sep_token, self.pad_token
        # Texts that are cut at random cannot be cut in the same way again, which a source is for.
        source = None if encoder.sampling else Source(encoder, inputs.firsts, inputs.seconds, as_words, names)
        return self._encoding(firsts, seconds, asked, inputs.batched, source)

    def decode(
        self,
        token_ids: int | Ids,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> str:
        """Turn ids back into text.

        token_ids: one id, or one row of ids as a list or an array.
        skip_special_tokens: leave out [CLS], [SEP], <pad> and the like.
        clean_up_tokenization_spaces: close up the spaces before punctuation; by default as the tokenizer was made.
        spaces_between_special_tokens: set added tokens apart with spaces.

        Raises ValueError for an id that does not exist, or for several rows of ids.
        """
        array = np.atleast_1d(np.asarray(token_ids))
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise ValueError(f"token_ids must be one row of integers (batch_decode takes several), got {token_ids!r}")
        ids: list[int] = array.tolist()
        self.convert_ids_to_tokens(ids)  # refuses what is no id
        if skip_special_tokens:
            special = {*self.added.special_ids}
            ids = [i for i in ids if i not in special]
        text = self.encoder.decode(ids, spaces_between_special_tokens)
        tidy = clean_up_tokenization_spaces
        return clean_up(text) if (self.clean_up_tokenization_spaces if tidy is None else tidy) else text

    def batch_decode(
        self,
        sequences: Sequence[Ids] | npt.NDArray[np.integer[Any]],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = True,
    ) -> list[str]:
        """Turn every row of ids back into text; the options are those of `decode`."""
        if not isinstance(sequences, Iterable):
            raise TypeError(f"sequences must be a list of rows of ids, got {sequences!r:.80}")
        options = skip_special_tokens, clean_up_tokenization_spaces, spaces_between_special_tokens
        return [self.decode(row, *options) for row in sequences]


def _given_to_new(added: AddedVocabulary, old: ModelProto, names: Mapping[str, str]) -> Given:
    """What a vocabulary with these added tokens begins with, in place of one whose tokens had other names."""
    unknown = old.pieces[unknown_id(old.pieces)].text
    unknown = names.get(unknown, unknown)
    pad = added.roles.get("pad_token")
    pad = None if pad == unknown else pad
    others = [token for token in added.by_id.values() if token.content not in (pad, unknown)]
    alone = [token.content for token in others if not token.special]
    alone += [piece.text for piece in old.pieces if piece.kind == Kind.USER_DEFINED and piece.text not in added.ids]
    controls = tuple(token.content for token in others if token.special)
    return Given(pad, unknown, controls, tuple(alone), old.byte_fallback, old.space_behind)

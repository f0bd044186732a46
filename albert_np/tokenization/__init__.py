"""Text to ids and back: the SentencePiece tokenizer of ALBERT.

In the order of a call: `tokenizer` (the class, with its options and special tokens as `attributes`), `arguments`
(what it is given), `encoder` (text → ids) with `special_tokens`, `normalization` and `sentencepiece_model`, `rows`
(special tokens around) with `batch` (cut and filled up), `encoding` (what is handed over). Beside the way: `folder`
(saving and loading) with `tokenizer_json` and `fields` (what may stand in the files), `vocabulary` and `learning`
(a vocabulary of one's own), `unigram` (the model in plain Python).
"""

from albert_np.tokenization.batch import Row
from albert_np.tokenization.encoder import TokenizedText
from albert_np.tokenization.encoding import BatchEncoding
from albert_np.tokenization.normalization import Normalizer
from albert_np.tokenization.sentencepiece_model import (
    Kind,
    ModelProto,
    Piece,
    SentencePieceModel,
    ends_in_digit_comma,
    read_model,
    write_model,
)
from albert_np.tokenization.special_tokens import AddedToken
from albert_np.tokenization.tokenizer import AlbertTokenizer
from albert_np.tokenization.unigram import UNKNOWN_PENALTY, Edge, Unigram
from albert_np.tokenization.vocabulary import train_vocabulary

__all__ = [
    "UNKNOWN_PENALTY",
    "AddedToken",
    "AlbertTokenizer",
    "BatchEncoding",
    "Edge",
    "Kind",
    "ModelProto",
    "Normalizer",
    "Piece",
    "Row",
    "SentencePieceModel",
    "TokenizedText",
    "Unigram",
    "ends_in_digit_comma",
    "read_model",
    "train_vocabulary",
    "write_model",
]

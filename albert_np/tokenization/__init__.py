"""Text to ids and back: the SentencePiece tokenizer of ALBERT."""

from albert_np.tokenization.encoding import BatchEncoding
from albert_np.tokenization.sentencepiece_model import SentencePieceModel
from albert_np.tokenization.special_tokens import AddedToken
from albert_np.tokenization.tokenizer import AlbertTokenizer
from albert_np.tokenization.unigram import Unigram
from albert_np.tokenization.vocabulary import train_vocabulary

__all__ = ["AddedToken", "AlbertTokenizer", "BatchEncoding", "SentencePieceModel", "Unigram", "train_vocabulary"]

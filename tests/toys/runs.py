"""Pretraining runs of seconds: a tiny configuration, documents of a few words, their vocabulary."""

from albert_np.config import AlbertConfig
from albert_np.pretraining import Recipe, prepare_run
from albert_np.tokenization import train_vocabulary

CONFIG = AlbertConfig(
    embedding_size=8,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=96,
)
RECIPE = Recipe(2, batch_size=2, max_seq_length=96, threads=1)
WORDS = "the cat sees a dog and it runs from house to house while nobody looks".split()


def documents(count, sentences=8):
    """Documents that all differ."""
    return [
        [f"{' '.join(WORDS[(i * j + k) % 15] for k in range(8))} {i}." for j in range(sentences)] for i in range(count)
    ]


def prepare(output, texts, vocabulary, recipe=RECIPE, **options):
    return prepare_run(output, lambda: texts, None, CONFIG, recipe, vocabulary=vocabulary, **options)


def learned_vocabulary(folder):
    path = folder / "spiece.model"
    train_vocabulary((sentence for document in documents(60) for sentence in document), path, 50)
    return path

"""Tiny tasks of each kind that a small model can learn, and a model folder to start from."""

import numpy as np

from albert_np.config import AlbertConfig
from albert_np.model import AlbertForPreTraining
from albert_np.tasks import Answer, ChoiceExample, QuestionExample, TaggedExample, TextExample
from albert_np.tokenization import train_vocabulary

ANIMALS, THINGS = "cat dog bird fish horse".split(), "house car table book lamp".split()
FILLERS = "the a red green big small old new sees likes finds near under with".split()


def model_folder(folder, positions=32):
    """Make a random model and its vocabulary."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [" ".join(rng.choice([*ANIMALS, *THINGS, *FILLERS], 8)) + "?" for _ in range(300)]
    tokenizer = train_vocabulary(lines, folder / "spiece.model", 59)
    tokenizer.save_pretrained(folder)
    config = AlbertConfig(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=positions,
        initializer_range=0.1,
    )
    AlbertForPreTraining(config, seed=1).save_pretrained(folder)
    return folder


def sentence(rng, word, length=6):
    words = list(rng.choice(FILLERS, length))
    words[rng.integers(length)] = word
    return " ".join(words)


def examples(kind, count=96, seed=0):
    """Return examples that turn on whether an animal or a thing is named."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        animal = bool(rng.random() < 0.5)
        word = str(rng.choice(ANIMALS if animal else THINGS))
        text = sentence(rng, word)
        if kind == "classification":
            made.append(TextExample(text, None, "animal" if animal else "thing"))
        elif kind == "multilabel":
            made.append(TextExample(text, None, ("animal",) if animal else ("thing", "dead")))
        elif kind == "regression":
            made.append(TextExample(text, sentence(rng, word), 1.0 if animal else -1.0))
        elif kind == "tagging":
            words = tuple(text.split())
            tags = tuple("B-animal" if w in ANIMALS else "B-thing" if w in THINGS else "O" for w in words)
            made.append(TaggedExample(words, tags))
        elif kind.startswith("answering"):
            answer = (Answer(word, text.index(word)),) if animal else ()
            made.append(QuestionExample(str(len(made)), "the animal", text, answer))
        else:
            choices = (word, str(rng.choice(THINGS if animal else ANIMALS)))
            order = choices if rng.random() < 0.5 else choices[::-1]
            label = [name in ANIMALS for name in order].index(True)
            made.append(ChoiceExample(sentence(rng, "old"), None, order, label))
    return made

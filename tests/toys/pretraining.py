"""A toy tokenizer whose pieces a test writes down itself, and random documents made of them."""

import numpy as np

SPECIALS = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
STARTS = [f"▁{a}{b}" for a in "abcdefghij" for b in "abcdefghij"]
REST = [f"{a}{b}" for a in "klmno" for b in "klmno"]


class ToyTokenizer:
    """A sentence is pieces with spaces between them; every piece is a token, what is no piece is <unk>."""

    def __init__(self, specials=SPECIALS, pieces=(*STARTS, *REST, ",", ".")):
        self.tokens = [*specials, *pieces]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.pad_token_id = self.ids.get("<pad>")
        self.unk_token_id = self.ids.get("<unk>")
        self.cls_token_id = self.ids.get("[CLS]")
        self.sep_token_id = self.ids.get("[SEP]")
        self.mask_token_id = self.ids.get("[MASK]")
        self.all_special_ids = [self.ids[token] for token in specials]

    def __len__(self):
        return len(self.tokens)

    def convert_ids_to_tokens(self, ids):
        return [self.tokens[i] for i in ids]

    def encode_lines(self, lines):
        return [
            np.array([self.ids.get(piece, self.unk_token_id) for piece in line.split()], dtype=np.int32)
            for line in lines
        ]


def random_documents(count, seed=0, longest_document=12, longest_sentence=25):
    """Documents of random words, of one to three pieces each, that end in a full stop."""
    rng = np.random.default_rng(seed)

    def word():
        return " ".join([rng.choice(STARTS), *rng.choice(REST, size=rng.choice([0, 0, 1, 2]))])

    def sentence():
        return " ".join([*(word() for _ in range(rng.integers(1, longest_sentence))), "."])

    return [[sentence() for _ in range(rng.integers(1, longest_document + 1))] for _ in range(count)]

"""The readable Unigram against the SentencePiece library, and its lattice."""

import random
from itertools import pairwise

import pytest
from toys.texts import PROSE, SPECIAL, random_lines

from albert_np.tokenization import Kind, ModelProto, Piece, SentencePieceModel, Unigram, write_model

REPEATS = [c * n for c in ("a", "e", "0", "=", "-", "ab", "1,", "\ufffd", "–") for n in (1, 2, 3, 7, 40, 171)]
LINES = [*PROSE, *SPECIAL, *random_lines(400, seed=12), *REPEATS]


@pytest.fixture(scope="module", params=["small", "released"])
def either(request):
    return request.getfixturevalue({"small": "tokenizer", "released": "released"}[request.param])


@pytest.fixture(scope="module")
def unigram(either):
    return Unigram.from_model(either.model)


def test_pieces_and_ids_equal_the_librarys(either, unigram):
    """The digit-comma rule is no part of the model, so lines are compared with the library itself."""
    library = either.model._processor
    for line in LINES:
        clean = either.normalizer(line)
        expected = list(zip(library.encode(clean, out_type=str), library.encode(clean), strict=True))
        assert unigram.pieces(either.model.normalize(clean)) == expected, line


def test_best_path_runs_through_the_lattice_from_end_to_end(either, unigram):
    text = either.model.normalize("the lamp went out, 1,204 times.")
    lattice, path = unigram.lattice(text), unigram.best_path(text)
    assert set(path) <= set(lattice)
    assert (path[0].start, path[-1].end) == (0, len(text))
    assert all(left.end == right.start for left, right in pairwise(path))
    assert all(edge.piece == text[edge.start : edge.end] for edge in lattice)


def all_paths(edges, start, end):
    if start == end:
        yield []
    for edge in edges:
        if edge.start == start:
            for rest in all_paths(edges, edge.end, end):
                yield [edge, *rest]


@pytest.mark.parametrize("text", ["▁the", "▁lamp,1", "▁a\ufffdb", "▁\ufffd\ufffd", "▁(a.)"])
def test_no_path_scores_higher_than_the_best(unigram, text):
    def score(path):
        return sum(edge.score for edge in path)

    best = max(all_paths(unigram.lattice(text), 0, len(text)), key=score)
    assert score(unigram.best_path(text)) == pytest.approx(score(best), abs=1e-4)


def test_unknown_characters_score_ten_below_the_rarest_piece_and_are_joined():
    unigram = Unigram(
        [Piece("<unk>", 0.0, Kind.UNKNOWN), Piece("▁", -1.0, Kind.NORMAL), Piece("▁a", -3.5, Kind.NORMAL)]
    )
    assert unigram.unk_score == -13.5
    assert unigram.pieces("▁axy▁z") == [("▁a", 2), ("xy", 0), ("▁", 1), ("z", 0)]


def test_user_defined_symbol_wins_over_any_piece_and_control_pieces_never_fit():
    pieces = [
        Piece("<unk>", 0.0, Kind.UNKNOWN),
        Piece("▁", -1.0, Kind.NORMAL),
        Piece("–a", -0.1, Kind.NORMAL),
        Piece("a", -20.0, Kind.NORMAL),
        Piece("–", 0.0, Kind.USER_DEFINED),
        Piece("[C]", 0.0, Kind.CONTROL),
    ]
    unigram = Unigram(pieces)
    assert unigram.entries["–"][1] == pytest.approx(0.2)  # three bytes
    assert "[C]" not in unigram.entries
    assert unigram.pieces("▁[C]")[1] == ("[C]", 0)


def test_user_defined_symbols_of_every_length_are_cut_as_the_library_cuts_them():
    """Whatever the scores: those of user-defined symbols in the file do not count, and ordinary ones may be high."""
    rng = random.Random(0)
    for _ in range(60):
        texts = {"".join(rng.choices("▁abé–", k=rng.randint(1, 4))) for _ in range(9)} - {"▁"}
        kinds = [Kind.NORMAL, Kind.NORMAL, Kind.USER_DEFINED, Kind.UNUSED]
        pieces = [
            Piece(text, -rng.choice([0.01, 0.3, 2, 9]) * rng.random(), rng.choice(kinds)) for text in sorted(texts)
        ]
        pieces = [Piece("<unk>", 0.0, Kind.UNKNOWN), Piece("▁", -3.0, Kind.NORMAL), *pieces]
        model = SentencePieceModel(write_model(ModelProto(pieces, b"")))
        unigram = Unigram(pieces)
        for _ in range(10):
            text = "".join(rng.choices("aabbé– ", k=rng.randint(1, 8)))
            library = model._processor
            expected = list(zip(library.encode(text, out_type=str), library.encode(text), strict=True))
            assert unigram.pieces(model.normalize(text)) == expected, (text, pieces)

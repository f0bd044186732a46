"""Special and added tokens of a tokenizer that is already made: added, set, saved, and read from others' files."""

import copy
import json
import random

import pytest

from albert_np.tokenization import AddedToken, AlbertTokenizer, SentencePieceModel, read_model, write_model

SIZE = 250


@pytest.fixture
def own(tokenizer):
    """A tokenizer that the test may change."""
    return AlbertTokenizer(tokenizer.model)


def saved_and_loaded(tokenizer, folder):
    tokenizer.save_pretrained(folder)
    return AlbertTokenizer.from_pretrained(folder)


def test_added_tokens_get_the_next_ids_and_are_cut_out_whole(own, tmp_path):
    assert own.add_tokens(["wug", "old cat"]) == 2
    assert own.add_tokens("wug") == 0
    assert own.add_tokens("") == 0
    assert (len(own), own.vocab_size) == (SIZE + 2, SIZE)
    assert own.convert_tokens_to_ids(["wug", "old cat"]) == [SIZE, SIZE + 1]
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert each.tokenize("the WUG, old cat") == ["▁the", "wug", "▁", ",", "old cat"]
        assert each.decode(each.encode("the wug the")) == "[CLS]the wug the[SEP]"
        assert each.decode(each.encode("the wug the"), skip_special_tokens=True) == "the wug the"
        assert each.get_added_vocab()["wug"] == SIZE


def test_a_piece_that_is_added_keeps_its_id(own):
    piece = own.convert_ids_to_tokens(40)
    assert own.add_tokens([piece]) == 0
    assert own.added_tokens_decoder[40] == AddedToken(piece)


def test_a_word_that_is_a_piece_is_found_within_words_unless_it_says_otherwise(own):
    plain = own.encode("lamps")
    own.add_tokens(["lamp"])
    lamp = own.convert_tokens_to_ids("lamp")
    assert own.encode("lamps, lamp").count(lamp) == 2
    own.add_tokens([AddedToken("lamp", single_word=True)])
    assert own.encode("lamps, lamp").count(lamp) == 1
    assert own.encode("lamps") == plain


def test_special_tokens_are_listed_kept_as_written_and_left_out_of_decoded_text(own, tmp_path):
    assert own.add_tokens(["[A]", AddedToken("[B]", special=True)], special_tokens=True) == 2
    assert own.add_special_tokens({"additional_special_tokens": ["[C]"]}, replace_additional_special_tokens=False) == 1
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert each.additional_special_tokens == ["[A]", "[B]", "[C]"]
        assert each.additional_special_tokens_ids == [SIZE, SIZE + 1, SIZE + 2]
        ids = each("[A] the [B] [C]", add_special_tokens=False).input_ids
        assert [i for i in ids if i >= SIZE] == each.additional_special_tokens_ids
        assert each.decode(ids, skip_special_tokens=True) == "the"
        assert SIZE not in each.encode("[a]")
    assert own.add_special_tokens({"additional_special_tokens": ["[D]"]}) == 1
    assert own.additional_special_tokens == ["[D]"]
    assert own.tokenize("[A]") == ["[A]"]


def test_a_token_that_says_it_is_special_is_one_without_being_listed(tokenizer):
    own = AlbertTokenizer(tokenizer.model, added_tokens={SIZE: AddedToken("[X]", special=True)})
    assert own.additional_special_tokens == []
    assert own.all_special_tokens[-1] == "[X]"
    ids = own.encode("[X] the", add_special_tokens=False)
    assert ids[0] == SIZE
    assert own.decode(ids, skip_special_tokens=True) == "the"


def test_a_token_that_is_not_normalized_is_found_as_it_is_written_and_others_in_lower_case(tokenizer):
    tokens = {SIZE: AddedToken("Wug", normalized=False), SIZE + 1: AddedToken("Fep")}
    own = AlbertTokenizer(tokenizer.model, added_tokens=tokens)
    ids = own.encode("Wug wug Fep fep FEP", add_special_tokens=False)
    assert [i for i in ids if i >= SIZE] == [SIZE, SIZE + 1, SIZE + 1, SIZE + 1]


@pytest.mark.parametrize("role", ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token"])
def test_a_role_that_is_given_to_another_token_holds_everywhere_and_is_saved(own, role, tmp_path):
    setattr(own, role, "[NEW]")
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert (getattr(each, role), getattr(each, f"{role}_id")) == ("[NEW]", SIZE)
        assert each.special_tokens_map[role] == "[NEW]"
        assert each.tokenize("the [NEW]") == ["▁the", "[NEW]"]
        row = each("the", padding="max_length", max_length=6).input_ids
        expected = {"cls_token": [0], "sep_token": [row.index(SIZE)] if SIZE in row else [], "pad_token": [3, 4, 5]}
        assert [i for i, token in enumerate(row) if token == SIZE] == expected.get(role, [])


def test_a_role_can_be_given_by_id(own):
    own.pad_token_id = own.sep_token_id
    assert own.pad_token == "[SEP]"
    assert own("a", padding="max_length", max_length=5).input_ids[-2:] == [own.sep_token_id] * 2
    own.additional_special_tokens_ids = [40]
    assert own.additional_special_tokens == [own.convert_ids_to_tokens(40)]


ROLES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_have_no_token_and_that_is_saved(own, role, tmp_path):
    before = own.encode("the <pad> [MASK]", add_special_tokens=False)
    setattr(own, role, None)
    for each in (own, saved_and_loaded(own, tmp_path), AlbertTokenizer(own.model, **{role: None})):
        assert (getattr(each, role), getattr(each, f"{role}_id"), len(each)) == (None, None, SIZE)
        assert role not in each.special_tokens_map
        with pytest.raises(ValueError, match=f"this tokenizer has no {role}: give the role to a token"):
            each.role_id(role)
    assert own.encode("the <pad> [MASK]", add_special_tokens=False) == before  # what had a role stays a token
    setattr(own, f"{role}_id", 40)
    assert own.role_id(role) == 40


def test_what_needs_a_token_of_a_role_says_which(own):
    own.pad_token = None
    assert own(["a", "a"], return_tensors="np").input_ids.shape == (2, 3)
    for pad in (lambda: own("a", padding=True), lambda: own.pad({"input_ids": [[5]]})):
        with pytest.raises(ValueError, match="padding=True: this tokenizer has no pad_token to fill up with"):
            pad()
    own.add_special_tokens({"pad_token": "<filler>", "cls_token": None})
    assert own(["a", "a b"], padding=True, add_special_tokens=False).input_ids[0][-1] == SIZE
    for ask in (
        lambda: own("a"),
        lambda: own.tokenize("a", add_special_tokens=True),
        lambda: own.build_inputs_with_special_tokens([5]),
    ):
        with pytest.raises(ValueError, match="this tokenizer has no cls_token"):
            ask()


def test_a_vocabulary_without_a_mask_token_need_not_grow(tokenizer, tmp_path):
    proto = read_model(tokenizer.model.serialized)
    pieces = [piece._replace(text="[X]") if piece.text == "[MASK]" else piece for piece in proto.pieces]
    model = SentencePieceModel(write_model(proto._replace(pieces=pieces)))
    assert len(AlbertTokenizer(model)) == SIZE + 1
    own = AlbertTokenizer(model, mask_token=None)
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert (each.mask_token, len(each)) == (None, SIZE)


def test_a_token_that_is_called_none_has_no_role(tokenizer, tmp_path):
    own = AlbertTokenizer(tokenizer.model, added_tokens={SIZE: AddedToken("None")}, eos_token=None)
    own.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    del config["bos_token"]
    file.write_text(json.dumps(config), encoding="utf-8")
    loaded = AlbertTokenizer.from_pretrained(tmp_path)
    assert (loaded.bos_token, loaded.eos_token, loaded.get_added_vocab()["None"]) == ("[CLS]", None, SIZE)


def test_a_mask_token_set_later_is_one_token(own):
    assert own.add_special_tokens({"mask_token": AddedToken("[BLANK]", lstrip=True)}) == 1
    assert own.tokenize("the   [BLANK] the") == ["▁the", "[BLANK]", "▁the"]


def test_options_set_later_hold_everywhere_and_are_saved(own, tokenizer, tmp_path):
    options = {"do_lower_case": False, "keep_accents": True, "remove_space": False, "model_max_length": 9}
    options |= {"padding_side": "left", "truncation_side": "left", "clean_up_tokenization_spaces": True}
    options |= {"split_special_tokens": True, "model_input_names": ["input_ids", "attention_mask"]}
    for name, value in options.items():
        setattr(own, name, value)
    other = AlbertTokenizer(tokenizer.model, **options)
    text = "The CAFÉ  [MASK] <PAD> the lamp went out, again"
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert each(text, truncation=True) == other(text, truncation=True)
        assert each.tokenize(text) == other.tokenize(text) != tokenizer.tokenize(text)
        assert {name: getattr(each, name) for name in options} == options


@pytest.mark.parametrize(
    "name, value, error, message",
    [
        ("pad_token", 5, TypeError, "pad_token must be a string or an AddedToken, got 5"),
        ("mask_token_id", 999, ValueError, "999 is no token id"),
        ("do_lower_case", "false", TypeError, "do_lower_case must be True or False, got 'false'"),
        ("model_max_length", 0, ValueError, "model_max_length must be at least 1"),
        ("padding_side", "up", ValueError, "padding_side must be one of"),
        ("additional_special_tokens", "[X]", TypeError, "must be a list"),
        ("vocab_size", 5, AttributeError, "no 'vocab_size' that could be set"),
        ("model_input_names", ["inputs"], ValueError, "model_input_names must be a list of 'input_ids' and"),
        ("model_input_names", "input_ids", ValueError, "model_input_names must be a list"),
        ("split_special_tokens", 1, TypeError, "split_special_tokens must be True or False, got 1"),
        ("sp_model_kwargs", {"alpha": "much"}, ValueError, r"sp_model_kwargs\['alpha'\] must be a number from 0 up"),
        ("sp_model_kwargs", {"enable_sampling": 1}, TypeError, r"\['enable_sampling'\] must be True or False, got 1"),
        ("sp_model_kwargs", {"nbest_size": -2}, ValueError, r"\['nbest_size'\] must be at least -1, got -2"),
        ("sp_model_kwargs", {"add_bos": True}, ValueError, "'add_bos' is not among 'enable_sampling'"),
        ("chat_template", "{}", AttributeError, "no 'chat_template' that could be set: ALBERT holds no conversations"),
    ],
)
def test_what_cannot_be_set_is_refused_and_changes_nothing(own, tokenizer, name, value, error, message):
    with pytest.raises(error, match=message):
        setattr(own, name, value)
    assert own("The [MASK]", padding="max_length", max_length=9) == tokenizer(
        "The [MASK]", padding="max_length", max_length=9
    )
    assert own.get_added_vocab() == tokenizer.get_added_vocab()


@pytest.mark.parametrize(
    "given, error",
    [({"pad": "[X]"}, ValueError), ({"additional_special_tokens": "[X]"}, TypeError), ({"cls_token": 3}, TypeError)],
)
def test_what_are_no_special_tokens_is_refused(own, given, error):
    with pytest.raises(error, match=r"special_tokens|cls_token"):
        own.add_special_tokens({"mask_token": "[NEW]", **given})
    assert len(own) == SIZE


@pytest.mark.parametrize("bad", [5, [5], {"a": 1}, None])
def test_what_are_no_tokens_is_refused(own, bad):
    with pytest.raises(TypeError, match="new_tokens"):
        own.add_tokens(bad)


def test_a_list_of_further_special_tokens_that_is_taken_away_is_none(own, tmp_path):
    own.additional_special_tokens = ["[A]"]
    own.additional_special_tokens = None
    assert own.additional_special_tokens is None
    assert own.additional_special_tokens_ids == []
    assert "additional_special_tokens" not in own.special_tokens_map
    assert own.all_special_tokens[-1] == "[A]"
    assert copy.deepcopy(own).additional_special_tokens is None
    assert saved_and_loaded(own, tmp_path).get_vocab() == own.get_vocab()
    own.add_tokens(["the"])
    assert own.additional_special_tokens is None
    own.add_tokens(["[B]"], special_tokens=True)
    assert own.additional_special_tokens == ["[B]"]


@pytest.mark.parametrize("error", [TypeError, AssertionError])
def test_what_is_no_list_of_tokens_is_caught_as_in_hugging_face_too(own, error):
    with pytest.raises(error, match="must be a list"):
        own.add_special_tokens({"additional_special_tokens": "[X]"})


@pytest.mark.parametrize("error", [TypeError, AttributeError])
@pytest.mark.parametrize(
    "name, why",
    [
        ("add_special_tokens", r"an option of a call, tokenizer\(text, add_special_tokens=True\)"),
        ("get_vocab", "that is tokenizer.get_vocab"),
        ("use_fast", "leave it out: there is one tokenizer"),
        ("do_lower", "there is no such option"),
    ],
)
def test_an_option_that_a_tokenizer_has_not_is_refused(tokenizer, name, why, error):
    with pytest.raises(error, match=f"AlbertTokenizer takes no {name}=True: .*{why}"):
        AlbertTokenizer(tokenizer.model, **{name: True})


def test_an_unknown_attribute_says_what_there_is_instead(own):
    with pytest.raises(AttributeError, match="no 'sp_model': the vocabulary is `model`"):
        _ = own.sp_model
    with pytest.raises(AttributeError, match="no 'image_token'"):
        _ = own.image_token


def test_named_extra_tokens_are_roles_of_their_own(tokenizer, tmp_path):
    own = AlbertTokenizer(tokenizer.model, extra_special_tokens={"image_token": "<image>"})
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert (each.image_token, each.image_token_id) == ("<image>", SIZE)
        assert each.tokenize("<image> the") == ["<image>", "▁the"]
        each.image_token = "<picture>"
        assert (each.image_token_id, len(each)) == (SIZE + 1, SIZE + 2)


def folder_of_version_5(tokenizer, folder, keep_model):
    """What transformers 5 writes: added tokens in tokenizer.json, the lists of special ones in the configuration."""
    tokenizer.save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    content["added_tokens"] += [
        {"id": SIZE, "content": "[E1]", **flags, "normalized": False, "special": True},
        {"id": SIZE + 1, "content": "Wug", **flags, "normalized": True, "special": False},
        {"id": SIZE + 2, "content": "[S]", **flags, "normalized": False, "special": True},
    ]
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    del config["added_tokens_decoder"]
    config["extra_special_tokens"] = ["[E1]"]
    for name in ["special_tokens_map.json"] + ["spiece.model"] * (not keep_model):
        (folder / name).unlink()
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize("keep_model", [True, False])
def test_a_folder_of_version_5_keeps_its_special_tokens(tokenizer, keep_model, tmp_path):
    folder_of_version_5(tokenizer, tmp_path, keep_model)
    loaded = AlbertTokenizer.from_pretrained(tmp_path)
    assert loaded.additional_special_tokens == ["[E1]"]
    ids = loaded.encode("[E1] the WUG [S]", add_special_tokens=False)
    assert [i for i in ids if i >= SIZE] == [SIZE, SIZE + 1, SIZE + 2]
    assert loaded.decode(ids, skip_special_tokens=True) == "the Wug"
    assert loaded.added_tokens_decoder[4].lstrip


def test_a_token_of_a_list_that_has_an_id_in_no_file_gets_the_next_one(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["additional_special_tokens"] = [{"content": "[X]", "lstrip": True}, "[Y]"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    loaded = AlbertTokenizer.from_pretrained(tmp_path)
    assert loaded.convert_tokens_to_ids(["[X]", "[Y]"]) == [SIZE, SIZE + 1]
    assert loaded.tokenize("the  [X]") == ["▁the", "[X]"]


def test_saving_over_a_folder_leaves_no_added_tokens_of_the_one_before(own, tokenizer, tmp_path):
    own.add_tokens(["wug"])
    own.save_pretrained(tmp_path)
    assert (tmp_path / "added_tokens.json").exists()
    paths = tokenizer.save_pretrained(tmp_path)
    assert sorted(paths) == sorted(str(path) for path in tmp_path.iterdir())
    assert len(AlbertTokenizer.from_pretrained(tmp_path)) == SIZE


def test_an_encoding_tells_its_tokens_as_they_were_when_it_was_made(own):
    encoding = own("the wug")
    tokens = encoding.input_ids
    own.add_tokens(["the wug"])
    assert own.convert_tokens_to_ids(encoding.tokens()) == tokens


@pytest.mark.parametrize("which", ["lstrip", "rstrip", "normalized", "special"])
def test_a_flag_of_an_added_token_is_a_bool(which):
    with pytest.raises(TypeError, match=f"{which} must be true or false, got 'yes'"):
        AddedToken("a", **{which: "yes"})


def test_an_added_token_is_an_ordinary_one_unless_it_says_otherwise():
    assert AddedToken("a") == AddedToken("a", normalized=True, special=False)
    assert AddedToken("a", special=True) == AddedToken("a", normalized=False, special=True)


WORDS = [
    ("the wug, (wug) wug's 'wug", 4),
    ("wugs scwug wug2 _wug wug_ wugé", 0),
    ("wug wug", 2),
    ("wugwug", 0),
    ("wug\u0301 wug", 1),  # an accent on its last letter
    ("", 0),
]


@pytest.mark.parametrize("text, count", WORDS)
def test_a_token_that_is_a_single_word_is_not_found_within_a_longer_one(own, text, count, tmp_path):
    own.add_tokens([AddedToken("wug", single_word=True)])
    for each in (own, saved_and_loaded(own, tmp_path)):
        assert each.added_tokens_decoder[SIZE].single_word
        assert each.encode(text).count(SIZE) == count
        assert each(text, return_offsets_mapping=True).input_ids == each.encode(text)
    plain = AlbertTokenizer(own.model)
    assert count or own.encode(text) == plain.encode(text)


def test_live_single_words_are_those_of_transformers(own, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs transformers to load the folder")
    own.add_tokens([AddedToken("wug", single_word=True), AddedToken("lamp", single_word=True), "fep"])
    own.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    parts = ["wug", "wugs", "lamp", "fep", "the", "_", "2", "-", ",", "'", "é", "wu\u0301", "g", " ", "  "]
    rng = random.Random(5)
    for _ in range(200):
        text = "".join(rng.choices(parts, k=rng.randint(1, 7)))
        assert own.encode(text) == theirs(text)["input_ids"], text


@pytest.mark.parametrize("left_out", ["special_tokens_map.json", "tokenizer.json"])
def test_an_older_folder_tells_the_flags_of_an_added_token_in_one_of_two_files(own, left_out, tmp_path):
    own.mask_token = AddedToken("[M]", lstrip=True, single_word=True, special=True)
    own.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    del config["added_tokens_decoder"], config["mask_token"]
    file.write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / left_out).unlink()
    assert AlbertTokenizer.from_pretrained(tmp_path).added_tokens_decoder[SIZE] == own.added_tokens_decoder[SIZE]


@pytest.mark.parametrize("cased", [False, True])
def test_special_tokens_of_a_text_can_be_taken_for_ordinary_text(tokenizer, cased, tmp_path):
    own = AlbertTokenizer(tokenizer.model, do_lower_case=not cased)
    own.add_tokens(["wug"])
    own.add_tokens(["[A]"], special_tokens=True)
    text = "the [SEP] wug [A] <pad><unk> the[MASK]"
    whole = own.encode(text, add_special_tokens=False)
    split = AlbertTokenizer(own.model, added_tokens={SIZE: AddedToken("wug")}, do_lower_case=not cased)
    split.split_special_tokens = True
    assert {own.sep_token_id, own.mask_token_id, SIZE + 1} < {*whole}
    for ids in (
        own.encode(text, add_special_tokens=False, split_special_tokens=True),
        own(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True).input_ids,
        own(text.split(" "), add_special_tokens=False, split_special_tokens=True, is_split_into_words=True).input_ids,
        split.encode(text, add_special_tokens=False),
        saved_and_loaded(split, tmp_path).encode(text, add_special_tokens=False),
        split.convert_tokens_to_ids(own.tokenize(text, split_special_tokens=True)),
    ):
        special = {*own.all_special_ids} - {own.unk_token_id}
        assert special.isdisjoint(ids)
        assert ids.count(SIZE) == 1
        assert len(ids) > len(whole)
    assert own.encode(text, add_special_tokens=False) == whole
    assert own.encode(text, split_special_tokens=True)[:: len(ids) + 1] == [own.cls_token_id, own.sep_token_id]
    assert split.encode(text, add_special_tokens=False, split_special_tokens=False).count(own.mask_token_id) == 1


def test_an_unknown_run_that_spells_a_special_token_is_unknown_where_those_are_split(tokenizer):
    own = AlbertTokenizer(tokenizer.model, bos_token="☃☃")
    for options in ({}, {"return_offsets_mapping": True}):
        ids = own("☃☃", add_special_tokens=False, split_special_tokens=True, **options).input_ids
        assert ids == own.convert_tokens_to_ids(["▁", "<unk>"])


def test_the_names_of_the_inputs_say_which_columns_there_are(tokenizer):
    own = AlbertTokenizer(tokenizer.model, model_input_names=["input_ids", "attention_mask"])
    assert list(own("a")) == ["input_ids", "attention_mask"]
    assert list(own("a", return_token_type_ids=True, return_attention_mask=False)) == ["input_ids", "token_type_ids"]
    own.model_input_names = ["input_ids"]
    assert list(own("a")) == list(own.pad({"input_ids": [5]})) == ["input_ids"]
    assert own.pad({"input_ids": [5]}, return_attention_mask=True).attention_mask == [1]
    assert own.pad(tokenizer("a")) == tokenizer("a")


def test_live_tokens_added_here_are_tokens_in_transformers(own, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs transformers to load the folder")
    own.add_tokens(["wug"])
    own.add_special_tokens({"additional_special_tokens": ["[E1]"], "mask_token": "[BLANK]"})
    own.save_pretrained(tmp_path / "ours")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    theirs.add_tokens(["fep"])
    theirs.save_pretrained(tmp_path / "theirs")
    again = AlbertTokenizer.from_pretrained(tmp_path / "theirs")
    for line in ("the wug WUG [E1] [e1] [BLANK] fep", "[E1][BLANK]wug"):
        ids = theirs(line)["input_ids"]
        assert again(line)["input_ids"] == ids
        assert (
            again.decode(ids, skip_special_tokens=True).split()
            == theirs.decode(ids, skip_special_tokens=True).replace("wug", " wug ").replace("fep", " fep ").split()
        )

"""Backward is the exact mirror of forward: what was computed last goes back first, seen on the tape of a real pass."""

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import albert_np
from albert_np import heads, layers, ops
from albert_np.gradcheck import DROPOUT, inputs_of, randomize, small_batch, small_config, squad2_case, task_cases
from albert_np.model import AlbertForMaskedLM, AlbertForPreTraining, AlbertModel, model_classes

PAIRS = {
    inspect.unwrap(function).__code__: name
    for module in (ops, layers, heads)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if re.fullmatch(r"[a-z].*_(forward|backward)", name) and function.__module__ == module.__name__
}


def tape(work):
    """Run `work` and return the names of forward functions as they end, and of backward functions as they begin."""
    ended, begun = [], []

    def note(frame, event, _):
        name = PAIRS.get(frame.f_code)
        if name is None:
            return
        if event == "return" and name.endswith("_forward"):
            ended.append(name.removesuffix("_forward"))
        if event == "call" and name.endswith("_backward"):
            begun.append(name.removesuffix("_backward"))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return ended, begun


def cases():
    sizes = {"num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2}
    for cls in (AlbertModel, AlbertForPreTraining, AlbertForMaskedLM):
        config = small_config(**sizes, **DROPOUT)
        yield cls.__name__, randomize(cls(config)), inputs_of(cls(config), small_batch(config))
    yield from task_cases("float32", **sizes, **DROPOUT)
    yield squad2_case("float32", **sizes, **DROPOUT)


CASES = list(cases())


def test_every_class_is_among_the_cases():
    assert {type(model).__name__ for _, model, _ in CASES} == set(model_classes())


@pytest.mark.parametrize("skip_padding", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_backward_goes_back_over_the_forward_calls_in_reverse(case, skip_padding):
    _, model, inputs = case
    if skip_padding and np.shape(inputs.get("labels")) == inputs["attention_mask"].shape:  # of tokens
        inputs = {**inputs, "labels": np.where(inputs["attention_mask"], inputs["labels"], -100)}
    upstream = {}
    if isinstance(model, AlbertModel):
        out = model(**inputs)
        upstream = {name: np.ones_like(getattr(out, name)) for name in ("last_hidden_state", "pooler_output")}

    def one_pass():
        model(**inputs, skip_padding=skip_padding)
        model.backward(**upstream)

    ended, begun = tape(one_pass)
    assert len(ended) > 100
    assert ended == begun[::-1]


def test_the_tape_sees_a_call_out_of_order(monkeypatch):
    """Attention's branch before the feed-forward one: the sums are wrong and the tape says so."""

    def in_the_order_of_forward(dy, cache, g):
        da = layers.norm_backward(dy, cache.attention_norm, g.scope("attention.LayerNorm."))
        dh = da + layers.attention_branch_backward(da, cache.attention, g.scope("attention."))
        ds = layers.norm_backward(dh, cache.full_layer_layer_norm, g.scope("full_layer_layer_norm."))
        return ds + layers.feed_forward_branch_backward(ds, cache.feed_forward, g)

    monkeypatch.setattr(layers, "layer_backward", in_the_order_of_forward)
    monkeypatch.setitem(PAIRS, in_the_order_of_forward.__code__, "layer_backward")
    _, model, inputs = CASES[1]
    ended, begun = tape(lambda: (model(**inputs), model.backward()))
    assert sorted(ended) == sorted(begun)
    assert ended != begun[::-1]


def test_three_files_say_what_pretraining_computes():
    """Every forward and backward function of a pass stands there; the base class hands over to `layers` alone."""
    package = Path(albert_np.__file__).parent
    _, model, inputs = CASES[1]
    called = {}

    def note(frame, event, _):
        path, name = Path(frame.f_code.co_filename), frame.f_code.co_name
        if event == "call" and path.is_relative_to(package) and re.search("(forward|backward)$", name):
            called.setdefault(path.relative_to(package).as_posix(), set()).add(name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        model(**inputs)
        model.backward()
    finally:
        sys.setprofile(before)
    assert called.pop("model/base.py") == {"_albert_forward", "_albert_backward"}
    assert called.keys() == {"model/pretraining.py", "layers.py", "ops.py"}


SMALLEST = {"dense_backward", "norm_backward", "lookup_backward"}


def test_only_the_smallest_blocks_add_into_gradients():
    package = Path(albert_np.__file__).parent
    for source in (package / "layers.py", package / "heads.py", *package.glob("model/*.py")):
        function = ""
        for line in source.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\s*def (\w+)", line):
                function = match[1]
            if re.search(r"\bg(rads)?\[.*\] \+=", line):
                assert function in SMALLEST, f"{source.name}: {function}: {line.strip()}"

"""A pass run again in the page: with numbers moved, compared with what was recorded, and proved."""

import numpy as np
import pytest
from toys.explore import Pass, arrays_of, open_in

from albert_np import ops

WIDTH, ROWS, SCALE = 5, 3, 0.6


def shared_layer(labels=(2, -100, 0), bug=None):
    """x → dense → gelu_new → the same dense → cross-entropy, and back. Returns the pass and its values by name.

    bug: a function that spoils the second dense's dweight.
    """
    rng = np.random.default_rng(7)
    made = Pass()
    x, weight, bias = rng.standard_normal((ROWS, WIDTH)), SCALE * rng.standard_normal((WIDTH, WIDTH)), np.zeros(WIDTH)
    labels = np.array(labels)
    a, first = ops.linear_forward(x, weight, bias)
    h, act = ops.activation_forward(a, "gelu_new")
    logits, second = ops.linear_forward(h, weight, bias)
    loss, entropy = ops.cross_entropy_forward(logits, labels)
    dlogits = ops.cross_entropy_backward(1.0, entropy)
    dh, dweight2, dbias2 = ops.linear_backward(dlogits, second)
    da = ops.activation_backward(dh, act)
    dx, dweight1, dbias1 = ops.linear_backward(da, first)

    v = {"x": made.const(x), "weight": made.param("weight", weight), "bias": made.param("bias", bias)}
    held = made.const(labels, dtype="i32")
    attrs = {"ignore_index": -100, "denominator": entropy.denominator}
    (v["a"],) = made.row("linear", [v["x"], v["weight"], v["bias"]], a)
    (v["h"],) = made.row("activation", [v["a"]], h, name="gelu_new")
    (v["logits"],) = made.row("linear", [v["h"], v["weight"], v["bias"]], logits)
    v["loss"], v["probs"] = made.row("cross_entropy", [v["logits"], held], np.asarray(loss), entropy.probs, **attrs)
    (v["dlogits"],) = made.row("cross_entropy_backward", [v["probs"], held], dlogits, dloss=1.0, **attrs)
    outs = [dh, dweight2 if bug is None else bug(dweight2), dbias2]
    v["dh"], v["dweight2"], v["dbias2"] = made.row("linear_backward", [v["dlogits"], v["h"], v["weight"]], *outs)
    (v["da"],) = made.row("activation_backward", [v["dh"], v["a"]], da, name="gelu_new")
    v["dx"], v["dweight1"], v["dbias1"] = made.row(
        "linear_backward", [v["da"], v["x"], v["weight"]], dx, dweight1, dbias1
    )

    rows, values, params = made.data["rows"], made.data["values"], made.data["params"]
    for forward, backward in ((0, 7), (1, 6), (2, 5), (3, 4)):
        rows[forward]["mirror"], rows[backward]["mirror"] = backward, forward
    for name in "a h logits".split():
        values[v[name]]["grad"] = v[f"d{name}"]
    params[0]["grad"] = {"contributions": [v["dweight2"], v["dweight1"]], "rows": [5, 7]}
    params[1]["grad"] = {"contributions": [v["dbias2"], v["dbias1"]], "rows": [5, 7]}
    made.data["loss"] = v["loss"]
    return made, v


@pytest.fixture
def shared(modules):
    made, v = shared_layer()
    open_in(modules, made)
    modules.evaluate("(v) => (window.v = v)", v)
    return modules


def test_the_gradient_of_a_shared_weight_is_the_sum_of_its_uses(shared):
    found = arrays_of(shared, "page.gradsOf(data, values)")
    parts = arrays_of(shared, "[v.dweight1, v.dweight2, v.dbias1, v.dbias2].map((id) => values[id])")
    np.testing.assert_allclose(found[0], parts[0] + parts[1], rtol=1e-15)
    np.testing.assert_allclose(found[1], parts[2] + parts[3], rtol=1e-15)


def loss_with(tab, override):
    found = tab.evaluate(
        """(override) => {
          const fresh = page.replay(data, { overrides: [override] });
          const shared = page.replay(data, { overrides: [override], base: values });
          const alike = fresh.every((x, id) => x.every((number, i) => Object.is(number, shared[id][i])));
          return [page.lossOf(data, shared), alike];
        }""",
        override,
    )
    assert found[1], "what is shared with an earlier replay is not what a fresh one computes"
    return found[0]


def test_a_weight_moves_in_all_its_uses_or_in_one(shared):
    made, v = shared_layer()
    x, weight, labels = made.arrays[v["x"]], made.arrays[v["weight"]], np.array([2, -100, 0])

    def loss(first, second):
        h, _ = ops.gelu_new_forward(ops.linear_forward(x, first, np.zeros(WIDTH))[0])
        return ops.cross_entropy_forward(ops.linear_forward(h, second, np.zeros(WIDTH))[0], labels)[0]

    moved = weight.copy()
    moved[1, 2] += 0.3
    assert loss_with(shared, {"value": v["weight"], "index": 7, "add": 0.3}) == pytest.approx(
        loss(moved, moved), rel=1e-14
    )
    assert loss_with(shared, {"row": 0, "slot": 1, "index": 7, "add": 0.3}) == pytest.approx(
        loss(moved, weight), rel=1e-14
    )
    assert loss_with(shared, {"row": 2, "slot": 1, "index": 7, "set": moved[1, 2]}) == pytest.approx(
        loss(weight, moved), rel=1e-14
    )


def test_only_what_an_override_reaches_is_computed_again(shared):
    same = shared.evaluate(
        """() => {
          const overrides = [{ value: v.logits, index: 0, add: 1 }];
          const moved = page.replay(data, { overrides, base: values, phase: "forward" });
          return ["x", "weight", "a", "h", "logits", "loss", "dx"].filter((name) => moved[v[name]] === values[v[name]]);
        }"""
    )
    assert same == ["x", "weight", "a", "h"]


def test_a_number_that_nothing_reads_reaches_nothing(shared):
    unread = "{ overrides: [{ value: v.logits, index: 6, add: 1 }], base: values }"  # of the row whose label is ignored
    same = shared.evaluate(
        f"((moved) => Object.keys(v).filter((name) => moved[v[name]] === values[v[name]]))(page.replay(data, {unread}))"
    )
    moved = shared.evaluate(f"page.lossOf(data, page.replay(data, {unread})) !== page.lossOf(data, values)")
    assert set(shared_layer()[1]) - set(same) <= {"logits", "loss", "probs", "dlogits"}
    assert "dweight2" in same
    assert not moved


def test_what_is_recorded_is_not_edited(shared):
    before = arrays_of(shared)
    shared.evaluate("page.prove(data, values, { param: 0 }, 3)")
    shared.evaluate("page.replay(data, { overrides: [{ value: v.x, index: 0, set: 9 }] })")
    for old, new in zip(before, arrays_of(shared), strict=True):
        np.testing.assert_array_equal(old, new)


TARGETS = {
    "a weight": "{ param: 0 }",
    "a weight in its first use": "{ param: 0, row: 0 }",
    "a weight in its first use, by the row back": "{ param: 0, row: 7 }",
    "a weight in its second use": "{ param: 0, row: 2 }",
    "a bias": "{ param: 1 }",
    "an activation": "{ value: v.a }",
    "a logit": "{ value: v.logits }",
}


@pytest.mark.parametrize("target", TARGETS)
def test_proofs_agree_to_six_digits(shared, target):
    for index in range(5):
        proof = shared.evaluate(f"page.prove(data, values, {TARGETS[target]}, {index})")
        assert proof["verdict"] == "agree"
        assert proof["digits"] >= 6
        assert abs(proof["slope"] - proof["backward"]) <= 10 * proof["error"]
        deltas = [point["delta"] for point in proof["points"]]
        assert deltas == sorted(deltas)
        assert 0 in deltas
        assert len(deltas) > 8


def test_a_gradient_below_rounding_is_said_to_be_zero(shared):
    proof = shared.evaluate("page.prove(data, values, { value: v.logits }, 6)")  # the ignored row
    assert proof["verdict"] == "zero"
    assert proof["backward"] == 0
    assert 0 < proof["noise"] < 1e-12


def test_a_wrong_gradient_is_found_out(modules):
    def doubled(dweight):
        return 2 * dweight

    made, v = shared_layer(bug=doubled)
    made.data["rows"][5]["differs"] = [None, made.store(made.arrays[v["dweight2"]]), None]
    open_in(modules, made)
    proof = modules.evaluate("page.prove(data, values, { param: 0, row: 5 }, 3)")
    assert proof["verdict"] == "differ"
    assert proof["backward"] == pytest.approx(2 * proof["slope"], rel=1e-8)
    whole = modules.evaluate("page.prove(data, values, { param: 0 }, 3)")
    assert whole["verdict"] == "differ"


def test_targets_are_what_a_value_on_screen_is_the_gradient_of(shared):
    found = shared.evaluate(
        "['a', 'da', 'weight', 'dweight1', 'dweight2', 'dbias1', 'x', 'probs'].map((n) => page.targetOf(data, v[n]))"
    )
    v = shared_layer()[1]
    uses = [{"param": 0, "row": 7}, {"param": 0, "row": 5}, {"param": 1, "row": 7}]
    assert found == [{"value": v["a"]}, {"value": v["a"]}, {"param": 0}, *uses, None, None]


@pytest.mark.parametrize("row", range(8))
def test_the_first_op_that_differs_is_named(modules, row):
    """A number recorded otherwise than the op computes it is found at its op, with and without Python's array."""
    made, _ = shared_layer()
    for slot, value in enumerate(made.data["rows"][row]["out"]):
        wrong = made.arrays[value] + 1e-6
        honest = made.data["values"][value]["print"]
        made.data["values"][value]["print"] = [honest[0] + 1e-6 * wrong.size, honest[1]]
        open_in(modules, made)
        assert modules.evaluate("page.verify(data, values)")[0] == row
        made.data["values"][value]["print"] = honest
        made.data["rows"][row]["differs"] = [None] * slot + [made.store(wrong)]
        open_in(modules, made)
        found = modules.evaluate("page.verify(data, values).details[0]")
        assert (found["row"], found["slot"], found["value"]) == (row, slot, value)
        np.testing.assert_array_equal(arrays_of(modules)[value], wrong.ravel())
        right = arrays_of(modules, "[page.verify(data, values).details[0].right]")[0]
        np.testing.assert_allclose(right, made.arrays[value].ravel(), atol=1e-13)
        del made.data["rows"][row]["differs"]


def test_a_pass_that_is_right_is_said_to_be_so(shared):
    found = shared.evaluate(
        "(({ length, count, worst, params }) => ({ length, count, worst, params }))(page.verify(data, values))"
    )
    assert found["length"] == 0
    assert found["params"] == []
    assert found["count"] == 13
    assert found["worst"] < 1e-14


def test_a_pass_without_a_loss_is_differentiated_along_its_upstream_gradients(modules):
    made, v = shared_layer()
    upstream = np.random.default_rng(1).standard_normal((ROWS, WIDTH))
    made.data["loss"] = None
    made.data["probe"] = [{"value": v["logits"], "upstream": made.store(upstream)}]
    open_in(modules, made)
    wanted = float((upstream * made.arrays[v["logits"]]).sum())
    assert modules.evaluate("page.lossOf(data, values)") == pytest.approx(wanted, rel=1e-14)


def test_a_parameters_gradient_is_opened_into_its_uses(shared):
    told = shared.evaluate("page.explainParam(data, values, 0, 3)")
    parts = arrays_of(shared, "[v.dweight2, v.dweight1].map((id) => values[id])")
    assert [term["value"] for term in told["terms"]] == [part[3] for part in parts]
    assert told["total"] == pytest.approx(sum(part[3] for part in parts), rel=1e-15)
    assert [term["row"] for term in told["terms"]] == [5, 7]


def test_a_use_is_named_by_its_place_in_the_readers_language(modules):
    made, _ = shared_layer()
    made.data["rows"][5]["block"] = ["step 3", "feed-forward"]
    open_in(modules, made)
    labels = modules.evaluate(
        """async () => {
          const { setLanguage } = await import("/i18n.js");
          const labels = ["zh", "en"].map((code) => {
            setLanguage(code);
            return page.explainParam(data, values, 0, 3).terms[0].label;
          });
          return labels;
        }"""
    )
    assert labels[1] == "step 3 · feed-forward"
    assert labels[0].startswith("第 3 步 · ")

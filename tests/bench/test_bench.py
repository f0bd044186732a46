"""Benchmarks and profiles are complete and honest; how fast anything is, no test says."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from albert_np import bench, ops
from albert_np.backend import get_backend
from albert_np.bench import contenders, measuring
from albert_np.bench.comparison import Contender, DisagreementError, Result, compare
from albert_np.bench.contenders import ours
from albert_np.bench.floor import floor, products_of
from albert_np.bench.profile import BETWEEN, timed_ops
from albert_np.gradcheck import hugging_face_model, randomize, small_config
from albert_np.model import AlbertForPreTraining, AlbertModel
from albert_np.ops import IGNORE_INDEX
from albert_np.plots import benchmark_figure, profile_figure
from albert_np.study import flops_per_token

NUMPY = get_backend("numpy")
RAGGED = (8, 3, 5, 1)


def config(**changes):
    sizes = {"vocab_size": 40, "hidden_size": 24, "num_attention_heads": 4, "max_position_embeddings": 64}
    return small_config(**{**sizes, **changes})


def step_model(**changes):
    return randomize(AlbertForPreTraining(config(**changes)), scale=0.1)


# What is measured.


def test_like_for_like_labels_every_position_and_practical_15_percent_of_the_real_tokens():
    everything, practical = (bench.step_workload(config(), RAGGED * 10, practical) for practical in (False, True))
    assert (everything.batch["labels"] != IGNORE_INDEX).all()
    assert practical.labelled == round(0.15 * practical.tokens) == round(0.15 * 170)
    assert (practical.batch["attention_mask"][practical.batch["labels"] != IGNORE_INDEX] == 1).all()
    assert practical.batch["attention_mask"].sum(axis=1).tolist() == list(RAGGED * 10)


def test_a_description_says_what_is_left_out_and_how_much_is_real():
    ragged, full = bench.step_workload(config(), RAGGED, True), bench.step_workload(config(), [8, 8], True)
    assert "53% of them real" in ragged.description
    assert (
        "leaves out the padding and the logits and the last feed-forward where there is no label" in ragged.description
    )
    assert "leaves out the logits and the last feed-forward where there is no label" in full.description
    assert bench.forward_workload(config(), [8, 8], True).left_out == []
    assert "leaves out" not in bench.step_workload(config(), RAGGED).description


def test_sequences_longer_than_the_position_table_are_refused():
    with pytest.raises(ValueError, match="allowed are 1 to 64"):
        bench.forward_workload(config(), [65])


@pytest.mark.parametrize("threads", [1, 3])
def test_ours_does_the_whole_batch(threads):
    model = step_model()
    workload = bench.step_workload(model.config, RAGGED, practical=True)
    results = ours(model, workload, threads).results()
    model.eval().zero_grad()
    loss = model(**workload.batch).loss
    model.backward()
    assert results["loss"] == pytest.approx(loss, rel=1e-5)
    assert results["norm of all gradients"] == pytest.approx(np.linalg.norm(model.grads.flat), rel=1e-4)


def test_ours_starts_each_step_from_zero_gradients_and_in_the_mode_of_the_work():
    model = step_model()
    contender = ours(model, bench.step_workload(model.config, [8]), 1)
    contender.run()
    first = model.grads.flat.copy()
    contender.run()
    assert model.training
    np.testing.assert_array_equal(model.grads.flat, first)
    trunk = AlbertModel(config())
    ours(trunk, bench.forward_workload(trunk.config, [8]), 1).run()
    assert not trunk.training
    assert trunk.cache is None


# The floor.


def test_the_matrix_products_are_those_that_the_config_counts():
    c = config(num_hidden_layers=4, inner_group_num=2)
    workload = bench.forward_workload(c, [7] * 3)
    pooler = 2 * 3 * c.hidden_size**2
    assert sum(p.flops for p in products_of(workload)) == flops_per_token(c, 7) * 3 * 7 + pooler


def test_a_step_has_three_times_the_products_of_its_forward_pass():
    c = config()
    workload = bench.step_workload(c, [7] * 3)
    forward = sum(p.flops for p in products_of(bench.forward_workload(c, [7] * 3)))
    heads = 2 * 21 * (c.hidden_size * c.embedding_size + c.embedding_size * c.vocab_size) + 2 * 3 * c.hidden_size * 2
    assert sum(p.flops for p in products_of(workload)) == 3 * (forward + heads)


def test_what_is_left_out_has_no_products():
    c = config()
    everything, practical = (products_of(bench.step_workload(c, RAGGED, p)) for p in (False, True))
    rows = [{p.m for p in found if p.layout == "nt" and p.n == 3 * c.hidden_size} for found in (everything, practical)]
    assert rows == [{32}, {17}]
    assert next(p.m for p in practical if p.n == c.vocab_size) == max(1, round(0.15 * 17))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_floor_runs(threads):
    floor(bench.step_workload(config(), RAGGED, True), threads, NUMPY).run()
    floor(bench.forward_workload(config(), [8]), threads, NUMPY).run()


# Side by side.


def a_contender(name, value, log):
    return Contender(name, lambda: log.append(name), lambda: {"answer": np.array(value)})


def test_contenders_take_turns_after_a_warm_up():
    log = []
    seconds = compare([a_contender("a", 1.0, log), a_contender("b", 1.0, log)], repeats=3)
    assert log == ["a", "b"] * 4
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}


@pytest.mark.parametrize("wrong", [1.01, np.nan, [1.0, 1.0]])
def test_who_computes_something_else_is_not_timed(wrong):
    log = []
    with pytest.raises(DisagreementError, match="b computes another answer than a"):
        compare([a_contender("a", 1.0, log), a_contender("b", wrong, log)], repeats=1)
    assert log == []


def test_ratios_are_medians_over_rounds():
    result = Result("t", "d", 100, "tokens", {"a": [1.0, 2.0, 6.0], "b": [2.0, 2.0, 2.0]}, [])
    first, second = result.rows()
    assert first["ratio"] == 1
    assert second["ratio"] == 1  # 0.5, 1 and 3
    assert (first["median"], first["quartiles"], second["per_second"]) == (2.0, [1.5, 4.0], 50)
    assert json.loads(json.dumps(result.to_dict()))["contenders"][0]["seconds"] == [1.0, 2.0, 6.0]


def test_a_rival_that_is_not_there_is_skipped_with_a_hint(monkeypatch):
    def missing(model, workload, threads):
        contenders.needs("pip install it", "no_such_package")

    monkeypatch.setitem(measuring.RIVALS, "torch", missing)
    model = AlbertModel(config())
    result = bench.measure_workload(model, bench.forward_workload(model.config, [4]), repeats=2)
    assert result.skipped == ["no_such_package is not installed: pip install it"]
    assert [len(times) for times in result.seconds.values()] == [2, 2]
    assert list(result.seconds) == ["albert_np", "matrix products alone"]


def test_growth_covers_the_grid():
    rows = bench.measure_growth(AlbertModel(config()), [4, 8], [1, 3], repeats=2)
    assert [(row["length"], row["batch"]) for row in rows] == [(4, 1), (4, 3), (8, 1), (8, 3)]
    assert all(len(row["seconds"]) == 2 and row["microseconds_per_token"] > 0 for row in rows)


# Hugging Face.


@pytest.mark.parametrize("sharing", ["all", "attention"])
@pytest.mark.parametrize("practical", [False, True])
def test_pytorch_agrees_in_steps(torch, transformers, sharing, practical):
    model = step_model(num_hidden_layers=2, sharing=sharing, hidden_dropout_prob=0.1)
    workload = bench.step_workload(model.config, RAGGED, practical)
    result = bench.measure_workload(model, workload, ["torch", "torch-eager"], threads=2, repeats=1)
    assert list(result.seconds) == ["albert_np", "PyTorch, sdpa", "PyTorch, eager", "matrix products alone"]
    assert result.skipped == []


@pytest.mark.parametrize("practical", [False, True])
def test_everybody_agrees_in_forward_passes(torch, transformers, practical):
    rivals_there = ["torch"]
    try:
        contenders.needs("", "onnx", "onnxruntime")
        rivals_there.append("onnx")
    except contenders.UnavailableError:
        pass
    model = randomize(AlbertModel(config()), scale=0.1)
    result = bench.measure_workload(
        model, bench.forward_workload(model.config, RAGGED, practical), rivals_there, repeats=1
    )
    assert len(result.seconds) == 2 + len(rivals_there)


def test_a_twin_with_other_weights_is_refused(torch, transformers, monkeypatch):
    def other(model, workload, threads):
        return contenders.torch_contender(
            "other", hugging_face_model("AlbertForPreTraining", workload.config, "sdpa"), workload, threads
        )

    monkeypatch.setitem(measuring.RIVALS, "torch", other)
    model = step_model()
    with pytest.raises(DisagreementError, match="nothing is reported"):
        bench.measure_workload(model, bench.step_workload(model.config, [8, 8]), repeats=1)


def test_tokenizers_give_the_same_ids(tmp_path):
    from albert_np.tokenization import train_vocabulary

    lines = [f"The {a} of the {b} is {n}, as ever." for n, (a, b) in enumerate([("cat", "dog"), ("dog", "house")] * 9)]
    result = bench.measure_tokenizers(train_vocabulary(lines, tmp_path / "spiece.model", 40), lines, repeats=2)
    assert (result.amount, result.unit) == (18, "lines")
    assert len(result.seconds) + len(result.skipped) == 2


# Memory.


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux's /proc is not there")
def test_memory_is_measured_with_and_without_recomputation():
    rows = bench.measure_memory(config(num_hidden_layers=12), (8, 64), against=[], steps=2, small=(1, 4))
    assert [row["contender"] for row in rows] == ["albert_np", "albert_np, recompute=layer"]
    assert 0 < rows[1]["peak"] < rows[0]["peak"]
    assert all(isinstance(row["growth"], int) for row in rows)


# The profile.


def test_a_profile_counts_the_products_of_the_pass_and_every_op():
    model = step_model(num_hidden_layers=3)
    workload = bench.step_workload(model.config, [8] * 4, practical=True)
    found = bench.profile_workload(model, workload, threads=1, repeats=2)
    assert sum(op.flops for op in found.ops) == sum(p.flops for p in products_of(workload))
    calls: Counter[str] = Counter()
    for op in found.ops:
        calls[op.op if op.op == BETWEEN else op.op.split()[0]] += op.calls
    assert calls["attention_forward"] == calls["attention_backward"] == calls["softmax_backward"] == 3
    assert calls["linear_forward"] == calls["linear_backward"] == 4 * 3 + 5
    assert calls["activation_forward"] == 3 + 1
    assert calls[BETWEEN] == 1


def test_a_profile_has_floors_and_shares_and_is_sorted():
    model = AlbertModel(config())
    workload = bench.forward_workload(model.config, [8] * 4)
    document = json.loads(json.dumps(bench.profile_workload(model, workload, threads=2, repeats=1).to_dict()))
    rows = document["ops"]
    assert document["description"] == "forward 2x8 on one thread"
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert [row["seconds"] for row in rows] == sorted((row["seconds"] for row in rows), reverse=True)
    floors = {row["op"]: row["floor_seconds"] for row in rows}
    assert floors.pop(BETWEEN) is None
    assert floors["linear_forward 24→20"] > 0
    assert floors["dropout_forward"] == 0  # nothing is dropped, so nothing has to move


def test_the_ops_are_what_they_were_after_a_profile_even_if_it_fails():
    before = dict(vars(ops))
    with timed_ops(NUMPY):
        assert ops.linear_forward is not before["linear_forward"]
    with pytest.raises(AttributeError), timed_ops(NUMPY):
        ops.linear_forward(None, None, None)
    assert before == vars(ops)


def test_an_op_has_its_own_time_without_that_of_the_ops_it_calls():
    with timed_ops(NUMPY) as times:
        query = np.ones((1, 1, 300, 2), dtype=np.float32)
        ops.attention_forward(query, query, query, None)
    assert set(times) == {"attention_forward", "softmax_forward", "dropout_forward", BETWEEN}
    assert times["attention_forward"].flops == 2 * 2 * 300 * 300 * 2
    assert all(op.seconds > 0 for op in times.values())


# Figures and commands.


def test_figures_show_every_comparison_and_every_op():
    model = AlbertModel(config())
    workload = bench.forward_workload(model.config, [4])
    result = bench.measure_workload(model, workload, [], repeats=2).to_dict()
    figure = benchmark_figure([result, result])
    assert [len(ax.patches) for ax in figure.axes] == [2, 2]
    found = bench.profile_workload(model, workload, repeats=1).to_dict()
    (ax,) = profile_figure(found, most=5).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [row["op"] for row in found["ops"][:5]]


def run(*arguments):
    code = "from albert_np.cli import main; main(prog_name='albert-np')"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny"
    step_model().save_pretrained(path)
    return path


def test_bench_prints_tables_that_json_and_figure_hold_too(folder, tmp_path):
    arguments = ["bench", "--model", folder, "--against", "", "--repeats", 2, "--threads", 2, "--shapes", "2x8,1x4"]
    text = run(*arguments, "--work", "forward,growth", "--ragged")
    assert text.returncode == 0, text.stderr
    for words in ("forward 2x8, like for like", "forward 1x4", "44% of them real", "practical", "batch 32"):
        assert words in text.stdout
    result = run(*arguments, "--work", "step", "--json", "--figure", tmp_path / "times.png")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    titles = [comparison["title"] for comparison in found["comparisons"]]
    assert titles == [f"step {shape}, {way}" for shape in ("2x8", "1x4") for way in ("like for like", "practical")]
    assert all(len(row["seconds"]) == 2 for c in found["comparisons"] for row in c["contenders"])
    assert found["settings"]["threads"] == 2
    assert found["machine"]["numpy"] == np.__version__
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")


def test_profile_prints_ops_and_draws_them(folder, tmp_path):
    arguments = ["profile", "--model", folder, "--shape", "2x8", "--repeats", 1, "--figure", tmp_path / "ops.png"]
    text = run(*arguments)
    assert text.returncode == 0, text.stderr
    assert "attention_backward" in text.stdout
    assert "GFLOP/s" in text.stdout
    assert (tmp_path / "ops.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(run(*arguments, "--json").stdout)
    assert {row["op"] for row in found["ops"]} >= {"linear_backward 20→24", "embedding_backward", BETWEEN}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["bench", "--shapes", "8"], "write sequences x tokens"),
        (["bench", "--work", "steps"], "'steps': allowed are forward, step, tokenize, memory, growth"),
        (["bench", "--against", "tensorflow"], "allowed are torch, torch-eager, torch-compile, onnx"),
        (["bench", "--work", "memory", "--figure", "x.png"], "--figure draws comparisons"),
        (["bench", "--preset", "tiny", "--shapes", "1x4"], "preset 'tiny' is unknown"),
        (["bench", "--figure", "nowhere/x.png"], "there is no folder nowhere"),
        (["bench", "--work", "memory", "--backend", "cupy"], "it needs --backend numpy"),
        (["profile", "--shape", "2x8,4x8"], "--shape takes one shape"),
    ],
)
def test_a_wrong_call_gets_one_clear_line_and_status_2(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr

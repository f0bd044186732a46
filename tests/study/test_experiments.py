"""The paper's ablations in miniature: results as they are described, whatever the machine, and honest measures."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from albert_np.changes import change_in_force
from albert_np.cli import main
from albert_np.study import data_folder, experiments, trials
from albert_np.study.experiments import (
    EXPERIMENTS,
    MEASURES,
    NATS,
    differences,
    layer_distances,
    paired_table,
    read_result,
    result_table,
    run_experiment,
)
from albert_np.training import NonFiniteError

KEPT = data_folder() / "experiments"
TESTS = Path(__file__).parents[1]
WORDS = "the cat dog bird house river sees likes finds old small red green big quick and or with under near".split()


def documents():
    rng = np.random.default_rng(0)
    return [[" ".join(rng.choice(WORDS, rng.integers(4, 12))) + "." for _ in range(8)] for _ in range(80)]


@pytest.fixture(scope="module")
def toys():
    """A text and a vocabulary so small that a model is trained in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "python_prose", documents)
        patch.setattr(trials.quickstart, "VOCAB_SIZE", 40)
        yield patch


@pytest.fixture(scope="module")
def trained(toys):
    reported = []
    toys.setattr(experiments, "available_threads", lambda: 2)
    return run_experiment("pairs", steps=2, seeds=2, report=lambda *what: reported.append(what)), reported


def check_result(result, name, seeds):
    """A result is as `read_result` describes it."""
    experiment = EXPERIMENTS[name]
    told, of_runs = ({"text"}, set()) if experiment.ground is trials.Prose else ({"best"}, {"untrained"})
    assert result.keys() == {"experiment", "question", "paper", "steps", "variants"} | told
    assert (result["experiment"], result["question"], result["paper"]) == (name, experiment.question, experiment.source)
    assert [v["name"] for v in result["variants"]] == [v.name for v in experiment.variants]
    assert [v["paper"] for v in result["variants"]] == [v.paper for v in experiment.variants]
    for variant, wanted in zip(result["variants"], experiment.variants, strict=True):
        assert [run["seed"] for run in variant["runs"]] == list(range(seeds))
        layers = experiment.ground.config(wanted).num_hidden_layers
        for run in variant["runs"]:
            assert run.keys() == {"seed", "parameters", *experiment.measures, "distances", "curve"} | of_runs
            assert all(0 <= run[measure] <= 1 for measure in experiment.measures if measure not in NATS)
            for each in ("distances", *of_runs):
                assert [len(run[each][name]) for name in ("l2", "degrees")] == [layers, layers]
            assert run["curve"][-1][0] == result["steps"]
            assert all(len(point) == (8 if of_runs else 4) for point in run["curve"])


def test_a_result_is_as_described_and_survives_json(trained, tmp_path):
    result, _ = trained
    check_result(result, "pairs", seeds=2)
    (tmp_path / "pairs.json").write_text(json.dumps(result))
    assert read_result("pairs", tmp_path) == result


def test_progress_counts_every_model(trained):
    _, reported = trained
    assert [done for _, done, _ in reported] == list(range(7))
    assert {total for *_, total in reported} == {6}


def test_every_run_is_asked_all_questions_whatever_it_was_trained_on(trained):
    runs = {variant["name"]: variant["runs"][0] for variant in trained[0]["variants"]}
    assert [runs[name]["curve"][-1][3] is None for name in ("none", "NSP", "SOP")] == [True, False, False]
    assert runs["none"]["parameters"] == runs["SOP"]["parameters"]


def test_seeds_are_different_models(trained):
    for variant in trained[0]["variants"]:
        first, second = variant["runs"]
        assert first["mlm_loss"] != second["mlm_loss"]


def test_figures_do_not_depend_on_the_number_of_processors(trained, toys):
    toys.setattr(experiments, "available_threads", lambda: 1)
    alone = run_experiment("pairs", steps=2, seeds=1)
    for variant, side_by_side in zip(alone["variants"], trained[0]["variants"], strict=True):
        assert variant["runs"] == side_by_side["runs"][:1]


@pytest.mark.parametrize("ground", [trials.Prose, trials.Toy])
def test_training_that_fails_in_its_process_ends_the_experiment_with_that_error(toys, ground, tmp_path):
    diverging = experiments.Variant("diverging", {}, {"learning_rate": 1e38}, {})
    jobs = [experiments.Job(diverging, seed) for seed in range(2)]
    with pytest.raises(NonFiniteError, match=r"after \d+ updates .*Lower the learning rate"):
        list(experiments._measured(jobs, 5, ground.prepare(tmp_path), tmp_path))


CHANGE = """
from toys.changes import RMS_NORM

from albert_np.labs import swap

swap(norm=RMS_NORM)
CONFIG = {"num_hidden_layers": 1}
print("a word of the file's own")
"""
FAILING = """
def fails(dy, cache):
    raise KeyError("here")
swap(norm=(RMS_NORM[0], fails, RMS_NORM[2]))
"""


@pytest.fixture
def change(tmp_path, monkeypatch):
    paths = [*map(str, (TESTS, TESTS.parent)), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    path = tmp_path / "change.py"
    path.write_text(CHANGE)
    return path


def test_a_change_is_tried_on_equal_seeds_and_its_differences_are_paired(toys, change, tmp_path):
    output = tmp_path / "change.json"
    done = call("change", "--steps", 2, "--seeds", 2, "--with", change, "--output", output)
    assert done.exit_code == 0, done.stderr
    result = json.loads(output.read_text())
    plain, changed = result["variants"]
    assert [plain["name"], changed["name"]] == ["quickstart, as it is", "quickstart, changed"]
    assert [[run["seed"] for run in each["runs"]] for each in (plain, changed)] == [[0, 1], [0, 1]]
    biases = 3 * 128  # of the embeddings' norm and the layer's two
    assert plain["runs"][0]["parameters"] - changed["runs"][0]["parameters"] == biases
    assert all(len(run["distances"]["l2"]) == 1 for each in (plain, changed) for run in each["runs"])
    names = {"forward": "rms_norm_forward", "backward": "rms_norm_backward", "parameters": {"weight": ["W"]}}
    assert result["change"] == {
        "file": "change.py",
        "sha256": hashlib.sha256(CHANGE.encode()).hexdigest(),
        "parts": {"norm": names},
        "config": {"num_hidden_layers": 1},
    }
    (row,) = result["differences"]
    pairs = zip(plain["runs"], changed["runs"], strict=True)
    first, second = (after["mlm_loss"] - before["mlm_loss"] for before, after in pairs)
    assert (row["variant"], row["n"]) == ("quickstart", 2)
    assert row["measures"]["mlm_loss"] == {
        "mean": pytest.approx((first + second) / 2),
        "error": pytest.approx(abs(first - second) / 2),
    }
    assert "change.py (SHA-256" in done.stdout
    assert "changed, less as it is" in done.stdout
    assert "a word of the file's own" not in done.stdout
    widths = {len(line) for line in result_table(result, ["mlm_accuracy"]).splitlines()[1:]}
    assert len(widths) == 2  # the last line has no column for the paper
    assert change_in_force() is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1\n", "change.py replaces nothing: it must call albert_np.labs.swap, without `with`"),
        ("x = 1\ny = undefined\n", "change.py, line 2: NameError: name 'undefined' is not defined"),
        ("def f(:\n", "change.py, line 1: "),
        ("raise SystemExit(3)\n", "change.py, line 1: SystemExit: 3"),
        (
            CHANGE.replace("norm=RMS_NORM", "norm=RMS_NORM[:1]"),
            "change.py, line 6: TypeError: norm=(<function rms_norm",
        ),
        (
            CHANGE + "CONFIG = {'hidden_size': 3}\n",
            "change.py does not fit the variant quickstart: num_attention_heads=2",
        ),
        (CHANGE + "CONFIG = 3\n", "change.py: CONFIG=3 must be fields of AlbertConfig, by name"),
        (
            CHANGE.replace("norm=RMS_NORM", "schedule=(0, 1)"),
            "change.py does not fit the variant quickstart: num_hidden_",
        ),
        ("import os\nos._exit(1)\n", "change.py ended its process"),
        (CHANGE + FAILING, "change.py, line 11: KeyError: 'here'"),  # in training
    ],
)
def test_a_change_that_fails_is_named_by_file_and_line(toys, change, text, message, tmp_path):
    change.write_text(text)
    done = call("change", "--steps", 1, "--with", change, "--output", tmp_path / "unwritten.json")
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert not (tmp_path / "unwritten.json").exists()


def test_paired_differences_by_hand():
    """Differences 1, 2 and 6: mean 3, s² = (4 + 1 + 9) / 2 = 7, error √(7 / 3)."""
    before = [dict.fromkeys(MEASURES, 0.0) | {"seed": seed} for seed in range(3)]
    after = [{**run, "sop_accuracy": d} for run, d in zip(before, (1.0, 2.0, 6.0), strict=True)]
    row = experiments.paired_differences(before, after[::-1])
    assert row["n"] == 3
    assert row["measures"]["sop_accuracy"] == {"mean": pytest.approx(3), "error": pytest.approx((7 / 3) ** 0.5)}
    assert row["measures"]["nsp_accuracy"] == {"mean": 0, "error": 0}
    assert experiments.paired_differences(before[:1], after[:1])["measures"]["sop_accuracy"]["error"] is None
    with pytest.raises(ValueError, match=r"seeds \[0, 1, 2\] do not go with \[0, 1\]"):
        experiments.paired_differences(before, after[:2])


def test_every_variant_is_compared_with_the_first_or_with_one_that_is_named():
    runs = [[{"seed": seed, "gap": 0.1 * i, "accuracy": 0.5 + 0.1 * i} for seed in range(2)] for i in range(3)]
    result = {
        "steps": 7,
        "variants": [{"name": name, "paper": {}, "runs": each} for name, each in zip("abc", runs, strict=True)],
    }
    assert [(row["variant"], row["measures"]["gap"]["mean"]) for row in differences(result)] == [
        ("b", pytest.approx(0.1)),
        ("c", pytest.approx(0.2)),
    ]
    assert paired_table(result, ("gap", "accuracy"), "b").splitlines()[1].split() == (
        "a -0.1000 ± 0.0000 -10.00 ± 0.00".split()
    )
    with pytest.raises(ValueError, match="first='d' is no variant; there are a, b, c"):
        differences(result, "d")


def test_variants_in_the_world_meet_the_same_stories_and_sit_the_same_exams(tmp_path):
    """A change that is none changes nothing, and what differs is what the variant says."""
    toy = trials.Toy.prepare(tmp_path)
    config = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    recipes = ({}, {"warmup": 0.1}, {"warmup": 0.5}, {"max_ngram": 3})
    plain, same, *others = (toy.train(trials.Variant("", config, recipe, {}), 1, 2, tmp_path) for recipe in recipes)
    assert plain == same
    assert all(other["untrained"] == plain["untrained"] for other in others)
    assert all(other["gap"] != plain["gap"] for other in others)
    shared, unshared = (
        trials.Toy.config(trials.Variant("", {"num_hidden_layers": 3, "sharing": sharing}, {}, {}))
        for sharing in ("all", "none")
    )
    assert (shared.num_hidden_groups, unshared.num_hidden_groups) == (1, 3)


def test_calls_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="no experiment 'dropout'; there are sharing, depth, embedding"):
        run_experiment("dropout")
    with pytest.raises(ValueError, match="no experiment 'dropout'"):
        read_result("dropout")
    with pytest.raises(ValueError, match="steps=0 must be a whole number of at least 1"):
        run_experiment("pairs", steps=0)
    with pytest.raises(ValueError, match="seeds=0 must be a whole number of at least 1"):
        run_experiment("pairs", seeds=0)


def test_a_result_that_was_not_kept_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no result of depth"):
        read_result("depth", tmp_path)


@pytest.mark.parametrize(
    "damage, said",
    [
        ({"gap": "x"}, r"variants\[0\].runs\[0\].gap is 'x'"),
        ({"accuracy": None}, r"runs\[0\].accuracy is null"),
        ({"parameters": 1.5}, r"runs\[0\].parameters is 1.5"),
        (None, "variants and their runs must not be empty"),
    ],
)
def test_a_damaged_result_is_named_with_its_field(damage, said, tmp_path):
    run = {"seed": 0, "parameters": 1} | dict.fromkeys(EXPERIMENTS["depth"].measures, 0.5)
    runs = [] if damage is None else [run | damage]
    result = {"question": "how deep?", "variants": [{"name": "a", "paper": {}, "runs": runs}]}
    (tmp_path / "depth.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match=rf"depth\.json: .*{said}"):
        read_result("depth", tmp_path)


def test_layer_distances_of_two_tokens_by_hand():
    """(1, 0) → (0, 1) → (3, 4), (2, 0) → (4, 0) → (−4, 0), and a third that is padding."""
    states = np.array(
        [[[1.0, 0], [2, 0], [5, 5]], [[0, 1], [4, 0], [-9, 0]], [[3, 4], [-4, 0], [0, 0]]],
    )[:, None]
    distances = layer_distances(states, [[1, 1, 0]])
    np.testing.assert_allclose(distances["l2"], [(np.sqrt(2) + 2) / 2, (np.sqrt(18) + 8) / 2])
    np.testing.assert_allclose(distances["degrees"], [(90 + 0) / 2, (np.degrees(np.arccos(4 / 5)) + 180) / 2])


def test_layer_distances_survive_rounding_of_the_cosine():
    state = np.full((1, 1, 7), 0.1)
    assert layer_distances([state, 3 * state], [[1]])["degrees"] == pytest.approx(0, abs=1e-5)


@pytest.mark.skipif(not KEPT.is_dir(), reason="data/experiments is not there")
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "change"])
def test_kept_results_are_whole(name):
    result = read_result(name)
    seeds = len(result["variants"][0]["runs"])
    assert seeds >= (2 if EXPERIMENTS[name].ground is trials.Prose else 5)
    check_result(result, name, seeds)
    assert result["steps"] == EXPERIMENTS[name].steps
    shown = CliRunner().invoke(main, ["experiment", name, "--kept"])
    assert shown.exit_code == 0
    assert all(variant.name in shown.stdout for variant in EXPERIMENTS[name].variants)
    assert max(map(len, shown.stdout.splitlines())) <= 120
    tables = shown.stdout.partition("updates; losses")[2].partition("the paper:")[0].splitlines()
    assert max(map(len, tables)) <= 80


def call(*arguments):
    return CliRunner().invoke(main, ["experiment", *map(str, arguments)])


def test_without_a_name_the_command_says_which_there_are():
    listed = call()
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(EXPERIMENTS)


def test_the_command_trains_shows_and_writes_once(toys, tmp_path):
    output = tmp_path / "results" / "ngrams.json"
    done = call("ngrams", "--steps", 1, "--output", output)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("How long should a mask be?\nIn the toy world; the best there is: a loss of 0.36")
    assert [line for line in done.stdout.splitlines() if line.startswith("less n ≤ 1")]
    before = output.read_bytes()
    again = call("ngrams", "--steps", 1, "--output", output)
    assert again.exit_code == 2
    assert "ngrams.json exists; choose another name" in again.stderr
    assert output.read_bytes() == before
    check_result(json.loads(before), "ngrams", seeds=1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["dropout"], "there is no experiment 'dropout'; there are"),
        (["dropout", "--kept"], "there is no experiment 'dropout'; there are"),
        (["pairs", "--kept", "--steps", 5], "do not give --steps, --seeds or --with"),
        (["pairs", "--kept", "--seeds", 1], "do not give --steps, --seeds or --with"),
        (["pairs", "--steps", 0], "--steps"),
        (["pairs", "--kept", "--with", "change.py"], "do not give --steps, --seeds or --with"),
        (["pairs", "--with", "missing.py"], "missing.py is no file: --with wants one that calls albert_np.labs.swap"),
        (["--with", "change.py"], "which experiment?"),
        (["--kept"], "which experiment?"),
        (["--output", "x.json"], "which experiment?"),
    ],
)
def test_a_wrong_call_gets_one_clear_line_and_status_2(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_experiment_on_a_change_wants_one():
    call = CliRunner().invoke(main, ["experiment", "change"])
    assert call.exit_code == 2
    assert "give it with --with FILE" in call.stderr

"""The paper's ablations in miniature: results as they are described, whatever the machine, and honest measures."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from albert_np.cli import main
from albert_np.study import data_folder, experiments
from albert_np.study.experiments import EXPERIMENTS, MEASURES, layer_distances, read_result, run_experiment
from albert_np.training import NonFiniteError

KEPT = data_folder() / "experiments"
WORDS = "the cat dog bird house river sees likes finds old small red green big quick and or with under near".split()


def documents():
    rng = np.random.default_rng(0)
    return [[" ".join(rng.choice(WORDS, rng.integers(4, 12))) + "." for _ in range(8)] for _ in range(80)]


@pytest.fixture(scope="module")
def toys():
    """A text and a vocabulary so small that a model is trained in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "python_prose", documents)
        patch.setattr(experiments.quickstart, "VOCAB_SIZE", 40)
        yield patch


@pytest.fixture(scope="module")
def trained(toys):
    reported = []
    toys.setattr(experiments, "available_threads", lambda: 2)
    return run_experiment("pairs", steps=2, seeds=2, report=lambda *what: reported.append(what)), reported


def check_result(result, name, seeds):
    """A result is as `read_result` describes it."""
    experiment = EXPERIMENTS[name]
    assert result.keys() == {"experiment", "question", "paper", "steps", "text", "variants"}
    assert (result["experiment"], result["question"], result["paper"]) == (name, experiment.question, experiment.source)
    assert result["text"].keys() == {"python", "numpy"}
    assert [v["name"] for v in result["variants"]] == [v.name for v in experiment.variants]
    assert [v["paper"] for v in result["variants"]] == [v.paper for v in experiment.variants]
    for variant, wanted in zip(result["variants"], experiment.variants, strict=True):
        assert len(variant["runs"]) >= seeds
        assert [run["seed"] for run in variant["runs"]] == list(range(len(variant["runs"])))
        layers = wanted.config.get("num_hidden_layers", experiments.quickstart.CONFIG.num_hidden_layers)
        for run in variant["runs"]:
            assert run.keys() == {"seed", "parameters", "mlm_loss", *MEASURES, "distances", "curve"}
            assert all(0 <= run[measure] <= 1 for measure in MEASURES)
            assert [len(run["distances"][name]) for name in ("l2", "degrees")] == [layers, layers]
            assert run["curve"][-1][0] == result["steps"]
            assert all(len(point) == 4 for point in run["curve"])


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


def test_training_that_fails_in_its_process_ends_the_experiment_with_that_error(toys):
    diverging = experiments.Variant("diverging", {}, {"learning_rate": 1e38}, {})
    jobs = [(diverging, seed) for seed in range(2)]
    with pytest.raises(NonFiniteError, match=r"after \d+ updates .*Lower the learning rate"):
        list(experiments._measured(jobs, 5, documents()))


def test_calls_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="no experiment 'dropout'; there are sharing, embedding, pairs"):
        run_experiment("dropout")
    with pytest.raises(ValueError, match="no experiment 'dropout'"):
        read_result("dropout")
    with pytest.raises(ValueError, match="steps=0 must be at least 1"):
        run_experiment("pairs", steps=0)
    with pytest.raises(ValueError, match="seeds=0 must be at least 1"):
        run_experiment("pairs", seeds=0)


def test_a_result_that_was_not_kept_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no result of depth"):
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
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_kept_results_are_whole(name):
    result = read_result(name)
    check_result(result, name, seeds=2)
    assert result["steps"] == experiments.STEPS
    shown = CliRunner().invoke(main, ["experiment", name, "--kept"])
    assert shown.exit_code == 0
    assert all(variant.name in shown.stdout for variant in EXPERIMENTS[name].variants)


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
    assert "How long should a mask be? On held-out text" in done.stdout
    assert [line.partition("  ")[0] for line in done.stdout.splitlines()[2:6]] == ["n ≤ 1", "n ≤ 2", "n ≤ 3", "n ≤ 5"]
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
        (["pairs", "--kept", "--steps", 5], "do not give --steps or --seeds"),
        (["pairs", "--kept", "--seeds", 1], "do not give --steps or --seeds"),
        (["pairs", "--steps", 0], "--steps"),
        (["--kept"], "which experiment?"),
        (["--output", "x.json"], "which experiment?"),
    ],
)
def test_a_wrong_call_gets_one_clear_line_and_status_2(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr

"""What the notebooks show of an experiment's result: a table, and figures with a row for each variant."""

import pytest

from albert_np.course.figures import ablation_figure, cross_task_figure, rates_figure
from albert_np.study.experiments import EXPERIMENTS, NATS, result_table


def made_up(name, seeds=2):
    experiment = EXPERIMENTS[name]

    def run(seed, i):
        return {"seed": seed, "parameters": 1000} | {
            measure: (0.1 if measure in NATS else 0.6) + 0.01 * seed * i for measure in experiment.measures
        }

    variants = [
        {"name": v.name, "paper": dict(v.paper), "runs": [run(seed, i) for seed in range(seeds)]}
        for i, v in enumerate(experiment.variants)
    ]
    return {"question": experiment.question, "paper": experiment.source, "steps": 20, "variants": variants}


def test_table_gives_means_and_how_far_seeds_are_apart():
    lines = result_table(made_up("sharing"), ("gap", "accuracy")).splitlines()
    assert lines[0].split()[:4] == ["2", "seeds,", "20", "updates"]
    assert lines[2].split() == "attention shared 1,000 0.105 60.5 81.7".split()
    assert lines[-1].split()[-2:] == ["0.030", "3.0"]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name, panels", [("sharing", 3), ("embedding", 2), ("depth", 3), ("ngrams", 2)])
def test_ablation_has_a_panel_for_each_measure_and_one_for_the_paper_where_it_has_figures(name, panels):
    figure = ablation_figure(made_up(name), ("gap", "accuracy"))
    assert len(figure.axes) == panels
    assert figure.get_figwidth() <= 6
    for ax in figure.axes:
        names = [label.get_text() for label in ax.get_yticklabels()]
        assert names == [variant.name for variant in EXPERIMENTS[name].variants]
        assert ax.yaxis_inverted()  # the first variant on top


def test_ablation_writes_differences_from_the_first_with_their_errors():
    """Of two seeds with the differences 0 and 0.01: 0.005 ± 0.005 nats, or 0.5 ± 0.5 points."""
    nats, points, paper = ablation_figure(made_up("sharing"), ("gap", "accuracy")).axes
    assert [text.get_text() for text in nats.texts] == ["+0.005 ± 0.005", "+0.010 ± 0.010", "+0.015 ± 0.015"]
    assert [text.get_text() for text in points.texts] == ["+0.5 ± 0.5", "+1.0 ± 1.0", "+1.5 ± 1.5"]
    assert [text.get_text() for text in paper.texts] == ["80.1", "81.7", "80.2", "81.6"]


def test_rates_have_a_curve_for_each_optimizer_with_a_warm_up_and_without():
    (ax,) = rates_figure(made_up("optimizers")).axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["AdamW", "AdamW, no warm-up", "LAMB", "LAMB, no warm-up"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_cross_task_figure_writes_ours_and_the_papers(seeds):
    ours, paper, _ = cross_task_figure(made_up("pairs", seeds)).axes
    assert [text.get_text() for text in paper.texts][:3] == ["52.4", "53.3", "54.9"]
    assert ours.texts[0].get_text() == "60.0"
    assert len(ours.texts) == 9 * seeds

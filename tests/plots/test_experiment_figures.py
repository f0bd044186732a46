"""What the notebooks show of an experiment's result: a table, and figures with a row for each variant."""

import pytest

from albert_np.course.figures import ablation_figure, cross_task_figure
from albert_np.study.experiments import EXPERIMENTS, result_table


def made_up(name, seeds=2):
    def run(seed, i):
        shares = {"mlm_accuracy": 0.15, "word_accuracy": 0.16, "sop_accuracy": 0.6, "nsp_accuracy": 0.7}
        return {"seed": seed, "parameters": 1000, **{key: share + 0.01 * seed * i for key, share in shares.items()}}

    experiment = EXPERIMENTS[name]
    variants = [
        {"name": v.name, "paper": dict(v.paper), "runs": [run(seed, i) for seed in range(seeds)]}
        for i, v in enumerate(experiment.variants)
    ]
    return {"question": experiment.question, "paper": experiment.source, "steps": 20, "variants": variants}


def test_table_gives_each_seed_their_mean_and_how_far_seeds_are_apart():
    lines = result_table(made_up("sharing"), ("mlm_accuracy", "sop_accuracy")).splitlines()
    assert len(lines) == 2 + len(EXPERIMENTS["sharing"].variants)
    assert lines[2].split() == "attention shared 1,000 15.0 16.0 → 15.5 60.0 61.0 → 60.5 81.7".split()
    assert lines[-1].split()[-2:] == ["3.0", "3.0"]


@pytest.mark.parametrize("name, panels", [("sharing", 3), ("embedding", 3), ("depth", 3), ("ngrams", 2)])
def test_ablation_has_a_panel_for_each_measure_and_one_for_the_paper_where_it_has_figures(name, panels):
    figure = ablation_figure(made_up(name), ("mlm_accuracy", "sop_accuracy"))
    assert len(figure.axes) == panels
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [variant.name for variant in EXPERIMENTS[name].variants]
    assert figure.axes[0].yaxis_inverted()  # the first variant on top


@pytest.mark.parametrize("seeds", [1, 2])
def test_cross_task_figure_writes_ours_and_the_papers(seeds):
    ours, paper, _ = cross_task_figure(made_up("pairs", seeds)).axes
    assert [text.get_text() for text in paper.texts][:3] == ["52.4", "53.3", "54.9"]
    assert ours.texts[0].get_text() == "70.0"
    assert len(ours.texts) == 9 * seeds

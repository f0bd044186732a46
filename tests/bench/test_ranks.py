"""What a step of several ranks costs, measured and reckoned."""

import pytest
from toys.ranks import run_ranks

from albert_np.bench import Network, RankTimes, measure_ranks, predicted_step, step_workload
from albert_np.gradcheck import small_config
from albert_np.model import AlbertForPreTraining


def test_rounds_are_measured_on_all_ranks_and_compared_in_pairs():
    config = small_config()
    workload = step_workload(config, [6] * 4, practical=True)
    model = AlbertForPreTraining(config)
    first, _ = run_ranks(2, lambda job: measure_ranks(model.replica() if job.rank else model, workload, job, 2))
    assert [len(times) for times in first[:4]] == [2] * 4
    assert all(seconds > 0 for times in first[:4] for seconds in times)
    assert first.parameters == model.params.flat.size
    pairs = first._replace(threads=[1.0, 2.0, 4.0], ranks=[3.0, 2.0, 4.4])
    assert pairs.ratio == pytest.approx(1.1)


def test_a_batch_with_less_than_a_sequence_a_rank_is_refused():
    config = small_config()
    model = AlbertForPreTraining(config)
    for error in run_ranks(2, lambda job: measure_ranks(model, step_workload(config, [6]), job, 1)):
        assert str(error) == "a batch of 1 sequences is too small for 2 ranks"


def test_a_predicted_step_adds_up_passes_update_chain_and_broadcast():
    times = RankTimes(threads=[9.0], ranks=[9.0], adding=[0.0], updating=[1.0], parameters=48 * 2**20)
    network = Network(latency=1e-3, bandwidth=2**22)
    assert predicted_step(times, measured=2, count=1, network=network) == 17.0  # 2 · 8 s of passes, 1 s
    # passes 2 · 8 / 4, update 1, (48 pieces + 4 - 2) hops of 1 ms + 1 s, broadcast 2 · (48 s + 2 · 1 ms)
    assert predicted_step(times, measured=2, count=4, network=network) == pytest.approx(4 + 1 + 50 * 1.001 + 2 * 48.002)

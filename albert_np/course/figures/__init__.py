"""The figures of the notebooks, one module for a notebook or a subject."""

from albert_np.course.figures.broadcasting import broadcast_figure, unbroadcast_figure
from albert_np.course.figures.embeddings import embeddings_diagram, lost_rows_figure, scatter_figure, table_sizes_figure
from albert_np.course.figures.experiments import ablation_figure, cross_task_figure, rates_figure
from albert_np.course.figures.gradient_checks import step_figure, two_losses_figure, upstream_figure
from albert_np.course.figures.heads import block_figure, heads_figure, key_gradients_figure, split_figure
from albert_np.course.figures.inside import (
    answers_figure,
    attention_figure,
    distances_figure,
    knockout_figure,
    statistics_figure,
    steps_figure,
    tokens_figure,
)
from albert_np.course.figures.layer import flow_figure, layer_figure
from albert_np.course.figures.layer_norm import layer_norm_diagram, normalised_figure, sphere_figure
from albert_np.course.figures.linear_gelu import dense_figure, gated_figure, gelu_figure, outer_products_figure
from albert_np.course.figures.masks import lengths_figure, masked_figure, pairs_figure
from albert_np.course.figures.one_head import backward_figure, bias_figure, head_figure, scale_figure, weights_figure
from albert_np.course.figures.optimizers import moments_figure, schedule_figure, trust_ratio_figure
from albert_np.course.figures.pretraining import (
    difference_figure,
    loop_figure,
    one_batch_figure,
    plateau_figure,
    runs_figure,
)
from albert_np.course.figures.sharing import (
    contributions_figure,
    groups_figure,
    savings_figure,
    shared_walk_figure,
)
from albert_np.course.figures.softmax import (
    loss_gradient_figure,
    simplex_figure,
    softmax_jacobian,
    softmax_jacobian_figure,
    softmax_scale_figure,
    two_ways_figure,
)
from albert_np.course.figures.speed import error_figure, roofline_figure
from albert_np.course.figures.tokens import lattice_figure, pair_figure, segmentations_figure, sizes_figure
from albert_np.course.figures.tying import (
    arriving_figure,
    row_lengths_figure,
    tied_figure,
    two_paths_figure,
)
from albert_np.course.figures.walk import walk_figure
from albert_np.course.figures.world import looks_figure, needs_figure

__all__ = [
    "ablation_figure",
    "answers_figure",
    "arriving_figure",
    "attention_figure",
    "backward_figure",
    "bias_figure",
    "block_figure",
    "broadcast_figure",
    "contributions_figure",
    "cross_task_figure",
    "dense_figure",
    "difference_figure",
    "distances_figure",
    "embeddings_diagram",
    "error_figure",
    "flow_figure",
    "gated_figure",
    "gelu_figure",
    "groups_figure",
    "head_figure",
    "heads_figure",
    "key_gradients_figure",
    "knockout_figure",
    "lattice_figure",
    "layer_figure",
    "layer_norm_diagram",
    "lengths_figure",
    "looks_figure",
    "loop_figure",
    "loss_gradient_figure",
    "lost_rows_figure",
    "masked_figure",
    "moments_figure",
    "needs_figure",
    "normalised_figure",
    "one_batch_figure",
    "outer_products_figure",
    "pair_figure",
    "pairs_figure",
    "plateau_figure",
    "rates_figure",
    "roofline_figure",
    "row_lengths_figure",
    "runs_figure",
    "savings_figure",
    "scale_figure",
    "scatter_figure",
    "schedule_figure",
    "segmentations_figure",
    "shared_walk_figure",
    "simplex_figure",
    "sizes_figure",
    "softmax_jacobian",
    "softmax_jacobian_figure",
    "softmax_scale_figure",
    "sphere_figure",
    "split_figure",
    "statistics_figure",
    "step_figure",
    "steps_figure",
    "table_sizes_figure",
    "tied_figure",
    "tokens_figure",
    "trust_ratio_figure",
    "two_losses_figure",
    "two_paths_figure",
    "two_ways_figure",
    "unbroadcast_figure",
    "upstream_figure",
    "walk_figure",
    "weights_figure",
]

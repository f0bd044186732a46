// LayerNorm over rows of `width` numbers: `layer_norm_forward` and `layer_norm_backward` of ops.py, and with them the sum
// that a layer takes it of, x + (branch + branch_bias).

__device__ REAL term(const REAL* x, const REAL* branch, const REAL* branch_bias, int c) {
    return branch ? x[c] + (branch[c] + branch_bias[c]) : x[c];
}

// One warp a row. branch and its bias are 0 where x is all there is.
extern "C" __global__ void layer_norm_forward(const REAL* x, const REAL* branch, const REAL* branch_bias,
                                              const REAL* weight, const REAL* bias, double eps, REAL* y, REAL* x_hat,
                                              REAL* rstd, Index rows, int width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += row * width;
    if (branch) branch += row * width;
    double sum = 0;  // a mean far from 0 all but cancels
    for (int c = lane; c < width; c += WARP) sum += term(x, branch, branch_bias, c);
    double mean = warp_sum(sum) / width;
    REAL squares = 0;
    for (int c = lane; c < width; c += WARP) {
        REAL centered = (REAL)(term(x, branch, branch_bias, c) - mean);
        squares += centered * centered;
    }
    REAL scale = 1 / sqrt(warp_sum(squares) / width + (REAL)eps);
    if (lane == 0) rstd[row] = scale;
    y += row * width;
    x_hat += row * width;
    for (int c = lane; c < width; c += WARP) {
        REAL normed = (REAL)(term(x, branch, branch_bias, c) - mean) * scale;
        x_hat[c] = normed;
        y[c] = weight[c] * normed + bias[c];
    }
}

#define FAN 16  // blocks to a group, and groups to a grid

__device__ unsigned int norm_arrivals[FAN + 1];

// Where the sums over all rows go, a row of `width` each; the last one is 0 where nobody wants it.
struct Targets {
    REAL *dweight, *dbias, *dbranch_bias;
};

// Adds up sums (sets, width) of all blocks, at most FAN² of them: first within each group, then over the groups.
// partial has a row for each block and each group. What comes out is added to the targets, or takes their place.
__device__ void sum_over_blocks(const REAL* sums, int sets, int width, REAL* partial, Targets targets, int adds) {
    int columns = sets * width;
    int blocks = gridDim.x, group = blockIdx.x / FAN, groups = (blocks + FAN - 1) / FAN;
    int first = group * FAN, members = blocks - first < FAN ? blocks - first : FAN;
    for (int c = threadIdx.x; c < width; c += blockDim.x)  // each thread what it summed itself
        for (int i = c; i < columns; i += width) partial[(Index)blockIdx.x * columns + i] = sums[i];
    if (!is_last(&norm_arrivals[group], members)) return;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        REAL sum = 0;
        for (int b = first; b < first + members; b++) sum += __ldcg(&partial[(Index)b * columns + c]);
        partial[(Index)(blocks + group) * columns + c] = sum;
    }
    if (!is_last(&norm_arrivals[FAN], groups)) return;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        REAL sum = 0;
        for (int b = blocks; b < blocks + groups; b++) sum += __ldcg(&partial[(Index)b * columns + c]);
        REAL* row = c < width ? targets.dweight : c < 2 * width ? targets.dbias : targets.dbranch_bias;
        row[c % width] = adds ? row[c % width] + sum : sum;
    }
}

// dx, dweight and dbias in one pass, and the sum of dx, which is the gradient of a branch's bias: each block takes every
// gridDim.x-th row, and column c of what it sums belongs to thread c % blockDim.x.
extern "C" __global__ void layer_norm_backward(const REAL* dy, const REAL* x_hat, const REAL* rstd, const REAL* weight,
                                               REAL* dx, REAL* partial, REAL* dweight, REAL* dbias, REAL* dbranch_bias,
                                               int adds, Index rows, int width) {
    dynamic_shared(REAL, sums);  // (sets, width)
    int sets = dbranch_bias ? 3 : 2;
    for (int c = threadIdx.x; c < width; c += blockDim.x)
        for (int i = c; i < sets * width; i += width) sums[i] = 0;
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        Index start = row * width;
        REAL sum = 0, product = 0;
        for (int c = threadIdx.x; c < width; c += blockDim.x) {
            REAL g = dy[start + c], normed = x_hat[start + c], dx_hat = g * weight[c];
            sum += dx_hat;
            product += dx_hat * normed;
            sums[c] += g * normed;
            sums[width + c] += g;
        }
        Pair totals = block_sum(sum, product);
        REAL mean = (REAL)(totals.first / width), projection = (REAL)(totals.second / width);
        for (int c = threadIdx.x; c < width; c += blockDim.x) {
            REAL slope = rstd[row] * (dy[start + c] * weight[c] - mean - x_hat[start + c] * projection);
            dx[start + c] = slope;
            if (dbranch_bias) sums[2 * width + c] += slope;
        }
    }
    sum_over_blocks(sums, sets, width, partial, {dweight, dbias, dbranch_bias}, adds);
}

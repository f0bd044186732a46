// LayerNorm over rows of `width` numbers: `layer_norm_forward` and `layer_norm_backward` of ops.py.

// One warp a row.
extern "C" __global__ void layer_norm_forward(const REAL* x, const REAL* weight, const REAL* bias, double eps, REAL* y,
                                              REAL* x_hat, REAL* rstd, Index rows, int width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += row * width;
    double sum = 0;  // a mean far from 0 all but cancels
    for (int c = lane; c < width; c += WARP) sum += x[c];
    double mean = warp_sum(sum) / width;
    REAL squares = 0;
    for (int c = lane; c < width; c += WARP) {
        REAL centered = (REAL)(x[c] - mean);
        squares += centered * centered;
    }
    REAL scale = 1 / sqrt(warp_sum(squares) / width + (REAL)eps);
    if (lane == 0) rstd[row] = scale;
    y += row * width;
    x_hat += row * width;
    for (int c = lane; c < width; c += WARP) {
        REAL normed = (REAL)(x[c] - mean) * scale;
        x_hat[c] = normed;
        y[c] = weight[c] * normed + bias[c];
    }
}

#define FAN 16  // blocks to a group, and groups to a grid

__device__ unsigned int norm_arrivals[FAN + 1];

// Adds up sums (2, width) of all blocks, at most FAN² of them: first within each group, then over the groups. partial has
// a row for each block and each group. What comes out is added to both rows of the target, or takes their place.
__device__ void sum_over_blocks(const REAL* sums, int width, REAL* partial, REAL* first_row, REAL* second_row,
                                int adds) {
    int columns = 2 * width;
    int blocks = gridDim.x, group = blockIdx.x / FAN, groups = (blocks + FAN - 1) / FAN;
    int first = group * FAN, members = blocks - first < FAN ? blocks - first : FAN;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) partial[(Index)blockIdx.x * columns + c] = sums[c];
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
        REAL* target = c < width ? &first_row[c] : &second_row[c - width];
        *target = adds ? *target + sum : sum;
    }
}

// dx, dweight and dbias in one pass: each block takes every gridDim.x-th row, and column c of what it sums belongs to
// thread c % blockDim.x.
extern "C" __global__ void layer_norm_backward(const REAL* dy, const REAL* x_hat, const REAL* rstd, const REAL* weight,
                                               REAL* dx, REAL* partial, REAL* dweight, REAL* dbias, int adds,
                                               Index rows, int width) {
    dynamic_shared(REAL, sums);  // (2, width)
    for (int c = threadIdx.x; c < width; c += blockDim.x) sums[c] = sums[width + c] = 0;
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
        for (int c = threadIdx.x; c < width; c += blockDim.x)
            dx[start + c] = rstd[row] * (dy[start + c] * weight[c] - mean - x_hat[start + c] * projection);
    }
    sum_over_blocks(sums, width, partial, dweight, dbias, adds);
}

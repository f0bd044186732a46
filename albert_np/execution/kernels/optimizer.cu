// AdamW and LAMB over the whole arena: equations 1 to 7 of training/optimizers.py, and the norm for clipping.
//
// The arena is cut into chunks, none with numbers of two tensors; a block takes one. Tables say where each chunk starts
// and ends, whose it is, which chunks a tensor has, and whether it is adapted: decayed, and given a trust ratio.

__device__ unsigned int norm_blocks_arrived;

// total = sum of x², in double.
extern "C" __global__ void sum_of_squares(const REAL* x, double* partial, double* total, Index size) {
    double sum = 0;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += (Index)gridDim.x * blockDim.x)
        sum += (double)x[i] * x[i];
    Pair sums = block_sum(sum, 0);
    if (threadIdx.x == 0) partial[blockIdx.x] = sums.first;
    if (!is_last(&norm_blocks_arrived, gridDim.x)) return;
    sum = 0;
    for (int b = threadIdx.x; b < gridDim.x; b += blockDim.x) sum += __ldcg(&partial[b]);
    sums = block_sum(sum, 0);
    if (threadIdx.x == 0) *total = sums.first;
}

// x becomes as long as max_norm where it is longer, but not endless, by the sum of its squares; its norm goes to `norm`.
extern "C" __global__ void shorten(REAL* x, const double* squares, double max_norm, double* norm, Index size) {
    double length = sqrt(*squares);
    if (blockIdx.x == 0 && threadIdx.x == 0) *norm = length;
    if (!(length > max_norm && isfinite(length))) return;
    REAL factor = (REAL)(max_norm / length);
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) x[i] *= factor;
}

// u, equations 3 to 5, from moments that are up to date.
__device__ REAL direction(REAL w, REAL m, REAL v, double correction1, double correction2, double epsilon,
                          double decay) {
    REAL r = m / (REAL)correction1 / (sqrt(v / (REAL)correction2) + (REAL)epsilon);
    return r + (REAL)decay * w;
}

// Equations 1 and 2 for one number.
__device__ void update_moments(REAL g, REAL* m, REAL* v, double beta1, double beta2) {
    *m = *m * (REAL)beta1 + g * (REAL)(1 - beta1);
    *v = *v * (REAL)beta2 + g * g * (REAL)(1 - beta2);
}

// AdamW: equations 1 to 5 and 7, φ = 1.
extern "C" __global__ void adamw(REAL* w, const REAL* g, REAL* m, REAL* v, const Index* chunks, const int* owners,
                                 const int* adapted, double beta1, double beta2, double correction1,
                                 double correction2, double epsilon, double weight_decay, double learning_rate) {
    double decay = adapted[owners[blockIdx.x]] ? weight_decay : 0.0;
    Index end = chunks[2 * blockIdx.x + 1];
    for (Index i = chunks[2 * blockIdx.x] + threadIdx.x; i < end; i += blockDim.x) {
        update_moments(g[i], &m[i], &v[i], beta1, beta2);
        w[i] -= (REAL)learning_rate * direction(w[i], m[i], v[i], correction1, correction2, epsilon, decay);
    }
}

// LAMB, first half: equations 1 to 5, and the sums of w² and u² of each chunk in norms (chunks, 2). u is not kept: the
// second half computes it again from the moments, which is as much to read.
extern "C" __global__ void lamb_moments(const REAL* w, const REAL* g, REAL* m, REAL* v, const Index* chunks,
                                        const int* owners, const int* adapted, double* norms, double beta1,
                                        double beta2, double correction1, double correction2, double epsilon,
                                        double weight_decay) {
    double decay = adapted[owners[blockIdx.x]] ? weight_decay : 0.0;
    Index end = chunks[2 * blockIdx.x + 1];
    double w_squares = 0, u_squares = 0;
    for (Index i = chunks[2 * blockIdx.x] + threadIdx.x; i < end; i += blockDim.x) {
        update_moments(g[i], &m[i], &v[i], beta1, beta2);
        double u = direction(w[i], m[i], v[i], correction1, correction2, epsilon, decay);
        w_squares += (double)w[i] * w[i];
        u_squares += u * u;
    }
    Pair sums = block_sum(w_squares, u_squares);
    if (threadIdx.x == 0) {
        norms[2 * blockIdx.x] = sums.first;
        norms[2 * blockIdx.x + 1] = sums.second;
    }
}

// LAMB, second half: equations 6 and 7. Each block adds up its tensor's norms, in the same order; firsts says with
// which chunk each tensor begins.
extern "C" __global__ void lamb_weights(REAL* w, const REAL* m, const REAL* v, const Index* chunks, const int* owners,
                                        const int* adapted, const int* firsts, const double* norms, double* ratios,
                                        double correction1, double correction2, double epsilon, double weight_decay,
                                        double learning_rate) {
    int tensor = owners[blockIdx.x];
    double w_squares = 0, u_squares = 0;
    for (int c = firsts[tensor] + threadIdx.x; c < firsts[tensor + 1]; c += blockDim.x) {
        w_squares += norms[2 * c];
        u_squares += norms[2 * c + 1];
    }
    Pair sums = block_sum(w_squares, u_squares);
    double w_norm = sqrt(sums.first), u_norm = sqrt(sums.second);
    double ratio = adapted[tensor] && w_norm > 0 && u_norm > 0 ? w_norm / u_norm : 1.0;
    if (blockIdx.x == firsts[tensor] && threadIdx.x == 0) ratios[tensor] = ratio;
    double decay = adapted[tensor] ? weight_decay : 0.0;
    Index end = chunks[2 * blockIdx.x + 1];
    for (Index i = chunks[2 * blockIdx.x] + threadIdx.x; i < end; i += blockDim.x)
        w[i] -= (REAL)(learning_rate * ratio) *
                direction(w[i], m[i], v[i], correction1, correction2, epsilon, decay);
}

// Rows of `parts` times N heads of D numbers cut into heads, and heads put together again: `heads_forward` and
// `heads_backward` of layers.py. Where padding is skipped, rows are those of the real tokens, and heads have room for all
// B T places, so that sequences of all lengths attend in one go.

// Where in heads (parts, B, N, T, D) the number in column c of the row of token t of sequence b is.
__device__ Index head_place(int c, Index b, Index t, Index B, int N, Index T, int D) {
    int part = c / (N * D), n = c / D % N;
    return (((part * B + b) * N + n) * T + t) * D + c % D;
}

// One block a place. row_of, where it is given, says which row of x it has; below 0 it is padding and becomes 0. A bias
// (width), if there is one, is added.
extern "C" __global__ void split_heads(const REAL* x, const REAL* bias, const Index* row_of, REAL* heads, Index B,
                                       int N, Index T, int D, int width) {
    Index row = row_of ? row_of[blockIdx.x] : blockIdx.x, b = blockIdx.x / T, t = blockIdx.x % T;
    for (int c = threadIdx.x; c < width; c += blockDim.x) {
        REAL number = 0;
        if (row >= 0) number = bias ? x[row * width + c] + bias[c] : x[row * width + c];
        heads[head_place(c, b, t, B, N, T, D)] = number;
    }
}

// One block a row. places, where it is given, says at which of B T places its token is.
extern "C" __global__ void merge_heads(const REAL* heads, const Index* places, REAL* x, Index B, int N, Index T, int D,
                                       int width) {
    Index row = blockIdx.x, place = places ? places[row] : row, b = place / T, t = place % T;
    for (int c = threadIdx.x; c < width; c += blockDim.x)
        x[row * width + c] = heads[head_place(c, b, t, B, N, T, D)];
}

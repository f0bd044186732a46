// Rows of `parts` times N heads of D numbers cut into heads, and heads put together again: `heads_forward` and
// `heads_backward` of layers.py. Where padding is skipped, rows are those of the real tokens, and heads have room for T of
// each of the B sequences, as many as the longest has, so that sequences of all lengths attend in one go.

// Which row token t of sequence b has, below 0 where it has no such token; `sequences` is 0 where none is left out.
__device__ Index row_of(const Sequence* sequences, Index b, Index t, Index T) {
    if (!sequences) return b * T + t;
    return t < sequences[b].length ? sequences[b].first + t : -1;
}

// Where in heads (parts, B, N, T, D) the number in column c of the row of token t of sequence b is.
__device__ Index head_place(int c, Index b, Index t, Index B, int N, Index T, int D) {
    int part = c / (N * D), n = c / D % N;
    return (((part * B + b) * N + n) * T + t) * D + c % D;
}

// One block a place. Where there is no token, heads become 0. A bias (width), if there is one, is added.
extern "C" __global__ void split_heads(const REAL* x, const REAL* bias, const Sequence* sequences, REAL* heads, Index B,
                                       int N, Index T, int D, int width) {
    Index b = blockIdx.x / T, t = blockIdx.x % T, row = row_of(sequences, b, t, T);
    for (int c = threadIdx.x; c < width; c += blockDim.x) {
        REAL number = 0;
        if (row >= 0) number = bias ? x[row * width + c] + bias[c] : x[row * width + c];
        heads[head_place(c, b, t, B, N, T, D)] = number;
    }
}

// One block a place.
extern "C" __global__ void merge_heads(const REAL* heads, const Sequence* sequences, REAL* x, Index B, int N, Index T,
                                       int D, int width) {
    Index b = blockIdx.x / T, t = blockIdx.x % T, row = row_of(sequences, b, t, T);
    if (row < 0) return;
    for (int c = threadIdx.x; c < width; c += blockDim.x)
        x[row * width + c] = heads[head_place(c, b, t, B, N, T, D)];
}

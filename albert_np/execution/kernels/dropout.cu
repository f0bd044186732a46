// y = x kept / (1 - prob), and back: `dropout_forward` and `dropout_backward` of ops.py, the mask by `keep_mask`.

// Two numbers from each hash of splitmix64, its lower half first; below the limit means dropped.
__device__ bool is_kept(Index i, Index seed, Index limit) {
    unsigned long long z = (unsigned long long)seed + (unsigned long long)(i / 2 + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return (Index)(i % 2 ? z >> 32 : z & 0xffffffffull) >= limit;
}

extern "C" __global__ void dropout_forward(const REAL* x, Index seed, Index limit, double scale, bool* kept, REAL* y,
                                           Index size) {
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
        kept[i] = is_kept(i, seed, limit);
        y[i] = x[i] * (REAL)kept[i] * (REAL)scale;
    }
}

// The same of probabilities (B, N, T, T) where padding is skipped: the mask is drawn for one run of sequences of t tokens
// after the other, (sequences, N, t, t), by a seed for each, seeds (B). Nothing is kept in padding. One warp a row.
extern "C" __global__ void dropout_in_runs(const REAL* x, const Sequence* sequences, const Index* seeds, Index limit,
                                           double scale, bool* kept, REAL* y, Index N, Index T, Index rows) {
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    Index b = row / (N * T), head = row / T % N, query = row % T, length = sequences[b].length;
    Index begin = ((sequences[b].number * N + head) * length + query) * length;  // of this row in the mask
    Index real = query < length ? length : 0;
    for (Index c = threadIdx.x % WARP; c < T; c += WARP) {
        kept[row * T + c] = c < real && is_kept(begin + c, seeds[b], limit);
        y[row * T + c] = c < real ? x[row * T + c] * (REAL)kept[row * T + c] * (REAL)scale : (REAL)0;
    }
}

extern "C" __global__ void dropout_backward(const REAL* dy, const bool* kept, double scale, REAL* dx, Index size) {
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step)
        dx[i] = dy[i] * (REAL)kept[i] * (REAL)scale;
}

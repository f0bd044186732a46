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

extern "C" __global__ void dropout_backward(const REAL* dy, const bool* kept, double scale, REAL* dx, Index size) {
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step)
        dx[i] = dy[i] * (REAL)kept[i] * (REAL)scale;
}

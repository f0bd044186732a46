// What the kernels share: sums over a warp and a block of threads, and over all blocks of a grid, in an order that does
// not depend on which thread or block comes first. REAL is float or double, said when they are compiled.

#ifndef dynamic_shared
#define dynamic_shared(type, name) extern __shared__ type name[]
#endif

typedef long long Index;

// Of a sequence of real tokens, where padding is skipped: its first row, its length, and which it is of its run.
struct Sequence {
    Index first, length, number;
};

#define WARP 32
#define ALL_LANES 0xffffffffu

template <typename T>
__device__ T warp_sum(T x) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL_LANES, x, distance);
    return x;
}

__device__ REAL warp_max(REAL x) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        REAL other = __shfl_xor_sync(ALL_LANES, x, distance);
        x = other > x ? other : x;
    }
    return x;
}

struct Pair {
    double first, second;
};

// Sums over a block of at most 1024 threads, a multiple of 32; every thread receives them.
__device__ Pair block_sum(double first, double second) {
    __shared__ double firsts[WARP], seconds[WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    first = warp_sum(first);
    second = warp_sum(second);
    if (lane == 0) {
        firsts[warp] = first;
        seconds[warp] = second;
    }
    __syncthreads();
    Pair sums = {warp_sum(lane < warps ? firsts[lane] : 0.0), warp_sum(lane < warps ? seconds[lane] : 0.0)};
    __syncthreads();  // the next sum writes where others may still read
    return sums;
}

// The largest x of a block; every thread receives it. For one call in a kernel: a second would write where others read.
__device__ REAL block_max(REAL x) {
    __shared__ REAL largest[WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    x = warp_max(x);
    if (lane == 0) largest[warp] = x;
    __syncthreads();
    return warp_max(largest[lane < warps ? lane : 0]);
}

// Whether this block is the last of `expected` to come here; what the others wrote before can then be read by __ldcg.
// The counter is 0 before and after.
__device__ bool is_last(unsigned int* counter, unsigned int expected) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(counter, expected - 1) == expected - 1;
    __syncthreads();
    __threadfence();
    return last;
}

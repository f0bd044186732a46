// softmax(scale x + mask) over rows, and back: `softmax_forward`, `softmax_backward` and their place in attention.

// How many of its numbers a row of scores (B, N, T, T) has for tokens, none if it is itself padding that is skipped;
// without `sequences` all.
__device__ Index real_numbers(const Sequence* sequences, Index row, Index N, Index T, Index width) {
    if (!sequences) return width;
    Index length = sequences[row / (N * T)].length;
    return row % T < length ? length : 0;
}

// One warp a row of `width` numbers; x may be probs. The mask (B, N, T, S), none if it is 0, is read through its steps,
// which are 0 along axes that it is broadcast over. Nothing attends to padding, and its own rows become 0.
extern "C" __global__ void softmax_forward(const REAL* x, double scale, const REAL* mask, const Sequence* sequences,
                                           Index N, Index T, Index batch_step, Index head_step, Index row_step,
                                           Index column_step, REAL* probs, Index rows, Index width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += row * width;
    probs += row * width;
    if (mask) mask += row / (N * T) * batch_step + row / T % N * head_step + row % T * row_step;
    Index real = real_numbers(sequences, row, N, T, width);
    auto score = [&](Index c) { return (REAL)scale * x[c] + (mask ? mask[c * column_step] : (REAL)0); };
    REAL largest = score(0);
    for (Index c = lane; c < real; c += WARP) largest = score(c) > largest ? score(c) : largest;
    largest = warp_max(largest);
    REAL sum = 0;
    for (Index c = lane; c < real; c += WARP) {
        probs[c] = exp(score(c) - largest);
        sum += probs[c];
    }
    sum = warp_sum(sum);
    for (Index c = lane; c < width; c += WARP) probs[c] = c < real ? probs[c] / sum : (REAL)0;
}

// dx = scale probs (dprobs - sum(dprobs probs)); dx may be dprobs.
extern "C" __global__ void softmax_backward(const REAL* dprobs, const REAL* probs, double scale,
                                            const Sequence* sequences, Index N, Index T, REAL* dx, Index rows,
                                            Index width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    Index start = row * width, real = real_numbers(sequences, row, N, T, width);
    double sum = 0;  // which dprobs may all but cancel
    for (Index c = lane; c < real; c += WARP) sum += (double)dprobs[start + c] * probs[start + c];
    sum = warp_sum(sum);
    for (Index c = lane; c < width; c += WARP)
        dx[start + c] =
            c < real ? (REAL)scale * (probs[start + c] * (REAL)(dprobs[start + c] - sum)) : (REAL)0;
}

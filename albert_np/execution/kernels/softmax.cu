// softmax(scale x + mask) over rows, and back: `softmax_forward`, `softmax_backward` and their place in attention.

// One warp a row of `width` numbers; x may be probs. The mask (B, N, T, S), none if it is 0, is read through its steps,
// which are 0 along axes that it is broadcast over.
extern "C" __global__ void softmax_forward(const REAL* x, double scale, const REAL* mask, Index N, Index T,
                                           Index batch_step, Index head_step, Index row_step, Index column_step,
                                           REAL* probs, Index rows, Index width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += row * width;
    probs += row * width;
    if (mask) mask += row / (N * T) * batch_step + row / T % N * head_step + row % T * row_step;
    REAL largest = (REAL)scale * x[0] + (mask ? mask[0] : (REAL)0);
    for (Index c = lane; c < width; c += WARP) {
        REAL score = (REAL)scale * x[c] + (mask ? mask[c * column_step] : (REAL)0);
        largest = score > largest ? score : largest;
    }
    largest = warp_max(largest);
    REAL sum = 0;
    for (Index c = lane; c < width; c += WARP) {
        REAL score = (REAL)scale * x[c] + (mask ? mask[c * column_step] : (REAL)0);
        REAL weight = exp(score - largest);
        probs[c] = weight;
        sum += weight;
    }
    sum = warp_sum(sum);
    for (Index c = lane; c < width; c += WARP) probs[c] /= sum;
}

// dx = scale probs (dprobs - sum(dprobs probs)); dx may be dprobs.
extern "C" __global__ void softmax_backward(const REAL* dprobs, const REAL* probs, double scale, REAL* dx, Index rows,
                                            Index width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    Index start = row * width;
    double sum = 0;  // which dprobs may all but cancel
    for (Index c = lane; c < width; c += WARP) sum += (double)dprobs[start + c] * probs[start + c];
    sum = warp_sum(sum);
    for (Index c = lane; c < width; c += WARP)
        dx[start + c] = (REAL)scale * (probs[start + c] * (REAL)(dprobs[start + c] - sum));
}

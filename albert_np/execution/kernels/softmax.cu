// softmax(scale x + mask) over rows, and back: `softmax_forward`, `softmax_backward` and their place in attention.

// One warp a row of `width` numbers; x may be probs. The mask (B, N, T, S), none if it is 0, is read through its steps,
// which are 0 along axes that it is broadcast over. Where `row_of` is given, a number for each of B T places, those below
// 0 are padding: nothing attends to it, and its own rows become 0.
extern "C" __global__ void softmax_forward(const REAL* x, double scale, const REAL* mask, const Index* row_of, Index N,
                                           Index T, Index batch_step, Index head_step, Index row_step,
                                           Index column_step, REAL* probs, Index rows, Index width) {
    int lane = threadIdx.x % WARP;
    Index row = (Index)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    Index sequence = row / (N * T), query = row % T;
    x += row * width;
    probs += row * width;
    if (mask) mask += sequence * batch_step + row / T % N * head_step + query * row_step;
    if (row_of) row_of += sequence * T;
    bool is_padding = row_of && row_of[query] < 0;
    auto score = [&](Index c) { return (REAL)scale * x[c] + (mask ? mask[c * column_step] : (REAL)0); };
    auto is_read = [&](Index c) { return !is_padding && (!row_of || row_of[c] >= 0); };
    REAL largest = score(row_of ? query : 0);
    for (Index c = lane; c < width; c += WARP)
        if (is_read(c) && score(c) > largest) largest = score(c);
    largest = warp_max(largest);
    REAL sum = 0;
    for (Index c = lane; c < width; c += WARP) {
        REAL weight = is_read(c) ? exp(score(c) - largest) : (REAL)0;
        probs[c] = weight;
        sum += weight;
    }
    sum = warp_sum(sum);
    if (is_padding) return;
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

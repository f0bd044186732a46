// Softmax, its logarithm at the label, and the mean over rows: `cross_entropy_forward`, `cross_entropy_backward`.

__device__ unsigned int cross_entropy_arrivals;

// One block a row. denominator 0 stands for the number of counted rows, at least 1; what it was goes to `divided_by`.
extern "C" __global__ void cross_entropy_forward(const REAL* logits, const Index* labels, Index ignore_index,
                                                 double denominator, REAL* probs, Index* safe_labels, bool* counted,
                                                 double* row_losses, REAL* loss, REAL* divided_by, Index width) {
    Index row = blockIdx.x, rows = gridDim.x;
    logits += row * width;
    probs += row * width;
    REAL largest = logits[0];
    for (Index c = threadIdx.x; c < width; c += blockDim.x) largest = logits[c] > largest ? logits[c] : largest;
    largest = block_max(largest);
    REAL part = 0;
    for (Index c = threadIdx.x; c < width; c += blockDim.x) {
        probs[c] = exp(logits[c] - largest);
        part += probs[c];
    }
    REAL sum = (REAL)block_sum(part, 0).first;
    for (Index c = threadIdx.x; c < width; c += blockDim.x) probs[c] /= sum;
    if (threadIdx.x == 0) {
        bool counts = labels[row] != ignore_index;
        Index label = counts ? labels[row] : 0;
        counted[row] = counts;
        safe_labels[row] = label;
        row_losses[row] = counts ? (double)(log(sum) - (logits[label] - largest)) : 0.0;
    }
    if (!is_last(&cross_entropy_arrivals, rows)) return;
    double loss_part = 0, count_part = 0;
    for (Index r = threadIdx.x; r < rows; r += blockDim.x) {
        loss_part += __ldcg(&row_losses[r]);
        count_part += labels[r] != ignore_index;
    }
    Pair totals = block_sum(loss_part, count_part);
    if (threadIdx.x == 0) {
        if (denominator == 0) denominator = totals.second > 1 ? totals.second : 1;
        *divided_by = (REAL)denominator;
        *loss = (REAL)(totals.first / denominator);
    }
}

// dlogits = factor (probs - onehot(label)) in counted rows, 0 elsewhere; where `factors` is given, its number counts too.
extern "C" __global__ void cross_entropy_backward(const REAL* probs, const Index* labels, const bool* counted,
                                                  double factor, const REAL* factors, REAL* dlogits, Index width) {
    Index row = blockIdx.x;
    REAL scale = counted[row] ? (REAL)(factors ? factor * *factors : factor) : (REAL)0;
    for (Index c = threadIdx.x; c < width; c += blockDim.x)
        dlogits[row * width + c] = (probs[row * width + c] - (c == labels[row] ? 1 : 0)) * scale;
}

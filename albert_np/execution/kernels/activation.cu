// y = act(x) and dx = dy act'(x), number by number: `activation_forward` and `activation_backward` of ops.py.

#define ROOT_HALF 0.70710678118654752440    // 1 / sqrt(2)
#define DENSITY_AT_0 0.39894228040143267794  // 1 / sqrt(2 pi)
#define GELU_SCALE 0.79788456080286535588    // sqrt(2 / pi)
#define GELU_CUBIC 0.044715
#define QUICK 1.702

__device__ REAL sigmoid(REAL x) { return (REAL)0.5 * (1 + tanh((REAL)0.5 * x)); }

// erfc keeps the digits that 1 + erf loses where x is far below 0
__device__ REAL normal_cdf(REAL x) { return (REAL)0.5 * erfc(-x * (REAL)ROOT_HALF); }

__device__ REAL gelu_value(REAL x) { return x * normal_cdf(x); }

__device__ REAL gelu_slope(REAL x) {
    return normal_cdf(x) + x * ((REAL)DENSITY_AT_0 * exp((REAL)-0.5 * x * x));
}

__device__ REAL gelu_tanh(REAL x) { return tanh((REAL)GELU_SCALE * x * (1 + (REAL)GELU_CUBIC * x * x)); }

__device__ REAL gelu_new_value(REAL x) { return (REAL)0.5 * x * (1 + gelu_tanh(x)); }

__device__ REAL gelu_new_slope(REAL x) {
    REAL t = gelu_tanh(x);
    REAL inner_slope = (REAL)GELU_SCALE * (1 + (REAL)(3 * GELU_CUBIC) * x * x);
    return (REAL)0.5 * (1 + t) + (REAL)0.5 * x * (1 - t * t) * inner_slope;
}

__device__ REAL relu_value(REAL x) { return x < 0 ? (REAL)0 : x; }

__device__ REAL relu_slope(REAL x) { return x > 0 ? (REAL)1 : (REAL)0; }

__device__ REAL silu_value(REAL x) { return x * sigmoid(x); }

__device__ REAL silu_slope(REAL x) {
    REAL s = sigmoid(x);
    return s + x * s * (1 - s);
}

__device__ REAL quick_gelu_value(REAL x) { return x * sigmoid((REAL)QUICK * x); }

__device__ REAL quick_gelu_slope(REAL x) {
    REAL s = sigmoid((REAL)QUICK * x);
    return s + (REAL)QUICK * x * s * (1 - s);
}

__device__ REAL tanh_value(REAL x) { return tanh(x); }

__device__ REAL tanh_slope(REAL x) {
    REAL y = tanh(x);
    return 1 - y * y;
}

// Forward adds a bias (width) to the rows of x first, if there is one, and x keeps it.
#define ACTIVATION(name)                                                                                   \
    extern "C" __global__ void name##_forward(REAL* x, const REAL* bias, REAL* y, Index size, Index width) { \
        Index step = (Index)gridDim.x * blockDim.x, first = (Index)blockIdx.x * blockDim.x + threadIdx.x;  \
        Index column = first % width, columns = step % width;                                              \
        for (Index i = first; i < size; i += step) {                                                       \
            if (bias) x[i] += bias[column];                                                                \
            y[i] = name##_value(x[i]);                                                                     \
            column += columns;                                                                             \
            if (column >= width) column -= width;                                                          \
        }                                                                                                  \
    }                                                                                                      \
    extern "C" __global__ void name##_backward(const REAL* dy, const REAL* x, REAL* dx, Index size) {      \
        Index step = (Index)gridDim.x * blockDim.x;                                                        \
        for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step)                  \
            dx[i] = dy[i] * name##_slope(x[i]);                                                            \
    }

ACTIVATION(gelu)
ACTIVATION(gelu_new)
ACTIVATION(quick_gelu)
ACTIVATION(relu)
ACTIVATION(silu)
ACTIVATION(tanh)

// The bits of the nearest bfloat16 numbers, of two the even one: `narrowed` of precision.py.

extern "C" __global__ void narrow(const float* x, unsigned short* y, Index size) {
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
        unsigned int bits = __float_as_uint(x[i]), upper = bits >> 16;
        bool is_nan = x[i] != x[i];  // adding could carry it over into a number, cutting make it an infinity
        y[i] = (unsigned short)(is_nan ? upper | 0x40 : (bits + 0x7fff + (upper & 1)) >> 16);
    }
}

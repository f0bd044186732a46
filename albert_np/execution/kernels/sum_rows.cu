// The sum of (rows, width) over its rows: `_sum_rows` of ops.py, by which biases get their gradients.

#define TILES 1024  // of columns, where the rows are cut into slices

__device__ unsigned int tile_arrivals[TILES];

// A block of 8 warps sums WARP columns over one slice of the rows; the last slice of these columns adds up all slices. The sum is
// added to y, or takes its place.
extern "C" __global__ void sum_rows(const REAL* x, REAL* partial, REAL* y, int adds, Index rows,
                                    Index width) {
    __shared__ REAL parts[8][WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    Index column = (Index)blockIdx.x * WARP + lane;
    Index slice = (rows + gridDim.y - 1) / gridDim.y, first = blockIdx.y * slice;
    Index end = first + slice < rows ? first + slice : rows;
    REAL sum = 0;
    if (column < width)
        for (Index row = first + warp; row < end; row += 8) sum += x[row * width + column];
    parts[warp][lane] = sum;
    __syncthreads();
    bool writes = warp == 0 && column < width;
    sum = 0;
    if (writes)
        for (int w = 0; w < 8; w++) sum += parts[w][lane];
    if (gridDim.y > 1) {
        if (writes) partial[blockIdx.y * width + column] = sum;
        if (!is_last(&tile_arrivals[blockIdx.x], gridDim.y)) return;
        sum = 0;
        if (writes)
            for (int s = 0; s < gridDim.y; s++) sum += __ldcg(&partial[s * width + column]);
    }
    if (writes) y[column] = adds ? y[column] + sum : sum;
}

// Rows (count, width) added to the rows of a table that their ids name: `scatter_add` of execution/scatter.py. Ids are
// sorted; order says which row each one had, starts where the run of its equals begins. Atomic additions would come in
// another order, and with other last digits, every time: here a run is cut into pieces, and one thread sums a piece, or
// the pieces of a run, in one column.

#define PIECE 64

extern "C" __global__ void sum_pieces(const Index* starts, const Index* order, const REAL* rows, REAL* pieces,
                                      Index count, Index width) {
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < count * width; i += step) {
        Index row = i / width, column = i % width, start = starts[row];
        if ((row - start) % PIECE) continue;
        REAL sum = 0;
        for (Index r = row; r < row + PIECE && r < count && starts[r] == start; r++)
            sum += rows[order[r] * width + column];
        pieces[i] = sum;
    }
}

extern "C" __global__ void add_pieces(const Index* starts, const Index* ids, const REAL* pieces, REAL* target,
                                      Index count, Index width) {
    Index step = (Index)gridDim.x * blockDim.x;
    for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < count * width; i += step) {
        Index row = i / width, column = i % width;
        if (starts[row] != row) continue;
        REAL sum = 0;
        for (Index r = row; r < count && starts[r] == row; r += PIECE) sum += pieces[r * width + column];
        target[ids[row] * width + column] += sum;
    }
}

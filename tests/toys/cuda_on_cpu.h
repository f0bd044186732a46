// CUDA's grid, blocks and threads, played on a CPU: a kernel's source, compiled after this header, is a C++ function.
//
// Each thread is a fiber that runs until it meets the others, at __syncthreads or a shuffle; then another one is drawn,
// from several blocks that are under way at once. So a missing barrier shows: memory that a block shares begins as NaN,
// and a thread may run ahead of, or behind, all others. What a GPU would hang or answer nonsense on is said: threads
// that wait at different places, an ended thread that others wait for, a write behind the shared memory.

#include <algorithm>
#include <csetjmp>
#include <cmath>
#include <cstring>
#include <string>
#include <ucontext.h>
#include <utility>
#include <vector>

using std::erfc;
using std::exp;
using std::isfinite;
using std::log;
using std::sqrt;
using std::tanh;

struct dim3 {
    unsigned x, y, z;
};

static dim3 gridDim, blockDim, blockIdx, threadIdx;

#define __global__
#define __device__ static
#define __shared__ static __attribute__((section("shared_memory")))
#define dynamic_shared(type, name) type* name = (type*)cpu::block->dynamic.data()

namespace cpu {

constexpr size_t STACK = 1 << 16;
constexpr int RESIDENT = 4;  // blocks under way at once
constexpr unsigned char UNWRITTEN = 0xff, GUARD = 0xa5;
constexpr size_t GUARDED = 64;

extern "C" char __start_shared_memory[] __attribute__((visibility("hidden"), weak));
extern "C" char __stop_shared_memory[] __attribute__((visibility("hidden"), weak));

enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, ENDED };

struct Thread {
    dim3 index;
    State state = READY;
    int line = 0;  // of the barrier where it waits
    bool started = false;
    jmp_buf place;
    ucontext_t entry;
    char* stack;
    char published[8];
};

struct Block {
    dim3 index;
    std::vector<Thread> threads;
    std::vector<char> dynamic, shared;  // the latter while another block runs
};

static Block* block;
static Thread* thread;
static jmp_buf scheduler;
static std::string error;
static unsigned long long random_state;
static void (*body)(void**);
static void** arguments;

static unsigned draw(size_t below) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((random_state >> 33) % below);
}

static size_t lane() { return (thread - block->threads.data()) % 32; }

static Thread* warp() { return thread - lane(); }

static void wait_at(State barrier, int line) {
    thread->state = barrier;
    thread->line = line;
    if (!_setjmp(thread->place)) _longjmp(scheduler, 1);
}

static void run_thread() {
    body(arguments);
    thread->state = ENDED;
    _longjmp(scheduler, 1);
}

static std::vector<char*> spare_stacks;

static char* spare_stack() {
    if (spare_stacks.empty()) return new char[STACK];
    char* stack = spare_stacks.back();
    spare_stacks.pop_back();
    return stack;
}

// Lets one thread of the block go on until it waits or ends.
static void step(Thread& next) {
    thread = &next;
    threadIdx = next.index;
    blockIdx = block->index;
    if (_setjmp(scheduler)) return;
    if (next.started) _longjmp(next.place, 1);
    next.started = true;
    next.stack = spare_stack();
    getcontext(&next.entry);
    next.entry.uc_stack.ss_sp = next.stack;
    next.entry.uc_stack.ss_size = STACK;
    makecontext(&next.entry, run_thread, 0);
    setcontext(&next.entry);
}

static bool released(Thread* first, size_t count, State barrier) {
    for (size_t i = 0; i < count; i++) {
        if (first[i].state != barrier) return false;
        if (first[i].line != first->line) {
            error = "threads wait at lines " + std::to_string(first->line) + " and " + std::to_string(first[i].line);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) first[i].state = READY;
    return true;
}

// Lets each thread of a warp that can go on do so, in an order drawn; false if none can.
static bool step_warp(size_t number) {
    Thread* first = &block->threads[32 * number];
    size_t count = std::min<size_t>(32, block->threads.size() - 32 * number);
    std::vector<Thread*> ready;
    for (size_t i = 0; i < count; i++)
        if (first[i].state == READY) ready.push_back(&first[i]);
    for (size_t i = ready.size(); i > 1; i--) std::swap(ready[i - 1], ready[draw(i)]);
    for (Thread* each : ready) step(*each);
    released(first, count, AT_WARP_BARRIER);
    return !ready.empty();
}

// Lets one warp, or all of them by turns, go on as far as they can; false when all threads have ended.
static bool advance() {
    std::vector<size_t> warps((block->threads.size() + 31) / 32);
    for (size_t i = 0; i < warps.size(); i++) warps[i] = i;
    for (size_t i = warps.size(); i > 1; i--) std::swap(warps[i - 1], warps[draw(i)]);
    bool ahead = draw(2), goes_on = false;  // a warp that runs ahead of all others shows what it should have waited for
    for (size_t each : warps) {
        while (step_warp(each)) {
            goes_on = true;
            if (!ahead) break;
        }
        if (ahead && goes_on) return true;
    }
    if (goes_on || released(block->threads.data(), block->threads.size(), AT_BLOCK_BARRIER)) return true;
    for (Thread& each : block->threads)
        if (each.state != ENDED && error.empty()) error = "threads wait for others that never come";
    return false;
}

static Block* begin(dim3 index, size_t threads, size_t dynamic) {
    Block* one = new Block;
    one->index = index;
    one->threads = std::vector<Thread>(threads);
    for (unsigned i = 0; i < threads; i++) one->threads[i].index = {i, 0, 0};
    one->dynamic.assign(dynamic + GUARDED, (char)UNWRITTEN);
    memset(&one->dynamic[dynamic], GUARD, GUARDED);
    one->shared.assign(__stop_shared_memory - __start_shared_memory, (char)UNWRITTEN);
    return one;
}

static void finish(Block* ended) {
    for (size_t i = ended->dynamic.size() - GUARDED; i < ended->dynamic.size(); i++)
        if ((unsigned char)ended->dynamic[i] != GUARD) error = "a write behind the dynamic shared memory";
    for (Thread& each : ended->threads)
        if (each.started) spare_stacks.push_back(each.stack);
    delete ended;
}

static const char* play(dim3 grid, dim3 size, size_t dynamic, unsigned long long seed) {
    error.clear();
    random_state = seed * 2654435761u + 1;
    gridDim = grid;
    blockDim = size;
    std::vector<Block*> resident;
    std::vector<dim3> waiting;
    for (unsigned y = 0; y < grid.y; y++)
        for (unsigned x = 0; x < grid.x; x++) waiting.push_back({x, y, 0});
    for (size_t i = waiting.size(); i > 1; i--) std::swap(waiting[i - 1], waiting[draw(i)]);
    size_t shared = __stop_shared_memory - __start_shared_memory;
    while (error.empty() && (!waiting.empty() || !resident.empty())) {
        while (resident.size() < RESIDENT && !waiting.empty()) {
            resident.push_back(begin(waiting.back(), size.x, dynamic));
            waiting.pop_back();
        }
        size_t chosen = draw(resident.size());
        block = resident[chosen];
        memcpy(__start_shared_memory, block->shared.data(), shared);
        bool goes_on = advance();
        memcpy(block->shared.data(), __start_shared_memory, shared);
        if (!goes_on) {
            finish(block);
            resident.erase(resident.begin() + chosen);
        }
    }
    for (Block* each : resident) finish(each);
    return error.empty() ? nullptr : error.c_str();
}

template <typename T>
T shuffle(unsigned mask, T value, size_t source, int line) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    if (mask != 0xffffffffu) error = "a shuffle of a part of a warp";
    if (warp() + source >= block->threads.data() + block->threads.size()) error = "a shuffle from a lane that is not";
    memcpy(thread->published, &value, sizeof(T));
    wait_at(AT_WARP_BARRIER, line);
    memcpy(&value, warp()[source].published, sizeof(T));
    wait_at(AT_WARP_BARRIER, line);
    return value;
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** given, std::index_sequence<I...>) {
    kernel(*(A*)given[I]...);
}

template <typename... A>
void unpack(void (*kernel)(A...), void** given) {
    call(kernel, given, std::index_sequence_for<A...>{});
}

// The sizes of a kernel's parameters in bytes, ended by 0.
template <typename... A>
const int* sizes(void (*)(A...)) {
    static const int bytes[] = {(int)sizeof(A)..., 0};
    return bytes;
}

}  // namespace cpu

#define __syncthreads() cpu::wait_at(cpu::AT_BLOCK_BARRIER, __LINE__)
#define __shfl_xor_sync(mask, value, distance) cpu::shuffle(mask, value, cpu::lane() ^ (distance), __LINE__)
#define __shfl_down_sync(mask, value, distance) \
    cpu::shuffle(mask, value, cpu::lane() + (distance) < 32 ? cpu::lane() + (distance) : cpu::lane(), __LINE__)
#define __threadfence()
#define __ldcg(pointer) (*(pointer))

static unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static unsigned atomicInc(unsigned* counter, unsigned last) {
    unsigned before = *counter;
    *counter = before >= last ? 0 : before + 1;
    return before;
}

#define PLAYED(kernel)                                                                                            \
    extern "C" const int* kernel##_sizes() { return cpu::sizes(kernel); }                                         \
    extern "C" const char* kernel##_play(const unsigned* grid, unsigned threads, size_t dynamic, void** given,   \
                                         unsigned long long seed) {                                               \
        cpu::body = [](void** each) { cpu::unpack(kernel, each); };                                               \
        cpu::arguments = given;                                                                                   \
        return cpu::play({grid[0], grid[1], 1}, {threads, 1, 1}, dynamic, seed);                                  \
    }

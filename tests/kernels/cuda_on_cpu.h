// Runs a CUDA source file on the CPU, one block after another, so that tests can check its numbers without a GPU.
//
// Every CUDA thread of a block is a fiber with a stack of its own. Fibers run in turn until each stands at
// __syncthreads() or has returned; only then does any go on, so a value that another thread writes after a missing
// barrier is seen too late or too early, and the numbers come out wrong. A barrier that only some threads reach is
// an error here (on a GPU: undefined). Supported: what the kernels use (barriers, static __shared__, threadIdx.x,
// blockIdx.x, blockDim.x, gridDim.x). __shared__ is one copy for all blocks, as they never run at the same time.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
#define __shared__ static

using std::exp;
using std::log;

struct Index {
    unsigned x, y, z;
};
static Index threadIdx{0, 0, 0}, blockIdx{0, 0, 0}, blockDim{1, 1, 1}, gridDim{1, 1, 1};

namespace cuda_on_cpu {

constexpr size_t stack_bytes = 64 * 1024;
constexpr size_t stagger = 192;  // bytes; equal stack offsets would fight for the same cache lines

enum State { running, waiting, done };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    State state;
};

static ucontext_t scheduler;
static std::vector<Fiber> fibers;
static unsigned current;
static void (*body)(void*);
static void* body_argument;

static void fiber_main() {
    body(body_argument);
    fibers[current].state = done;
    swapcontext(&fibers[current].context, &scheduler);
}

static void barrier() {
    fibers[current].state = waiting;
    swapcontext(&fibers[current].context, &scheduler);
}

// Runs one block; false if a barrier was reached by some of its threads only.
static bool run_block(unsigned threads) {
    fibers.resize(threads);
    for (unsigned t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[t];
        fiber.stack.resize(stack_bytes + stagger * t);
        fiber.state = running;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = stack_bytes + stagger * t;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
    }
    for (bool backwards = false;; backwards = !backwards) {
        unsigned at_barrier = 0;
        for (unsigned step = 0; step < threads; ++step) {
            // The order changes at each barrier: a kernel must not depend on it.
            current = backwards ? threads - 1 - step : step;
            Fiber& fiber = fibers[current];
            if (fiber.state == done) continue;
            fiber.state = running;
            threadIdx.x = current;
            swapcontext(&scheduler, &fiber.context);
            at_barrier += fiber.state == waiting;
        }
        if (at_barrier == 0) return true;
        if (at_barrier != threads) return false;
    }
}

// Launches `call(argument)` as a kernel; 0 for success, 1 for a barrier that not all threads reached.
static int launch(unsigned grid, unsigned block, void (*call)(void*), void* argument) {
    body = call;
    body_argument = argument;
    gridDim.x = grid;
    blockDim.x = block;
    for (unsigned b = 0; b < grid; ++b) {
        blockIdx.x = b;
        if (!run_block(block)) return 1;
    }
    return 0;
}

}  // namespace cuda_on_cpu

#define __syncthreads() cuda_on_cpu::barrier()

// Runs the threads of a CUDA block on one CPU thread, for cuda_on_cpu.h.
//
// Every CUDA thread is a fiber. It runs until it stands at a barrier or a warp operation, or returns; then another
// runs. So a value that another thread writes after a missing barrier is seen too late or too early, and the numbers
// come out wrong. Warps and lanes run forwards and backwards by turns, and a launch can start either way: a kernel
// must not depend on it. What a GPU leaves undefined is an error here: a barrier that only some threads reach (or
// different barriers), a warp operation that lanes of its mask do not reach, an access outside the guarded arrays
// (SIGSEGV), an index outside an array of known size, a misaligned vector or an overflow of int (SIGILL from g++'s
// sanitizers).
#pragma once
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace cuda_on_cpu {

dim3 threadIdx, blockIdx, blockDim, gridDim;
void* dynamic_shared;  // flush against a page that may not be touched

// Switching stacks: only the registers that a called function must preserve are saved.
#if defined(__x86_64__)
typedef void* Context;
extern "C" __attribute__((visibility("hidden"))) void cuda_on_cpu_switch(Context* from, Context to);
asm(R"(
    .text
    .p2align 4
    .globl cuda_on_cpu_switch
    .hidden cuda_on_cpu_switch
    .type cuda_on_cpu_switch, @function
cuda_on_cpu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size cuda_on_cpu_switch, .-cuda_on_cpu_switch
)");
static inline void prepare(Context* context, char* stack, size_t bytes, void (*entry)()) {
    void** top = (void**)((size_t)(stack + bytes) & ~(size_t)15) - 1;  // a function begins 8 bytes off 16
    *--top = (void*)entry;
    *context = top - 6;
}
#elif defined(__aarch64__)
typedef void* Context;
extern "C" __attribute__((visibility("hidden"))) void cuda_on_cpu_switch(Context* from, Context to);
asm(R"(
    .text
    .p2align 4
    .globl cuda_on_cpu_switch
    .hidden cuda_on_cpu_switch
    .type cuda_on_cpu_switch, %function
cuda_on_cpu_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size cuda_on_cpu_switch, .-cuda_on_cpu_switch
)");
static inline void prepare(Context* context, char* stack, size_t bytes, void (*entry)()) {
    char* top = (char*)((size_t)(stack + bytes) & ~(size_t)15) - 160;
    memset(top, 0, 160);
    ((void**)top)[11] = (void*)entry;  // x30, where `ret` goes
    *context = top;
}
#else
typedef ucontext_t Context;
static inline void cuda_on_cpu_switch(Context* from, Context& to) { swapcontext(from, &to); }
static inline void prepare(Context* context, char* stack, size_t bytes, void (*entry)()) {
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = bytes;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
}
#endif

constexpr unsigned max_threads = 1024;
constexpr size_t stack_bytes = 64 * 1024;
constexpr size_t stagger = 192;  // bytes; equal offsets in all stacks would fight for the same cache lines
#ifndef SECONDS
#define SECONDS 60
#endif
constexpr int seconds = SECONDS;  // of CPU time that a launch may take

enum State : unsigned char { fresh, ready, at_barrier, at_warp, done };
enum Kind { from_lane, from_xor, from_below, from_above, sync_only, vote };

struct Fiber {
    Context context;
    char* stack;
    State state;
    // the operation it waits at
    const char* file;
    int line;
    Kind kind;
    unsigned mask;
    int lane_argument, width;
    unsigned long long value, result;
};

// What went wrong, read by on_cpu.py.
struct Problem {
    int kind;  // 0 none, 1 barrier, 2 warp operation, 3 memory, 4 index or overflow, 5 endless
    int line;
    dim3 block, thread;
    void* address;
    char text[200];
};

static Fiber fibers[max_threads];
static Context scheduler;
static unsigned current, threads;
static char* stacks;
static char* free_stacks[max_threads];
static unsigned free_count;
static unsigned arrived[max_threads / 32];  // lanes of each warp that stand at a warp operation
static void (*body)(void**);
static void** body_arguments;
static Problem problem;
static pthread_t runner;
static volatile bool in_fiber;

static void leave() { cuda_on_cpu_switch(&fibers[current].context, scheduler); }

static void text_to(char* to, const char* from) {
    size_t n = strlen(from);
    if (n > sizeof problem.text - 1) n = sizeof problem.text - 1;
    memcpy(to, from, n);
    to[n] = 0;
}

static void fail(int kind, int line, const char* text) {
    if (problem.kind) return;
    problem.kind = kind;
    problem.line = line;
    problem.block = blockIdx;
    problem.thread = threadIdx;
    text_to(problem.text, text);
}

__attribute__((noinline)) static void barrier(const char* file, int line) {
    Fiber& fiber = fibers[current];
    fiber.state = at_barrier;
    fiber.file = file;
    fiber.line = line;
    leave();
}

// Lane of the value that `lane` reads. CUDA's rule: outside the group of `width` lanes, one's own.
static int source_lane(const Fiber& fiber, int lane) {
    int first = lane & ~(fiber.width - 1), last = first + fiber.width - 1, from;
    switch (fiber.kind) {
        case from_lane: return first + (fiber.lane_argument & (fiber.width - 1));
        case from_xor:
            from = lane ^ fiber.lane_argument;
            return from > last ? lane : from;
        case from_below:
            from = lane - fiber.lane_argument;
            return from < first ? lane : from;
        default:
            from = lane + fiber.lane_argument;
            return from > last ? lane : from;
    }
}

// If all lanes named in `mask` that have not returned stand at the operation: gives each its result.
static void meet(unsigned warp, unsigned mask) {
    Fiber* lanes = fibers + warp * 32;
    unsigned count = threads - warp * 32 < 32 ? threads - warp * 32 : 32, alive = 0, ballot = 0;
    for (unsigned lane = 0; lane < count; ++lane)
        if (lanes[lane].state != done) alive |= 1u << lane;
    unsigned here = mask & alive;
    if ((arrived[warp] & here) != here) return;
    const Fiber* first = nullptr;
    for (unsigned lane = 0; lane < count; ++lane) {
        if (!(here >> lane & 1)) continue;
        Fiber& fiber = lanes[lane];
        if (!first) first = &fiber;
        if (fiber.mask != mask || fiber.kind != first->kind || fiber.line != first->line)
            return fail(2, fiber.line, "lanes of a warp meet in different warp operations or with different masks");
        if (fiber.kind == vote && fiber.value) ballot |= 1u << lane;
    }
    for (unsigned lane = 0; lane < count; ++lane) {
        if (!(here >> lane & 1)) continue;
        Fiber& fiber = lanes[lane];
        if (fiber.kind == vote) fiber.result = ballot;
        else if (fiber.kind != sync_only) {
            int from = source_lane(fiber, (int)lane);
            fiber.result = here >> from & 1 ? lanes[from].value : ~0ull;  // undefined on a GPU: NaN
        }
    }
    for (unsigned lane = 0; lane < count; ++lane)
        if (here >> lane & 1) lanes[lane].state = ready;
    arrived[warp] &= ~here;
}

__attribute__((noinline)) static unsigned long long warp_operation(int line, Kind kind, unsigned mask,
                                                                   unsigned long long value, int lane_argument,
                                                                   int width) {
    Fiber& fiber = fibers[current];
    unsigned warp = current / 32, bit = 1u << current % 32;
    fiber.line = line;
    fiber.kind = kind;
    fiber.mask = mask;
    fiber.value = value;
    fiber.lane_argument = lane_argument;
    fiber.width = width;
    fiber.state = at_warp;
    if (!(mask & bit)) {
        fail(2, line, "a thread calls a warp operation with a mask that does not name its lane");
        leave();
    }
    arrived[warp] |= bit;
    meet(warp, mask);
    if (fiber.state != ready) leave();
    return fiber.result;
}

static inline void warp_barrier(int line, unsigned mask = 0xFFFFFFFFu) {
    warp_operation(line, sync_only, mask, 0, 0, 32);
}

template <typename T>
static T shuffle(int line, Kind kind, unsigned mask, T value, int lane_argument, int width = 32) {
    static_assert(sizeof(T) <= 8, "a shuffle moves up to 8 bytes");
    unsigned long long bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = warp_operation(line, kind, mask, bits, lane_argument, width);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned ballot(int line, unsigned mask, int predicate) {
    return (unsigned)warp_operation(line, vote, mask, predicate != 0, 0, 32);
}

static void fiber_main() {
    for (;;) {
        body(body_arguments);
        Fiber& fiber = fibers[current];
        fiber.state = done;
        // those who wait for this lane need not any longer
        if (unsigned waiting = arrived[current / 32])
            for (unsigned lane = 0; lane < 32 && !problem.kind; ++lane)
                if (waiting >> lane & 1 && fibers[current / 32 * 32 + lane].state == at_warp)
                    meet(current / 32, fibers[current / 32 * 32 + lane].mask);
        leave();
    }
}

static void resume(unsigned thread) {
    Fiber& fiber = fibers[thread];
    if (fiber.state == fresh) {
        fiber.stack = free_stacks[--free_count];
        prepare(&fiber.context, fiber.stack, stack_bytes, fiber_main);
    }
    fiber.state = ready;
    current = thread;
    threadIdx = dim3(thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / (blockDim.x * blockDim.y));
    in_fiber = true;
    cuda_on_cpu_switch(&scheduler, fiber.context);
    in_fiber = false;
    if (fiber.state == done) free_stacks[free_count++] = fiber.stack;  // warm in the cache for the next thread
}

// Runs a warp until each of its lanes has returned or stands at a barrier, or none can go on.
static void run_warp(unsigned warp, bool backwards) {
    unsigned first = warp * 32, count = threads - first < 32 ? threads - first : 32;
    for (bool progress = true; progress; backwards = !backwards) {
        progress = false;
        for (unsigned step = 0; step < count; ++step) {
            unsigned thread = first + (backwards ? count - 1 - step : step);
            if (fibers[thread].state > ready) continue;
            resume(thread);
            if (problem.kind) return;
            progress = true;
        }
    }
}

static void run_block(bool backwards) {
    for (unsigned t = 0; t < threads; ++t) fibers[t].state = fresh;
    memset(arrived, 0, sizeof arrived);
    free_count = 0;
    for (unsigned t = max_threads; t-- > 0;) free_stacks[free_count++] = stacks + t * (stack_bytes + stagger);
    unsigned warps = (threads + 31) / 32;
    for (;; backwards = !backwards) {
        for (unsigned step = 0; step < warps; ++step) {
            run_warp(backwards ? warps - 1 - step : step, backwards);
            if (problem.kind) return;
        }
        unsigned at = 0, returned = 0;
        const Fiber* stuck = nullptr;
        const Fiber* waiting = nullptr;
        for (unsigned t = 0; t < threads; ++t) {
            if (fibers[t].state == done) ++returned;
            else if (fibers[t].state == at_warp) stuck = &fibers[t];
            else ++at, waiting = &fibers[t];
        }
        if (stuck) return fail(2, stuck->line, "a warp operation waits for lanes of its mask that never come");
        if (returned == threads) return;
        if (at != threads) return fail(1, waiting->line, "a barrier was reached by some threads of a block only");
        for (unsigned t = 0; t < threads; ++t) {
            if (fibers[t].line != waiting->line || strcmp(fibers[t].file, waiting->file))
                return fail(1, fibers[t].line, "some threads of a block wait at one barrier, some at another");
            fibers[t].state = ready;
        }
    }
}

static void on_signal(int signal, siginfo_t* info, void*) {
    if (!pthread_equal(pthread_self(), runner)) {
        pthread_kill(runner, signal);
        return;
    }
    if (!in_fiber) {
        if (signal == SIGVTALRM) return;
        ::signal(signal, SIG_DFL);  // not the kernel's: the fault repeats, and ends the process as usual
        return;
    }
    if (signal == SIGVTALRM) fail(5, 0, "the launch does not end");
    else if (signal == SIGILL || signal == SIGTRAP) fail(4, 0, "an index outside an array, a misaligned address, an integer overflow or division by zero");
    else if (signal == SIGFPE) fail(4, 0, "an integer division by zero");
    else {
        fail(3, 0, "an access outside the arrays");
        problem.address = info->si_addr;
    }
    leave();  // never comes back: the fiber is given up
}

extern char start_of_shared[] __asm__("__start_cuda_shared") __attribute__((weak, visibility("hidden")));
extern char end_of_shared[] __asm__("__stop_cuda_shared") __attribute__((weak, visibility("hidden")));

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGVTALRM};
constexpr int signal_count = sizeof signals / sizeof *signals;

// Runs a kernel. `backwards` is the order in which blocks and threads begin.
static const Problem* launch(void (*call)(void**), void** arguments, dim3 grid, dim3 block, size_t shared,
                             bool backwards) {
    static char* dynamic;
    constexpr size_t page = 65536;  // no system that this runs on has larger ones
    if (!stacks) {
        size_t bytes = max_threads * (stack_bytes + stagger);
        stacks = (char*)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        dynamic = (char*)mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stacks == MAP_FAILED || dynamic == MAP_FAILED) __builtin_abort();
        mprotect(dynamic + page, page, PROT_NONE);
    }
    memset((void*)&problem, 0, sizeof problem);
    body = call;
    body_arguments = arguments;
    gridDim = grid;
    blockDim = block;
    threads = block.x * block.y * block.z;
    runner = pthread_self();
    dynamic_shared = dynamic + page - ((shared + 15) & ~(size_t)15);
    struct sigaction action, before[signal_count];
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    for (int i = 0; i < signal_count; ++i) sigaction(signals[i], &action, &before[i]);
    itimerval limit{{0, 0}, {seconds, 0}}, none{{0, 0}, {0, 0}};
    setitimer(ITIMER_VIRTUAL, &limit, nullptr);
    unsigned long long blocks = (unsigned long long)grid.x * grid.y * grid.z;
    for (unsigned long long step = 0; step < blocks && !problem.kind; ++step) {
        unsigned long long b = backwards ? blocks - 1 - step : step;
        blockIdx = dim3((unsigned)(b % grid.x), (unsigned)(b / grid.x % grid.y), (unsigned)(b / grid.x / grid.y));
        if (start_of_shared) memset(start_of_shared, 0xFF, (size_t)(end_of_shared - start_of_shared));
        memset(dynamic_shared, 0xFF, (size_t)(dynamic + page - (char*)dynamic_shared));
        run_block(backwards);
    }
    setitimer(ITIMER_VIRTUAL, &none, nullptr);
    for (int i = 0; i < signal_count; ++i) sigaction(signals[i], &before[i], nullptr);
    return &problem;
}

// How the launcher tells parameters apart: "pcf4" is a pointer to constant floats of 4 bytes, "si8" a long long.
template <typename T> struct KindOf { static constexpr char value = 'v'; };
template <> struct KindOf<bool> { static constexpr char value = 'b'; };
template <> struct KindOf<float> { static constexpr char value = 'f'; };
template <> struct KindOf<double> { static constexpr char value = 'f'; };
template <> struct KindOf<char> { static constexpr char value = 'i'; };
template <> struct KindOf<signed char> { static constexpr char value = 'i'; };
template <> struct KindOf<short> { static constexpr char value = 'i'; };
template <> struct KindOf<int> { static constexpr char value = 'i'; };
template <> struct KindOf<long> { static constexpr char value = 'i'; };
template <> struct KindOf<long long> { static constexpr char value = 'i'; };
template <> struct KindOf<unsigned char> { static constexpr char value = 'u'; };
template <> struct KindOf<unsigned short> { static constexpr char value = 'u'; };
template <> struct KindOf<unsigned> { static constexpr char value = 'u'; };
template <> struct KindOf<unsigned long> { static constexpr char value = 'u'; };
template <> struct KindOf<unsigned long long> { static constexpr char value = 'u'; };
template <typename T> struct SizeOf { static constexpr int value = sizeof(T); };
template <> struct SizeOf<void> { static constexpr int value = 1; };

template <typename T> struct Parameter {
    static void write(char*& to) { *to++ = 's', *to++ = KindOf<T>::value, *to++ = (char)('0' + sizeof(T)), *to++ = ' '; }
};
template <typename T> struct Parameter<T*> {
    static void write(char*& to) {
        *to++ = 'p', *to++ = 'm', *to++ = KindOf<T>::value, *to++ = (char)('0' + SizeOf<T>::value), *to++ = ' ';
    }
};
template <typename T> struct Parameter<const T*> {
    static void write(char*& to) {
        *to++ = 'p', *to++ = 'c', *to++ = KindOf<T>::value, *to++ = (char)('0' + SizeOf<T>::value), *to++ = ' ';
    }
};

template <int... I> struct Numbers {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { typedef Numbers<I...> type; };

template <typename F, F* function> struct Kernel;
template <typename... P, void (*function)(P...)>
struct Kernel<void(P...), function> {
    template <int... I>
    static void spread(void** arguments, Numbers<I...>) {
        function(*(P*)arguments[I]...);
    }
    static void call(void** arguments) { spread(arguments, typename Count<sizeof...(P)>::type()); }
    static const char* parameters() {
        static char text[5 * sizeof...(P) + 1];
        char* to = text;
        int in_order[] = {0, (Parameter<P>::write(to), 0)...};
        (void)in_order;
        return text;
    }
};

}  // namespace cuda_on_cpu

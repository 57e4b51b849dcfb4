// Runs the tasks of a program one group after the other. The units of a group are dealt in chunks to the caller and to
// threads that wait here. Units are independent, so the bits do not depend on who does what. A thread that comes late
// finds the work done; nobody waits for one that has taken nothing.
//
// A group is a list of tasks over the same units: each chunk goes through all of them before the next is taken. A task
// may have units of its own, of which so many make one of the group's; the last of those may have fewer, or none. And a
// group may have rounds, each with as many units, which are numbered on: none begins before the last is done.
//
// Chunks are taken in shares, at most 32 of a group. Each thread begins with its own part of them, from the front, and
// goes on with what is left, from the back. So where nothing holds the threads up, each finds what it made in the last
// group, and what it read in the last step, in its own caches.

#include "tasks.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    Word (*function)(const Word* words, Word first, Word last, char* room);
    const Word* words;
    Word count;           // of the words
    const Word* moves;    // for arrays that a thread keeps for itself: word, place in its memory, bytes of a unit
    Word moved;           // how many of these
    Word units, scale;    // its own units, if they are not the group's, and how many of them make one of those; else 0
} Task;

typedef struct {
    Word first, tasks;  // the tasks: from which on, and how many
    Word units, chunk;  // how many units in a round, and how many of them make a chunk
    Word rounds;
    const Word* counted;  // where the number of units is that there are this time, at most `units`; 0: all of them
} Group;

#define AWAKE 60000      // nanoseconds for which a thread looks for work before it goes to sleep: waking it takes half of that
#define PATIENCE 400     // looks before it looks at the clock, or before the caller lets others have its core,
#define LOOKS 32         // and before it looks at the clock again
#define MOST_WORDS 256  // of a task with arrays that a thread keeps for itself
#define MOST_THREADS 256
#define MOST_SHARES 32

#define OWN_LINE _Alignas(128)  // what one thread writes while others read something else lies in another line of their caches

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int workers;
    atomic_int busy, sleepers;
    atomic_llong failed;          // the first task that met an index out of range, counted from 1
    OWN_LINE atomic_llong state;  // the number of the job, and below it a bit for each share left
    OWN_LINE atomic_llong done;   // shares that workers have done, of all jobs
    OWN_LINE const Group* group;  // what the job is: written when nothing is left of the last
    const Task* tasks;
    Word room, local, chunks, shares, threads, first_job;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

#define NUMBER(state) ((state) >> 32)
#define JOB(number) ((number) & 0x3fffffff)
#define LEFT(state) ((unsigned)(state))

static pthread_key_t room_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void after_fork(void) {  // in the child there are no workers
    pthread_mutex_init(&pool.lock, 0);
    pthread_cond_init(&pool.wake, 0);
    pool.workers = 0;
    atomic_store(&pool.busy, 0);
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.state, 0);
}

static void prepare(void) {
    pthread_key_create(&room_key, free);
    pthread_atfork(0, 0, after_fork);
}

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// The calling thread's memory, with its size in front.
static char* own_room(Word size) {
    char* block = pthread_getspecific(room_key);
    if (!block || *(Word*)block < size) {
        free(block);
        block = 0;
        if (posix_memalign((void**)&block, 4096, (size_t)size + 4096)) block = 0;
        pthread_setspecific(room_key, block);
        if (!block) return 0;
        *(Word*)block = size;
    }
    return block + 4096;
}

// All tasks of a group on one chunk of a round; the first that failed, counted from 1, or 0.
static Word run_chunk(const Group* group, const Task* tasks, Word round, Word chunk, char* room, Word local) {
    Word before = round * group->units;
    Word first = before + chunk * group->chunk, last = MIN(first + group->chunk, before + group->units);
    Word words[MOST_WORDS];
    for (Word i = group->first; i < group->first + group->tasks; ++i) {
        const Task* task = tasks + i;
        const Word* taken = task->words;
        if (task->moved) {
            memcpy(words, taken, (size_t)task->count * sizeof(Word));
            for (Word k = 0; k < task->moved; ++k) {
                const Word* move = task->moves + 3 * k;
                words[move[0]] = (Word)(room + local + move[1] - first * move[2]);
            }
            taken = words;
        }
        Word from = task->scale ? MIN(first * task->scale, task->units) : first;
        Word to = task->scale ? MIN(last * task->scale, task->units) : last;
        if (from < to && task->function(taken, from, to, room)) return i + 1;
    }
    return 0;
}

static void note_failure(Word task) {
    Word before = atomic_load(&pool.failed);
    while ((!before || before > task) && !atomic_compare_exchange_weak(&pool.failed, &before, task)) {}
}

// The first shares of so many.
static inline unsigned first_shares(Word count) { return (unsigned)((1ull << count) - 1); }

// The share that a thread takes next of those left: the first of its own part, or else the last of all.
static inline int next_share(unsigned left, Word shares, Word threads, Word seat) {
    Word parts = MIN(threads, shares);
    if (seat < parts) {
        unsigned own = left & first_shares((seat + 1) * shares / parts) & ~first_shares(seat * shares / parts);
        if (own) return __builtin_ctz(own);
    }
    return 31 - __builtin_clz(left);
}

// A share of the job of this number. Until it is done the job is, so what is known of that stays.
static void run_share(Word number, Word share, char* room) {
    Word round = JOB(number - pool.first_job), end = (share + 1) * pool.chunks / pool.shares, failed = 0;
    for (Word chunk = share * pool.chunks / pool.shares; chunk < end && !failed; ++chunk)
        failed = run_chunk(pool.group, pool.tasks, round, chunk, room, pool.local);
    if (failed) note_failure(failed);
}

// Takes shares of the job of this number until there are none, and says how many; `seat` counts the threads, the caller is
// 0. The job may be over at any moment, and another begun: what is read of it counts only if its state is still the same
// when a share is taken.
static Word help(Word number, Word seat, char* room) {
    for (Word taken = 0;;) {
        Word state = atomic_load(&pool.state);
        if (NUMBER(state) != number) return taken;
        Word size = pool.room, shares = pool.shares, threads = pool.threads;
        if (atomic_load(&pool.state) != state) continue;
        if (!LEFT(state)) return taken;
        if (!room && !(room = own_room(size))) return taken;  // the others do without this thread
        int share = next_share(LEFT(state), shares, threads, seat);
        if (!atomic_compare_exchange_strong(&pool.state, &state, state & ~(1ll << share))) continue;
        run_share(number, share, room);
        if (seat) atomic_fetch_add(&pool.done, 1);
        ++taken;
    }
}

static Word nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void* work(void* own_seat) {
    Word seat = (Word)own_seat, seen = 0;
    for (;;) {
        Word number, since = 0;
        for (int looks = 1; (number = NUMBER(atomic_load(&pool.state))) == seen; ++looks) {
            pause_briefly();
            if (looks < PATIENCE || looks % LOOKS) continue;
            Word now = nanoseconds();
            since = since ? since : now;
            if (now - since < AWAKE) continue;
            pthread_mutex_lock(&pool.lock);
            atomic_fetch_add(&pool.sleepers, 1);
            while ((number = NUMBER(atomic_load(&pool.state))) == seen)
                pthread_cond_wait(&pool.wake, &pool.lock);
            atomic_fetch_sub(&pool.sleepers, 1);
            pthread_mutex_unlock(&pool.lock);
        }
        seen = number;
        help(number, seat, 0);
    }
    return 0;
}

static void need_workers(Word count) {
    sigset_t all, before;
    sigfillset(&all);
    while (pool.workers < count) {
        pthread_t thread;
        pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the caller's business
        int refused = pthread_create(&thread, 0, work, (void*)(Word)(pool.workers + 1));
        pthread_sigmask(SIG_SETMASK, &before, 0);
        if (refused) return;
        pthread_detach(thread);
        pool.workers++;
    }
}

// A round of the group as a job, with those workers that look for it. The caller's first share is never dealt: to take it,
// the caller would have to get the state back from those who look at it.
static void run_round(char* room) {
    Word before = atomic_load(&pool.done), number = JOB(NUMBER(atomic_load(&pool.state)) + 1);
    atomic_store(&pool.state, number << 32 | (first_shares(pool.shares) & ~1u));
    if (atomic_load(&pool.sleepers)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
    run_share(number, 0, room);
    Word others = pool.shares - 1 - help(number, 0, room);
    for (int looks = 0; atomic_load(&pool.done) - before < others; ++looks) {
        if (looks < PATIENCE) pause_briefly();
        else sched_yield();
    }
}

// One group with the help of the workers.
static void run_shared(const Group* group, const Task* tasks, Word room_size, Word local, Word threads, char* room) {
    pool.group = group;
    pool.tasks = tasks;
    pool.room = room_size;
    pool.local = local;
    pool.threads = threads;
    pool.chunks = (group->units + group->chunk - 1) / group->chunk;
    pool.shares = MIN(pool.chunks, MOST_SHARES);
    pool.first_job = JOB(NUMBER(atomic_load(&pool.state)) + 1);
    for (Word round = 0; round < group->rounds && !atomic_load(&pool.failed); ++round) run_round(room);
}

// And without. The first task that failed, counted from 1, or 0.
static Word run_alone(const Group* group, const Task* tasks, Word local, char* room) {
    Word failed = 0;
    for (Word round = 0; round < group->rounds; ++round)
        for (Word chunk = 0; chunk * group->chunk < group->units && !failed; ++chunk)
            failed = run_chunk(group, tasks, round, chunk, room, local);
    return failed;
}

// The group with those units only that there are this time, in as many chunks.
static Group counted_group(const Group* group) {
    Group made = *group;
    made.units = MIN(group->units, *group->counted);
    made.chunk = MAX((made.units * group->chunk + group->units - 1) / group->units, 1);
    return made;
}

// All groups. `room` bytes of its own are what a thread needs for a task, and `local` bytes into that memory begins what
// it keeps from one task of a group to the next. 0, or the first task that failed, counted from 1; -1 without memory.
static Word run(const Group* groups, Word count, const Task* tasks, Word room, Word local, Word threads) {
    pthread_once(&once, prepare);
    char* own = own_room(room);
    if (!own) return -1;
    int nobody = 0;  // the workers serve one caller at a time
    int shared = threads > 1 && atomic_compare_exchange_strong(&pool.busy, &nobody, 1);
    if (shared) {
        need_workers(MIN(threads, MOST_THREADS) - 1);
        atomic_store(&pool.failed, 0);
    }
    Word failed = 0;
    for (Word g = 0; g < count && !failed; ++g) {
        const Group* group = groups + g;
        Group counted;
        if (group->counted) {
            counted = counted_group(group);
            group = &counted;
        }
        if (shared && group->chunk < group->units) {
            run_shared(group, tasks, room, local, MIN(threads, MOST_THREADS), own);
            failed = atomic_load(&pool.failed);
        } else {
            failed = run_alone(group, tasks, local, own);
        }
    }
    if (shared) atomic_store(&pool.busy, 0);
    return failed;
}

// How often an array was written: how many runs began to, how many ended, and a number that others than runs change as
// they begin and end (device/changes.py).
typedef struct {
    atomic_llong begun, ended, stamp;
} Changes;

// What the first groups of a program made and keep, of arrays that were as is noted here.
typedef struct {
    Word holds, count;
    struct {
        Changes* changes;
        Word begun, stamp;
    } seen[];
} Kept;

// Whether none of the arrays can have been written since `note_arrays`.
static int still_holds(const Kept* kept) {
    if (!kept->holds) return 0;
    for (Word i = 0; i < kept->count; ++i) {
        Changes* now = kept->seen[i].changes;
        if (atomic_load(&now->begun) != kept->seen[i].begun || atomic_load(&now->stamp) != kept->seen[i].stamp) return 0;
    }
    return 1;
}

// Notes how the arrays are now, before anything is made of them. 0 if one of them is being written: what is made then
// is not to be kept.
static int note_arrays(Kept* kept) {
    int quiet = 1;
    kept->holds = 0;
    for (Word i = 0; i < kept->count; ++i) {
        Changes* now = kept->seen[i].changes;
        Word ended = atomic_load(&now->ended);  // before `begun`, or a run between the two would not be seen
        kept->seen[i].begun = atomic_load(&now->begun);
        kept->seen[i].stamp = atomic_load(&now->stamp);
        quiet &= ended == kept->seen[i].begun;
    }
    return quiet;
}

// A list of groups and what it needs, as `run` takes it. The first `keeping` groups make what is kept. `changes` counts
// the arrays that are written, and has the address of each one's. `place` is a number that tasks may read.
typedef struct {
    const Group* groups;
    Word count;
    const Task* tasks;
    Word room, local;
    Word keeping;
    Kept* kept;
    const Word* changes;
    Word* place;
    Word step, threads;
} Program;

static Word run_program(const Program* p) {
    int holds = p->keeping && still_holds(p->kept), quiet = p->keeping && !holds && note_arrays(p->kept);
    Word first = holds ? p->keeping : 0;
    Word failed = run(p->groups + first, p->count - first, p->tasks, p->room, p->local, p->threads);
    if (quiet && !failed) p->kept->holds = 1;
    return failed;
}

// The program `times` times; each time `place` goes `step` further. 0, or the first task that failed, counted from 1; -1
// without memory. `place` is then where it was.
TASK Word gpukeras_run(const Program* p, Word times) {
    const Word* changes = p->changes;
    Word failed = 0;
    for (Word i = 1; i <= changes[0]; ++i) atomic_fetch_add(&((Changes*)changes[i])->begun, 1);
    for (Word t = 0; t < times; ++t, *p->place += p->step) {
        failed = run_program(p);
        if (failed) break;
    }
    for (Word i = 1; i <= changes[0]; ++i) atomic_fetch_add(&((Changes*)changes[i])->ended, 1);
    return failed;
}

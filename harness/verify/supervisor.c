/* The worker, and the process that watches it. */
#include "verify/supervisor.h"

#include "core/clock.h"
#include "verify/verify_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <unistd.h>

/* Memory the supervisor and its workers share. */
struct shared {
    struct verify_status status;
    volatile int index; /* of the case under way */
    char touched[128];  /* which guard page trapped; "" for none */
};

/* What a worker sends; small enough for a pipe to deliver it whole. */
struct report {
    int index;
    struct verdict verdict;
};

static struct shared *shared;

/* Notes which guard page was touched. The handler is gone on return, so the access traps again and
 * kills. */
static void trapped(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    const struct operands *o = verify_operands;
    if (o)
        operands_explain(o, info->si_addr, shared->touched);
}

static void watch_traps(void)
{
    static char stack[1 << 16];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_sigaction = trapped,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static void send(int to, const struct report *r)
{
    const char *at = (const char *)r;
    for (size_t left = sizeof *r; left;) {
        ssize_t n = write(to, at, left);
        if (n < 0 && errno != EINTR)
            _exit(EXIT_FAILURE);
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
}

__attribute__((noreturn)) static void work(const struct verify_case *cases, int first, int count,
                                           int to, pid_t parent)
{
    die_with(parent);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    watch_traps();
    verify_status = &shared->status;
    for (int i = first; i < count; i++) {
        shared->index = i;
        shared->status.gate[0] = '\0';
        const struct report r = {.index = i, .verdict = verify_case(&cases[i])};
        send(to, &r);
    }
    _exit(EXIT_SUCCESS);
}

static bool receive(int from, struct report *r)
{
    char *at = (char *)r;
    for (size_t left = sizeof *r; left;) {
        ssize_t n = read(from, at, left);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* How a worker ended, as the verdict of the case that ended it. */
static struct verdict obituary(int status, bool hung, double timeout)
{
    struct verdict v = {.kind = VERDICT_FAIL};
    const char *during = shared->status.gate[0] ? shared->status.gate : "set-up";
    const char *cause = hung ? "hang" : shared->touched[0] ? "hygiene" : "crash";
    snprintf(v.gate, sizeof v.gate, "%s", cause);
    if (hung)
        snprintf(v.message, sizeof v.message, "no progress for %.3g s in the %s gate, killed",
                 timeout, during);
    else if (shared->touched[0])
        snprintf(v.message, sizeof v.message, "touched memory %s (%s in the %s gate)",
                 shared->touched, strsignal(WTERMSIG(status)), during);
    else if (WIFSIGNALED(status))
        snprintf(v.message, sizeof v.message, "killed by signal %d (%s) in the %s gate",
                 WTERMSIG(status), strsignal(WTERMSIG(status)), during);
    else
        snprintf(v.message, sizeof v.message, "the worker exited with status %d in the %s gate",
                 WEXITSTATUS(status), during);
    return v;
}

/* A naive kernel under an emulator does some ten million operations a second. */
static double patience(const struct verify_case *c, double timeout)
{
    const struct op *op = op_find(c->entry->op);
    if (timeout > 0)
        return timeout;
    return 30 + (op && op->kind == c->problem.kind ? op->cost(&c->problem).flops_nominal / 1e7 : 0);
}

/* Waits for the next report. False: the worker is gone, or hung and has been killed. */
static bool await(int from, pid_t worker, const struct verify_case *cases, double timeout,
                  struct report *r, bool *hung)
{
    int64_t beats = -1;
    int index = -1;
    double since = now();
    for (;;) {
        int ready = poll(&(struct pollfd){.fd = from, .events = POLLIN}, 1, 50);
        if (ready > 0)
            return receive(from, r);
        if (beats != shared->status.beats || index != shared->index) {
            beats = shared->status.beats;
            index = shared->index;
            since = now();
        }
        if (now() - since > patience(&cases[index], timeout)) {
            *hung = true;
            kill(worker, SIGKILL);
            return false;
        }
    }
}

/* One worker from case `*next` on; advances *next past the last case that has a verdict. */
static bool one_worker(const struct verify_case *cases, int *next, int count,
                       struct verdict *verdicts, double timeout, case_done *done, void *user,
                       char error[ERROR_TEXT])
{
    int ends[2], status;
    if (pipe(ends)) {
        snprintf(error, ERROR_TEXT, "cannot make a pipe: %s", strerror(errno));
        return false;
    }
    shared->index = *next;
    shared->touched[0] = '\0';
    fflush(NULL);
    pid_t parent = getpid(), worker = fork();
    if (worker < 0) {
        snprintf(error, ERROR_TEXT, "cannot start a worker process: %s", strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (worker == 0) {
        close(ends[0]);
        work(cases, *next, count, ends[1], parent);
    }
    close(ends[1]);
    bool hung = false;
    struct report r;
    while (*next < count && await(ends[0], worker, cases, timeout, &r, &hung)) {
        verdicts[*next] = r.verdict;
        if (done)
            done(*next, &verdicts[*next], user);
        ++*next;
    }
    close(ends[0]);
    while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
        ;
    if (*next < count) {
        verdicts[*next] = obituary(status, hung, patience(&cases[*next], timeout));
        if (done)
            done(*next, &verdicts[*next], user);
        ++*next;
    }
    return true;
}

bool supervise(const struct verify_case *cases, int count, struct verdict *verdicts, double timeout,
               case_done *done, void *user, char error[ERROR_TEXT])
{
    /* Not the number of tasks in /proc: an emulator has threads of its own. */
    if (!__libc_single_threaded) {
        snprintf(error, ERROR_TEXT, "verification must begin before the process starts threads");
        return false;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        snprintf(error, ERROR_TEXT, "cannot map memory to share with the worker: %s",
                 strerror(errno));
        return false;
    }
    bool good = true;
    for (int next = 0; good && next < count;)
        good = one_worker(cases, &next, count, verdicts, timeout, done, user, error);
    munmap(shared, sizeof *shared);
    return good;
}

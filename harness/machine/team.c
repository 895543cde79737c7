/* Asks the runtime, and tries to start threads. */
#include "machine/team.h"
#include "machine/machine.h"

#include <ctype.h>
#include <errno.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What verification tries whatever was asked for. */
enum { LEAST = 3 };

static int known;

static void *stay(void *unused)
{
    pause();
    return unused;
}

/* In the child: how many threads there can be, itself included. */
static int start_threads(int want)
{
    int threads = 1;
    pthread_t id;
    while (threads < want && !pthread_create(&id, NULL, stay, NULL))
        threads++;
    return threads;
}

/* The largest team up to `want`. When a larger team follows a smaller one, the runtime starts new threads
 * while surplus ones are still ending. So there must be room for all threads but the first twice. The
 * child's own place does not count: verification needs a child, too. */
static int room_for(int want)
{
    int ends[2], threads = 1;
    if (pipe(ends))
        return 1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        threads = start_threads(2 * want - 1);
        _exit(write(ends[1], &threads, sizeof threads) == sizeof threads ? 0 : 1);
    }
    close(ends[1]);
    if (child > 0) {
        if (read(ends[0], &threads, sizeof threads) != sizeof threads)
            threads = 1;
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
    return (threads + 1) / 2;
}

int team_most(int want, char why[TEAM_TEXT])
{
    omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1)
        omp_set_max_active_levels(1);
    const int usual = omp_get_max_threads(), asked = want > LEAST ? want : LEAST,
              all = usual > asked ? usual : asked;
    const int granted = omp_get_thread_limit() < all ? omp_get_thread_limit() : all;
    const int room = granted > 1 ? room_for(granted) : 1;
    known = room > known ? room : known;
    if (room < usual)
        omp_set_num_threads(room);
    if (room >= want)
        return want;
    if (room < granted)
        snprintf(
            why, TEAM_TEXT,
            "the limits on processes (ulimit -u, a pids control group) leave room for no team larger than %d; "
            "raise them",
            room);
    else
        snprintf(why, TEAM_TEXT,
                 "the OpenMP runtime grants no team larger than %d; unset OMP_THREAD_LIMIT", room);
    return room;
}

int team_known(void)
{
    return known ? known : LEAST;
}

/* Puts a size at its place among those there are. */
static int insert(int sizes[MAX_TEAM_SIZES], int count, int size)
{
    int at = 0;
    while (at < count && sizes[at] < size)
        at++;
    if (at < count && sizes[at] == size)
        return count;
    memmove(sizes + at + 1, sizes + at, (size_t)(count - at) * sizeof *sizes);
    sizes[at] = size;
    return count + 1;
}

int team_sizes(const char *text, int most, int sizes[MAX_TEAM_SIZES], char error[ERROR_TEXT])
{
    int count = 0;
    for (const char *at = text;; at++) {
        char *end = (char *)at + 3;
        const bool max = !strncmp(at, "max", 3);
        const long size = max ? most : isdigit((unsigned char)*at) ? strtol(at, &end, 10) : 0;
        if (size < 1 || size > MAX_CPUS || (*end && *end != ',') || count == MAX_TEAM_SIZES) {
            explain(error,
                    "--threads '%.100s': give up to %d counts from 1 to %d or max, as in 1,2,max",
                    text, MAX_TEAM_SIZES, MAX_CPUS);
            return 0;
        }
        count = insert(sizes, count, (int)size);
        at = end;
        if (!*at)
            return count;
    }
}

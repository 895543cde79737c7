/* One thread, one lock, and what it is asked to do. */
#define _GNU_SOURCE /* CPU sets */
#include "train/ahead.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

struct ahead {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, stop;
    int cpu;
    void (*work)(void *user);
    void *user;
};

static void *run(void *user)
{
    struct ahead *a = user;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (a->cpu >= 0 && a->cpu < CPU_SETSIZE) {
        CPU_SET((unsigned)a->cpu, &cpus);
        /* Where it is refused the thread shares the core of the one that started it: slower, not wrong. */
        (void)pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    }
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->asked && !a->stop)
            pthread_cond_wait(&a->changed, &a->lock);
        if (!a->asked)
            break;
        pthread_mutex_unlock(&a->lock);
        a->work(a->user);
        pthread_mutex_lock(&a->lock);
        a->asked = false;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

struct ahead *ahead_start(int cpu, void (*work)(void *user), void *user)
{
    struct ahead *a = malloc(sizeof *a);
    if (!a)
        return NULL;
    *a = (struct ahead){.cpu = cpu, .work = work, .user = user};
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (!pthread_create(&a->thread, NULL, run, a))
        return a;
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

void ahead_begin(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->asked = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void ahead_wait(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->asked)
        pthread_cond_wait(&a->changed, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

void ahead_stop(struct ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* A thread of its own that does one piece of work at a time while the caller goes on. */
#ifndef BATCHMARK_AHEAD_H
#define BATCHMARK_AHEAD_H

struct ahead;

/* Starts the thread, on a CPU (below 0: any); `work(user)` is what it does when asked. NULL: it cannot be started. */
struct ahead *ahead_start(int cpu, void (*work)(void *user), void *user);
/* Asks for the work once; not before what was asked for last is done. */
void ahead_begin(struct ahead *a);
/* Returns when nothing asked for is left to do. */
void ahead_wait(struct ahead *a);
/* Waits, and ends the thread. NULL is none. */
void ahead_stop(struct ahead *a);

#endif

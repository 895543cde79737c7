/* A thread that does one piece of work at a time while the caller continues. */
#ifndef BATCHMARK_AHEAD_H
#define BATCHMARK_AHEAD_H

struct ahead;

/* Starts the thread on a CPU (below 0: any). It calls work(user) when asked. NULL: it cannot start. */
struct ahead *ahead_start(int cpu, void (*work)(void *user), void *user);
/* Asks for the work once. Call it only when the last work asked for is done. */
void ahead_begin(struct ahead *a);
/* Returns when all work asked for is done. */
void ahead_wait(struct ahead *a);
/* Waits for the work and ends the thread. NULL: does nothing. */
void ahead_stop(struct ahead *a);

#endif

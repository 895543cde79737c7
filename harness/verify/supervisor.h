/* Runs cases in a worker process, so that a kernel that crashes, hangs or exits is one failed case.
 *
 * The supervisor is the calling process. It never enters OpenMP itself, because a forked child of a
 * process that has cannot; so it must be called before the caller has. After a case that killed the
 * worker a new one goes on with the next. */
#ifndef BATCHMARK_SUPERVISOR_H
#define BATCHMARK_SUPERVISOR_H

#include "verify/verify.h"

#include <sys/types.h>

/* Called in the supervisor after each case, in order. */
typedef void case_done(int index, const struct verdict *v, void *user);

/* Fills verdicts[count]. A worker that shows no progress (a finished kernel call or comparison) for
 * `timeout` seconds is killed; 0: half a minute, plus what a slow kernel may take for the problem.
 * A crash is VERDICT_FAIL with gate "crash", or "hygiene" where a guard page was touched; a hang
 * has gate "hang". False: nothing was run, `error` says why. */
bool supervise(const struct verify_case *cases, int count, struct verdict *verdicts, double timeout,
               case_done *done, void *user, char error[ERROR_TEXT]);

/* For a child that was just forked: it ends when its parent does, which may have ended already. */
void die_with(pid_t parent);

#endif

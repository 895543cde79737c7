/* Runs cases in a worker process, so that a kernel that crashes, hangs or exits fails one case only.
 *
 * The supervisor is the calling process. A child of a process that has entered OpenMP cannot use OpenMP.
 * So the supervisor never enters it, and the caller must not have done so before. If a case kills the
 * worker, a new worker continues with the next case. */
#ifndef BATCHMARK_SUPERVISOR_H
#define BATCHMARK_SUPERVISOR_H

#include "verify/verify.h"

#include <sys/types.h>

/* Called in the supervisor after each case, in order. */
typedef void case_done(int index, const struct verdict *v, void *user);

/* Fills verdicts[count]. A worker that finishes no kernel call or comparison for `timeout` seconds is
 * killed; 0: half a minute plus the time that a slow kernel may take for the problem. A crash is
 * VERDICT_FAIL with gate "crash", or "hygiene" if a guard page was touched; a hang has gate "hang".
 * False: nothing was run, and `error` says why. */
bool supervise(const struct verify_case *cases, int count, struct verdict *verdicts, double timeout,
               case_done *done, void *user, char error[ERROR_TEXT]);

/* Called in a new child: the child then ends with its parent, which may already have ended. */
void die_with(pid_t parent);

#endif

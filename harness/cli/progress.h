/* A progress line that is redrawn on a terminal, and a plain line now and then elsewhere; on stderr. */
#ifndef BATCHMARK_PROGRESS_H
#define BATCHMARK_PROGRESS_H

#include "bench/bench.h"

struct progress_line {
    bool terminal;
    double last; /* when it was drawn; set it to now() at the start */
    bool open;   /* an unfinished line is on the terminal */
};

bench_progress_fn progress_show; /* user: struct progress_line * */
void progress_end(struct progress_line *line);

#endif

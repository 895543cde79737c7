/* Shows how far a run is. */
#include "cli/progress.h"
#include "core/clock.h"

#include <math.h>
#include <stdio.h>

/* Seconds between two lines where nobody watches. */
#define LINE_EVERY 10

void progress_show(const struct bench_progress *p, void *user)
{
    struct progress_line *r = user;
    double t = now();
    bool end = p->done == p->total;
    if (!end && t - r->last < (r->terminal ? 0.1 : LINE_EVERY))
        return;
    r->last = t;
    char text[160];
    snprintf(text, sizeof text, "%s %d/%d, about %.0f s left: %s", p->phase, p->done, p->total,
             ceil(p->seconds_left), p->name);
    if (r->terminal)
        fprintf(stderr, "\r%-100.100s%s", text, end ? "\n" : "");
    else
        fprintf(stderr, "%s\n", text);
    r->open = r->terminal && !end;
}

void progress_end(struct progress_line *line)
{
    if (line->open)
        fputc('\n', stderr);
    line->open = false;
}

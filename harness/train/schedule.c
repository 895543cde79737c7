/* Schedules of the learning rate, in closed form, so that a run can go on anywhere. */
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const int64_t most = INT64_C(1000000000000);

/* Is a number of updates possible? */
static bool counts(long long n)
{
    return n >= 1 && n <= most;
}

bool schedule_parse(const char *text, struct schedule *out, char error[ERROR_TEXT])
{
    long long number;
    double factor;
    int end = 0;
    char rest[2];
    const char *at = text;
    *out = (struct schedule){0};
    if (sscanf(at, " warmup %lld%n", &number, &end) == 1 && end && counts(number)) {
        out->warmup = number;
        at += end;
        at += strspn(at, " ");
        if (!*at)
            return true;
        at = *at == ',' ? at + 1 : "?"; /* which is no schedule */
    }
    char word[16] = "";
    const int words = sscanf(at, " %15s %1s", word, rest);
    if (words == 1 && !strcmp(word, "constant"))
        return true;
    if (!strcmp(word, "step") && sscanf(at, " step %lld %lf %1s", &number, &factor, rest) == 2 &&
        counts(number) && factor > 0 && factor <= 1) {
        out->kind = SCHEDULE_STEP;
        out->every = number;
        out->factor = factor;
        return true;
    }
    if (words == 1 && !strcmp(word, "cosine")) {
        out->kind = SCHEDULE_COSINE;
        return true;
    }
    if (!strcmp(word, "cosine") && sscanf(at, " cosine %lld %1s", &number, rest) == 1 &&
        counts(number) && number > out->warmup) {
        out->kind = SCHEDULE_COSINE;
        out->steps = number;
        return true;
    }
    return explain(
        error,
        "--schedule '%.100s': give constant, step EVERY FACTOR (above 0, at most 1) or cosine [STEPS] (more than N), "
        "or any of them after 'warmup N,', as in 'warmup 500, cosine'; all counted in steps, from 1 to 1e12",
        text);
}

char *schedule_print(const struct schedule *s, char text[SCHEDULE_TEXT])
{
    int n = 0;
    if (s->warmup)
        n = snprintf(text, SCHEDULE_TEXT, "warmup %lld, ", (long long)s->warmup);
    char *at = text + n;
    const size_t room = SCHEDULE_TEXT - (size_t)n;
    if (s->kind == SCHEDULE_STEP)
        snprintf(at, room, "step %lld %.17g", (long long)s->every, s->factor);
    else if (s->kind == SCHEDULE_COSINE && s->steps)
        snprintf(at, room, "cosine %lld", (long long)s->steps);
    else
        snprintf(at, room, "%s", s->kind == SCHEDULE_COSINE ? "cosine" : "constant");
    return text;
}

double schedule_factor(const struct schedule *s, int64_t step)
{
    const int64_t done = step - 1 - s->warmup;
    if (done < 0)
        return (double)step / (double)s->warmup;
    if (s->kind == SCHEDULE_STEP)
        return pow(s->factor, (double)(done / s->every));
    if (s->kind == SCHEDULE_COSINE) {
        const double share = (double)done / (double)(s->steps - s->warmup);
        return share < 1 ? 0.5 * (1 + cos(3.14159265358979323846 * share)) : 0;
    }
    return 1;
}

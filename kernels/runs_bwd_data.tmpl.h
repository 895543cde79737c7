/* Gradient of the data at stride 1 by the tiles of runs_fwd.tmpl.h: it is the forward convolution of diff_dst whose kernels are
 * turned by half a turn, inputs and outputs exchanged, and whose padding is what the kernel reaches beyond its first tap,
 * less the padding. Weights are turned once a call, into scratch. Defines gradient_scratch(), gradient_fits() and
 * gradient_run(). */
#include "runs_fwd.tmpl.h"

/* The forward convolution. */
static struct problem gradient_problem(const struct problem *problem)
{
    struct problem forward = *problem;
    const struct conv *p = &problem->conv;
    struct conv *f = &forward.conv;
    f->ic = p->oc;
    f->oc = p->ic;
    f->ih = p->oh;
    f->iw = p->ow;
    f->oh = p->ih;
    f->ow = p->iw;
    f->ph = (p->kh - 1) * (p->dh + 1) - p->ph;
    f->pw = (p->kw - 1) * (p->dw + 1) - p->pw;
    return forward;
}

static struct formats gradient_formats(struct formats f)
{
    return (struct formats){f.dst, f.src};
}

static const char *gradient_fits(const struct problem *p, struct formats f)
{
    const struct problem forward = gradient_problem(p);
    if (p->conv.sh > 1 || p->conv.sw > 1)
        return "has a stride";
    if (forward.conv.ph < 0 || forward.conv.pw < 0)
        return "padding beyond the kernel's reach";
    return runs_fits(&forward, gradient_formats(f));
}

/* Bytes of the turned weights, whole cache lines. */
static size_t turned_bytes(const struct conv *p)
{
    return (size_t)div_up(p->oc * p->ic * p->kh * p->kw, 16) * 16 * sizeof(float);
}

static size_t gradient_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct problem forward = gradient_problem(p);
    return turned_bytes(&p->conv) + runs_scratch(&forward, gradient_formats(f), h);
}

/* Tiles: V inputs. weights[oc][ic][tap] to turned[ic][oc][last tap - tap]. */
static void turn_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct conv *p = &a->problem->conv;
    const int64_t taps = p->kh * p->kw;
    (void)thread;
    for (int64_t c = first * V; c < min_i64(last * V, p->ic); c += V) {
        const int64_t inputs = min_i64(p->ic - c, V);
        const float *from = a->t[WEIGHTS] + c * taps;
        float *to = (float *)a->scratch + c * p->oc * taps;
        for (int64_t o = 0; taps == 1 && o < p->oc; o += V) {
            vf m[V];
            load_transposed(m, from + o * p->ic, p->ic, min_i64(p->oc - o, V), inputs);
            for (int64_t i = 0; i < inputs; i++)
                vstore_n(to + i * p->oc + o, m[i], min_i64(p->oc - o, V));
        }
        for (int64_t o = 0; taps > 1 && o < p->oc; o++)
            for (int64_t i = 0; i < inputs; i++)
                for (int64_t t = 0; t < taps; t++)
                    to[(i * p->oc + o) * taps + taps - 1 - t] = from[(o * p->ic + i) * taps + t];
    }
}

static void gradient_run(const struct args *a)
{
    const struct problem forward = gradient_problem(a->problem);
    struct args b = {.problem = &forward,
                     .formats = gradient_formats(a->formats),
                     .scratch = (char *)a->scratch + turned_bytes(&a->problem->conv),
                     .hints = a->hints};
    b.t[SRC] = a->t[DIFF_DST];
    b.t[WEIGHTS] = a->scratch;
    b.t[DST] = a->t[DIFF_SRC];
    run_tiles(a, div_up(a->problem->conv.ic, V), turn_weights);
    runs_run(&b);
}

/* Gradient of the data at stride 1 by a forward pass. It is the forward convolution of diff_dst with kernels rotated by
 * 180 degrees, with inputs and outputs exchanged, and with padding (k - 1) dilation - p, where p is the padding of the
 * convolution. Weights are rotated once per call, into scratch. The includer includes the forward pass, defines its three
 * functions as FORWARD_SCRATCH, FORWARD_RUN and FORWARD_FITS, and gets gradient_fits(), gradient_scratch() and
 * gradient_run(). */
#include "shared/turn.h"

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
    return FORWARD_FITS(&forward, gradient_formats(f));
}

/* Bytes of the turned weights, whole cache lines. */
static size_t turned_bytes(const struct conv *p)
{
    return (size_t)div_up(p->oc * (p->ic / p->g) * p->kh * p->kw, 16) * 16 * sizeof(float);
}

static size_t gradient_scratch(const struct problem *p, struct formats f, const struct hints *h)
{
    const struct problem forward = gradient_problem(p);
    return turned_bytes(&p->conv) + FORWARD_SCRATCH(&forward, gradient_formats(f), h);
}

/* Tiles: V inputs of a group. Turns weights[oc][ic][tap] of each group to [ic][oc][last tap - tap]. */
static void turn_weights(const struct args *a, int64_t first, int64_t last, int thread)
{
    const struct conv *p = &a->problem->conv;
    const int64_t taps = p->kh * p->kw, ic = p->ic / p->g, oc = p->oc / p->g,
                  vectors = div_up(ic, V);
    (void)thread;
    for (int64_t tile = first; tile < last; tile++) {
        const int64_t group = tile / vectors * ic * oc * taps, c = tile % vectors * V;
        const int64_t inputs = min_i64(ic - c, V);
        const float *from = a->t[WEIGHTS] + group + c * taps;
        float *to = (float *)a->scratch + group + c * oc * taps;
        if (taps == 1)
            turn_to_planes(to, oc, from, ic, inputs, oc);
        for (int64_t o = 0; taps > 1 && o < oc; o++)
            for (int64_t i = 0; i < inputs; i++)
                for (int64_t t = 0; t < taps; t++)
                    to[(i * oc + o) * taps + taps - 1 - t] = from[(o * ic + i) * taps + t];
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
    const struct conv *p = &a->problem->conv;
    run_tiles(a, p->g * div_up(p->ic / p->g, V), turn_weights);
    FORWARD_RUN(&b);
}

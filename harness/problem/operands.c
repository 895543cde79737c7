/* Operands in guarded memory, and the numbers in them. */
#include "problem/operands.h"
#include "core/limits.h"
#include "core/rng.h"

#include "problem/layout.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CACHE_LINE = 64 };

/* Buffers */

static char *first_byte(const struct buffer *b)
{
    return (char *)b->map + (b->guarded ? b->page : 0);
}

static char *end_byte(const struct buffer *b)
{
    return (char *)b->map + b->map_bytes - (b->guarded ? b->page : 0);
}

static char *down_to(char *at, size_t multiple)
{
    return at - (uintptr_t)at % multiple;
}

static bool buffer_make(struct buffer *b, size_t bytes, bool blocked, unsigned flags)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *b = (struct buffer){.page = page, .bytes = bytes, .guarded = flags & OPERANDS_GUARDED};
    if (bytes == 0)
        return true;
    /* Two cache lines of room to move the tensor in. */
    size_t inner = (bytes + 2 * CACHE_LINE + page - 1) / page * page;
    b->map_bytes = inner + (b->guarded ? 2 * page : 0);
    b->map = mmap(NULL, b->map_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->map == MAP_FAILED) {
        b->map = NULL;
        return false;
    }
    char *first = first_byte(b), *end = end_byte(b);
    bool odd = !blocked && (flags & OPERANDS_ODD);
    if (!b->guarded || (flags & OPERANDS_FRONT))
        b->data = odd && !b->guarded ? first + 4 : first;
    else if (odd)
        b->data = down_to(end - bytes - 4, CACHE_LINE) + 4;
    else
        b->data = blocked ? down_to(end - bytes, CACHE_LINE) : end - bytes;
    return !b->guarded || (!mprotect(b->map, page, PROT_NONE) && !mprotect(end, page, PROT_NONE));
}

static void buffer_free(struct buffer *b)
{
    if (b->map)
        munmap(b->map, b->map_bytes);
    *b = (struct buffer){0};
}

static unsigned char canary_byte(const char *at)
{
    const uint32_t word = NAN_CANARY;
    return ((const unsigned char *)&word)[(uintptr_t)at % 4];
}

static void canary_write(const struct buffer *b)
{
    for (char *at = first_byte(b); at < b->data; at++)
        *(unsigned char *)at = canary_byte(at);
    for (char *at = b->data + b->bytes; at < end_byte(b); at++)
        *(unsigned char *)at = canary_byte(at);
}

static bool canary_intact(const struct buffer *b)
{
    for (char *at = first_byte(b); at < b->data; at++)
        if (*(unsigned char *)at != canary_byte(at))
            return false;
    for (char *at = b->data + b->bytes; at < end_byte(b); at++)
        if (*(unsigned char *)at != canary_byte(at))
            return false;
    return true;
}

double operands_bytes(const struct op *op, const struct variant *v, const struct problem *p,
                      struct formats f, struct hints h, unsigned flags)
{
    struct tensor_spec all[ROLE_COUNT];
    int count = op->tensors(p, f, all);
    double bytes = v->scratch_size ? (double)v->scratch_size(p, f, &h) : 0;
    for (int i = 0; i < count; i++)
        if (!all[i].optional || !(flags & OPERANDS_NO_OPTIONAL))
            bytes += (double)tensor_physical(&all[i]) * sizeof(float);
    return bytes;
}

bool operands_make(struct operands *o, const struct op *op, const struct variant *v,
                   const struct problem *p, struct formats f, struct hints h, unsigned flags,
                   char error[ERROR_TEXT])
{
    *o = (struct operands){.problem = *p};
    o->args = (struct args){.problem = &o->problem, .formats = f, .hints = h};
    struct tensor_spec all[ROLE_COUNT];
    int count = op->tensors(p, f, all);
    size_t scratch = v->scratch_size ? v->scratch_size(p, f, &h) : 0;
    const double bytes = operands_bytes(op, v, p, f, h, flags);
    for (int i = 0; i < count; i++)
        if (!all[i].optional || !(flags & OPERANDS_NO_OPTIONAL))
            o->specs[o->count++] = all[i];
    if (!memory_holds(bytes, "the operands and scratch", error, ERROR_TEXT))
        return false;
    bool good = buffer_make(&o->scratch, scratch, true, flags);
    for (int i = 0; i < o->count; i++) {
        const struct tensor_spec *t = &o->specs[i];
        good = good && buffer_make(&o->buffers[i], (size_t)tensor_physical(t) * sizeof(float),
                                   t->layout == NCHW16C, flags);
        o->args.t[t->role] = (float *)o->buffers[i].data;
    }
    o->args.scratch = o->scratch.data;
    if (!good) {
        snprintf(error, ERROR_TEXT,
                 "cannot map %.1f MiB for operands and scratch; use smaller sizes", bytes / 0x1p20);
        operands_free(o);
    }
    return good;
}

void operands_free(struct operands *o)
{
    for (int i = 0; i < o->count; i++)
        buffer_free(&o->buffers[i]);
    buffer_free(&o->scratch);
    o->count = 0;
}

int operands_find(const struct operands *o, enum role role)
{
    for (int i = 0; i < o->count; i++)
        if (o->specs[i].role == role)
            return i;
    return -1;
}

void operands_set(struct operands *o, enum role role, const float *plain)
{
    int i = operands_find(o, role);
    if (i >= 0)
        layout_from_plain(&o->specs[i], plain, o->args.t[role]);
}

void operands_get(const struct operands *o, enum role role, float *plain)
{
    int i = operands_find(o, role);
    if (i >= 0)
        layout_to_plain(&o->specs[i], o->args.t[role], plain);
}

const char *operands_damage(const struct operands *o)
{
    for (int i = 0; i < o->count; i++)
        if (o->buffers[i].map && !canary_intact(&o->buffers[i]))
            return role_names[o->specs[i].role];
    return o->scratch.map && !canary_intact(&o->scratch) ? "scratch" : NULL;
}

/* Text and numbers without snprintf, which is not safe in a signal handler. */
static char *write_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    *at = '\0';
    return at;
}

static char *write_number(char *at, size_t number)
{
    char digits[24];
    int n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while (number /= 10);
    while (n)
        *at++ = digits[--n];
    return at;
}

static bool explain_buffer(const struct buffer *b, const char *name, const char *address,
                           char text[128])
{
    if (!b->guarded || address < (char *)b->map || address >= (char *)b->map + b->map_bytes)
        return false;
    bool before = address < b->data;
    const char *end = b->data + b->bytes;
    char *at = write_number(text, (size_t)(before ? b->data - address : address - end));
    write_text(write_text(at, before ? " bytes before the start of " : " bytes past the end of "),
               name);
    return true;
}

bool operands_explain(const struct operands *o, const void *address, char text[128])
{
    for (int i = 0; i < o->count; i++)
        if (explain_buffer(&o->buffers[i], role_names[o->specs[i].role], address, text))
            return true;
    return explain_buffer(&o->scratch, "scratch", address, text);
}

/* Data */

static void fill_words(void *to, size_t bytes, uint32_t word)
{
    char *at = to;
    int64_t words = (int64_t)(bytes / 4);
#pragma omp parallel for schedule(static) if (words > 1 << 16)
    for (int64_t i = 0; i < words; i++)
        memcpy(at + 4 * i, &word, 4);
    memcpy(at + 4 * words, &word, bytes % 4);
}

void operands_reset(struct operands *o)
{
    for (int i = 0; i < o->count; i++) {
        if (o->specs[i].output && o->buffers[i].map)
            fill_words(o->buffers[i].data, o->buffers[i].bytes, NAN_OUTPUT);
        if (o->buffers[i].map)
            canary_write(&o->buffers[i]);
    }
    if (o->scratch.map) {
        fill_words(o->scratch.data, o->scratch.bytes, NAN_SCRATCH);
        canary_write(&o->scratch);
    }
}

/* How to draw one operand. */
struct draw {
    uint64_t seed;
    enum role role;
    enum {
        DRAW_MAGNITUDE,
        DRAW_UNIFORM,
        DRAW_POSITIVE,
        DRAW_SIGNED_SCALE,
        DRAW_INTEGER,
        DRAW_ONE,
        DRAW_POWER,
        DRAW_FAR,
        DRAW_SIGNED_POWER,
        DRAW_MIRRORED
    } how;
    int64_t most;   /* INTEGER: magnitudes 1..most; MIRRORED: deviations up to it */
    double density; /* share of entries that are not zero */
    int64_t hw, n;  /* MIRRORED: pixels of a plane, values of a channel */
    int64_t centre;
    double far; /* FAR: magnitudes from it to 1.1 times it */
};

static float draw_mirrored(const struct draw *d, int64_t c, int64_t position)
{
    int64_t twin = position ^ 1, first = min_i64(position, twin);
    if (twin == d->n)
        return (float)d->centre;
    uint64_t bits = rng_at(d->seed, d->role + 64, (uint64_t)(c * d->n + first));
    /* Neither a value nor its distance from the mean is zero: one left out would not be missed. */
    int64_t deviation = 1 + (int64_t)((bits >> 8) % (uint64_t)d->most);
    deviation = deviation == d->centre ? 1 : deviation;
    return (float)(d->centre + ((position == first) == (bool)(bits & 1) ? deviation : -deviation));
}

static float draw_at(const struct draw *d, int64_t index)
{
    uint64_t bits = rng_at(d->seed, d->role, (uint64_t)index);
    float unit = rng_unit(bits), sign = bits & 1 ? 1 : -1;
    if (d->density < 1 && rng_unit(rng_at(d->seed, d->role + 32, (uint64_t)index)) >= d->density)
        return 0;
    switch (d->how) {
    case DRAW_MAGNITUDE: return sign * (0.5f + 0.5f * unit);
    case DRAW_UNIFORM: return sign * unit;
    case DRAW_POSITIVE: return 0.5f + unit;
    case DRAW_SIGNED_SCALE: return sign * (0.5f + unit);
    case DRAW_INTEGER: return sign * (float)(1 + (bits >> 8) % (uint64_t)d->most);
    case DRAW_POWER: return bits & 2 ? 4 : 1;
    case DRAW_SIGNED_POWER: return sign * (bits & 2 ? 2.0f : 1.0f);
    case DRAW_FAR: return sign * (float)d->far * (1 + 0.1f * unit);
    case DRAW_ONE: return 1;
    case DRAW_MIRRORED: break;
    }
    return 0;
}

static void fill_tensor(const struct draw *d, const struct tensor_spec *t, float *out)
{
    if (t->ndim != 4 || t->layout == FLAT) {
        int64_t n = tensor_logical(t);
#pragma omp parallel for schedule(static) if (n > 1 << 16)
        for (int64_t i = 0; i < n; i++)
            out[i] = draw_at(d, i);
        return;
    }
    if (t->layout == NCHW16C)
        fill_words(out, (size_t)tensor_physical(t) * sizeof *out, 0);
    int64_t channels = t->dims[1], planes = t->dims[0] * channels, hw = t->dims[2] * t->dims[3];
#pragma omp parallel for schedule(static) if (planes * hw > 1 << 16)
    for (int64_t plane = 0; plane < planes; plane++) {
        int64_t n = plane / channels, c = plane % channels;
        struct plane at = layout_plane(t, n, c);
        for (int64_t i = 0; i < hw; i++)
            out[at.base + i * at.stride] = d->how == DRAW_MIRRORED ? draw_mirrored(d, c, n * hw + i)
                                                                   : draw_at(d, plane * hw + i);
    }
}

/* The most products one output sums up. */
static int64_t most_products(const struct op *op, const struct problem *p)
{
    const struct conv *c = &p->conv;
    if (p->kind == PROBLEM_GEMM)
        return p->gemm.k + 1;
    if (p->kind != PROBLEM_CONV)
        return 1;
    if (op->pass == BACKWARD_DATA)
        return c->oc / c->g * c->kh * c->kw;
    if (op->pass == BACKWARD_WEIGHTS)
        return c->mb * c->oh * c->ow;
    return c->ic / c->g * c->kh * c->kw + 1;
}

/* Whether the operation may have variants by F(2x2,3x3) that do this problem. */
static bool has_winograd2(const struct op *op, const struct conv *c)
{
    return op->pass == FORWARD && !op->statistics && c->kh == 3 && c->kw == 3 && c->sh == 1 &&
           c->sw == 1 && !c->dh && !c->dw;
}

/* Integers so small that sums stay exact. The intermediate sums of F(2x2,3x3) are multiples of 1/4 and up
 * to 9 times as large on either side (row sums of its matrices): 36 times the direct sum in units. 64
 * leaves room for a folded scale. If even +-1 is too large, some entries are zero. A missing product does
 * not show if its entry is zero, so sums of plain products use zeros only above 2^24 products. A few zeros
 * leave room for a bias and for what a folded batch normalization adds. */
static void draw_products(struct draw *d, const struct op *op, const struct problem *p)
{
    double products = (double)most_products(op, p), most = 0x1p24 / 64;
    bool winograd = p->kind == PROBLEM_CONV && has_winograd2(op, &p->conv);
    if (!winograd && most < products)
        most = fmin(products, 0x1p24 - 0x1p10);
    double room = most / products;
    d->how = DRAW_INTEGER;
    d->most = max_i64(1, min_i64(7, (int64_t)sqrt(room)));
    d->density = room < 1 ? sqrt(room) : 1;
}

/* BN training: pairs of values mirrored around a power of two (`centre`), so that mean and variance are
 * exact. n (centre + most)^2 stays below 2^24, so that the sum of squares is exact, too; for more than
 * 2^20 values the centre is zero. The values of a pair are neighbours. So a part with an even number of
 * values has the same mean, and a variant may take squares about the mean of a part. */
static void draw_mirror(struct draw *d, const struct problem *p)
{
    d->how = DRAW_MIRRORED;
    d->hw = p->bn.ih * p->bn.iw;
    d->n = p->bn.mb * d->hw;
    int64_t room = (int64_t)sqrt(0x1p24 / (double)d->n);
    d->centre = room >= 11 ? 4 : room >= 4 ? 2 : 0;
    d->most = max_i64(1, min_i64(7, room - d->centre));
}

static void choose(struct draw *d, const struct op *op, const struct problem *p, enum fill kind)
{
    bool products = p->kind == PROBLEM_CONV || p->kind == PROBLEM_GEMM;
    bool integer = kind == FILL_INTEGER, backward = op->pass != FORWARD;
    d->density = 1;
    if (p->kind == PROBLEM_ITERATIONS) {
        d->how = DRAW_ONE;
        return;
    }
    switch (d->role) {
    case MEAN:
        d->how = integer ? DRAW_INTEGER : DRAW_UNIFORM;
        d->most = 2;
        /* Sums of dy (x - mean) over 2^22 values and more are exact about zero alone, where no term is zero either. */
        if (integer && backward && p->bn.mb * p->bn.ih * p->bn.iw > 1 << 14)
            d->density = 0;
        break;
    case VARIANCE: d->how = integer ? DRAW_POWER : DRAW_POSITIVE; break;
    case GAMMA: d->how = integer ? DRAW_SIGNED_POWER : DRAW_SIGNED_SCALE; break;
    case BETA:
        d->how = integer ? DRAW_INTEGER : DRAW_UNIFORM;
        d->most = 3;
        break;
    default:
        if (kind == FILL_FAR && d->role == BIAS) {
            d->how = DRAW_FAR;
            /* Magnitudes in [0.5, 1) have a mean square of 7/12. */
            d->far = 1e4 * 7 / 12 * sqrt((double)most_products(op, p));
        } else if (products && integer) {
            draw_products(d, op, p);
        } else if (products) {
            d->how = DRAW_MAGNITUDE;
        } else if (integer && op->statistics) {
            draw_mirror(d, p);
        } else if (integer) {
            /* Sums of dy (x - mean) over a channel, |mean| <= 2. */
            int64_t room = (int64_t)sqrt(0x1p22 / (double)(p->bn.mb * p->bn.ih * p->bn.iw)) - 2;
            d->how = DRAW_INTEGER;
            d->most = max_i64(1, min_i64(7, room));
        } else {
            d->how = DRAW_UNIFORM;
        }
    }
    if (kind == FILL_IMPULSE && d->role == (backward ? DIFF_DST : SRC))
        d->density = 1.0 / 32;
}

/* mean[C] and variance[C] of src in any layout, in float64. */
static void fill_statistics(struct operands *o)
{
    int at = operands_find(o, SRC);
    const struct tensor_spec *t = &o->specs[at];
    const float *src = o->args.t[SRC];
    int64_t hw = t->dims[2] * t->dims[3];
#pragma omp parallel for schedule(static) if (tensor_logical(t) > 1 << 16)
    for (int64_t c = 0; c < t->dims[1]; c++) {
        double sum = 0, m2 = 0, n = (double)(t->dims[0] * hw);
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t image = 0; image < t->dims[0]; image++) {
                struct plane plane = layout_plane(t, image, c);
                for (int64_t i = 0; i < hw; i++) {
                    double x = src[plane.base + i * plane.stride];
                    if (pass == 0)
                        sum += x;
                    else
                        m2 += (x - sum / n) * (x - sum / n);
                }
            }
        }
        o->args.t[MEAN][c] = (float)(sum / n);
        o->args.t[VARIANCE][c] = (float)(m2 / n);
    }
}

void operands_fill(struct operands *o, const struct op *op, uint64_t seed, enum fill kind)
{
    operands_reset(o);
    for (int i = 0; i < o->count; i++) {
        if (o->specs[i].output)
            continue;
        struct draw d = {.seed = seed, .role = o->specs[i].role};
        choose(&d, op, &o->problem, kind);
        fill_tensor(&d, &o->specs[i], o->args.t[d.role]);
    }
    if (op->kind == PROBLEM_BN && op->pass != FORWARD && kind != FILL_INTEGER)
        fill_statistics(o);
}

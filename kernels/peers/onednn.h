/* oneDNN as a peer: what its primitives share. Primitives are made in prepare, in the layouts the library asks for.
 *
 * If the library's layout is the layout of our operand, the primitive works on our memory. Otherwise it works on memory
 * of its own, and the conversion is a primitive, too:
 *   - in layouts other than nchw16c it is part of the run, because a caller with such tensors would pay for it;
 *   - in nchw16c, the row of the library's best layout, it is untimed: inputs and weights in prepare, results in finish.
 * Rows of `reorder` time conversions alone.
 *
 * If a call of the library fails, the handle computes nothing, and verification reports that. */
#ifndef BATCHMARK_ONEDNN_H
#define BATCHMARK_ONEDNN_H

#include "kernel.h"

#include <dnnl.h>
#include <omp.h>
#include <stdlib.h>

enum { ONEDNN_OPERANDS = 12 };

struct onednn_operand {
    bool output;
    dnnl_memory_t ours, theirs; /* ours is NULL where the primitive works on it directly */
    dnnl_primitive_t convert; /* from one to the other, by the direction of the operand; or NULL */
};

struct onednn {
    bool good;   /* no call has failed so far */
    bool inside; /* conversions are part of the run */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    struct onednn_operand operands[ONEDNN_OPERANDS];
    dnnl_exec_arg_t args[ONEDNN_OPERANDS];
    int count;
};

static const char *onednn_peer(void)
{
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    char *at = text;
    const int parts[] = {v->major, v->minor, v->patch};
    for (const char *s = "oneDNN "; *s; s++)
        *at++ = *s;
    for (int i = 0; i < 3; i++) {
        if (i)
            *at++ = '.';
        if (parts[i] >= 10)
            *at++ = (char)('0' + parts[i] / 10 % 10);
        *at++ = (char)('0' + parts[i] % 10);
    }
    *at = '\0';
    return text;
}

/* The library takes its team from the OpenMP runtime; the size before is returned, to be set again. */
static inline int onednn_team(const struct args *a)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(a->hints.threads);
    return before;
}

static inline void onednn_check(struct onednn *h, dnnl_status_t status)
{
    h->good = h->good && status == dnnl_success;
}

static inline struct onednn *onednn_open(const struct args *a)
{
    struct onednn *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->good = true;
    h->inside = a->formats.src != NCHW16C;
    onednn_check(h, dnnl_engine_create(&h->engine, dnnl_cpu, 0));
    if (h->good)
        onednn_check(h, dnnl_stream_create(&h->stream, h->engine, dnnl_stream_default_flags));
    return h;
}

static inline void onednn_clear(struct onednn *h)
{
    for (int i = 0; i < h->count; i++) {
        dnnl_primitive_destroy(h->operands[i].convert);
        dnnl_memory_destroy(h->operands[i].ours);
        dnnl_memory_destroy(h->operands[i].theirs);
    }
    dnnl_primitive_destroy(h->primitive);
}

static void onednn_release(void *handle)
{
    struct onednn *h = handle;
    onednn_clear(h);
    dnnl_stream_destroy(h->stream);
    dnnl_engine_destroy(h->engine);
    free(h);
}

/* The descriptor of an activation as it lies in our memory. */
static inline dnnl_memory_desc_t onednn_activation(enum layout layout, int64_t n, int64_t c,
                                                   int64_t h, int64_t w)
{
    const dnnl_dims_t dims = {n, c, h, w};
    dnnl_memory_desc_t md = {0};
    dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32,
                                 layout == NCHW   ? dnnl_nchw
                                 : layout == NHWC ? dnnl_nhwc
                                                  : dnnl_nChw16c);
    return md;
}

static inline dnnl_memory_desc_t onednn_vector(int64_t n)
{
    const dnnl_dims_t dims = {n};
    dnnl_memory_desc_t md = {0};
    dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_a);
    return md;
}

/* The same tensor in whatever layout the library prefers. */
static inline dnnl_memory_desc_t onednn_any(const dnnl_memory_desc_t *ours)
{
    dnnl_memory_desc_t md = {0};
    dnnl_memory_desc_init_by_tag(&md, ours->ndims, ours->dims, dnnl_f32, dnnl_format_tag_any);
    return md;
}

static inline dnnl_memory_desc_t onednn_same(const dnnl_memory_desc_t *ours)
{
    return *ours;
}

static inline void onednn_convert(struct onednn *h, const struct onednn_operand *o)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, o->output ? o->theirs : o->ours},
                                    {DNNL_ARG_TO, o->output ? o->ours : o->theirs}};
    onednn_check(h, dnnl_primitive_execute(o->convert, h->stream, 2, args));
}

/* Adds an operand of the primitive: `ours` says how it lies at `data`. */
static inline void onednn_operand(struct onednn *h, const_dnnl_primitive_desc_t pd, int arg,
                                  const dnnl_memory_desc_t *ours, float *data, bool output)
{
    struct onednn_operand *o = &h->operands[h->count];
    dnnl_primitive_desc_t reorder = NULL;
    if (!h->good)
        return;
    const dnnl_memory_desc_t *theirs =
        dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    o->output = output;
    if (dnnl_memory_desc_equal(ours, theirs)) {
        onednn_check(h, dnnl_memory_create(&o->theirs, theirs, h->engine, data));
    } else {
        onednn_check(h, dnnl_memory_create(&o->ours, ours, h->engine, data));
        onednn_check(h, dnnl_memory_create(&o->theirs, theirs, h->engine, DNNL_MEMORY_ALLOCATE));
        onednn_check(h,
                     dnnl_reorder_primitive_desc_create(&reorder, output ? theirs : ours, h->engine,
                                                        output ? ours : theirs, h->engine, NULL));
        if (h->good)
            onednn_check(h, dnnl_primitive_create(&o->convert, reorder));
        dnnl_primitive_desc_destroy(reorder);
    }
    h->args[h->count] = (dnnl_exec_arg_t){arg, o->theirs};
    h->count++;
    if (h->good && o->convert && !output && !h->inside)
        onednn_convert(h, o);
}

static void onednn_run(const struct args *a)
{
    struct onednn *h = a->handle;
    if (!h || !h->good)
        return;
    const int team = onednn_team(a);
    for (int i = 0; i < h->count && h->inside; i++)
        if (h->operands[i].convert && !h->operands[i].output)
            onednn_convert(h, &h->operands[i]);
    onednn_check(h, dnnl_primitive_execute(h->primitive, h->stream, h->count, h->args));
    for (int i = 0; i < h->count && h->inside; i++)
        if (h->operands[i].convert && h->operands[i].output)
            onednn_convert(h, &h->operands[i]);
    omp_set_num_threads(team);
}

static void onednn_finish(const struct args *a)
{
    struct onednn *h = a->handle;
    if (!h || !h->good)
        return;
    const int team = onednn_team(a);
    for (int i = 0; i < h->count && !h->inside; i++)
        if (h->operands[i].convert && h->operands[i].output)
            onednn_convert(h, &h->operands[i]);
    omp_set_num_threads(team);
}

#endif

/* Reads kernel choices and finds variants by them. */
#include "net/kernel_choice.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define WORD_TEXT 96

/* Goes through a choice pattern by pattern. */
struct cursor {
    const char *at;
    char ops[WORD_TEXT];     /* of the group: glob over operations */
    char op[WORD_TEXT];      /* of the pattern: the same unless it says OP/PATTERN */
    char pattern[WORD_TEXT]; /* glob over variant names */
};

static void copy_word(char out[WORD_TEXT], const char *from, size_t length)
{
    while (length && *from == ' ') {
        from++;
        length--;
    }
    while (length && from[length - 1] == ' ')
        length--;
    snprintf(out, WORD_TEXT, "%.*s", (int)(length < WORD_TEXT ? length : WORD_TEXT - 1), from);
}

static bool next_pattern(struct cursor *c)
{
    for (;;) {
        if (!*c->at)
            return false;
        if (*c->at == ';') {
            c->at++;
            c->ops[0] = '\0';
            continue;
        }
        if (*c->at == ',') {
            c->at++;
            continue;
        }
        if (!c->ops[0]) {
            size_t group = strcspn(c->at, ";"), name = strcspn(c->at, "=");
            copy_word(c->ops, name < group ? c->at : "*", name < group ? name : 1);
            if (name < group)
                c->at += name + 1;
        }
        size_t length = strcspn(c->at, ",;"), slash = strcspn(c->at, "/");
        copy_word(c->op, slash < length ? c->at : c->ops, slash < length ? slash : strlen(c->ops));
        copy_word(c->pattern, slash < length ? c->at + slash + 1 : c->at,
                  length - (slash < length ? slash + 1 : 0));
        c->at += length;
        if (c->pattern[0])
            return true;
    }
}

bool kernel_choice_check(const char *choice, char error[ERROR_TEXT])
{
    struct cursor c = {.at = choice};
    int patterns = 0;
    for (; next_pattern(&c); patterns++) {
        bool op = false, variant = false;
        for (int i = 0; i < registry_count; i++) {
            bool here = !fnmatch(c.op, registry[i].op, 0);
            op |= here;
            variant |= here && !fnmatch(c.pattern, registry[i].name, 0);
        }
        if (!variant) {
            if (op)
                snprintf(error, ERROR_TEXT,
                         "--kernels: no variant of %s matches '%s'; batchmark list shows all", c.op,
                         c.pattern);
            else
                snprintf(error, ERROR_TEXT,
                         "--kernels: no operation matches '%s'; batchmark list shows all", c.op);
            return false;
        }
    }
    if (!patterns)
        snprintf(error, ERROR_TEXT,
                 "--kernels: names no variant; write one as in 'conv_fwd=direct_*,naive'");
    return patterns;
}

/* Operations with fewer FLOPs and bytes than this run on one thread, if a single-threaded variant fits: waking
 * a team costs more than it saves. */
static const double flops_worth_a_team = 2e6, bytes_worth_a_team = 3e5;

/* Images at least as large as Winograd's tile, and channels enough to pay for its transforms? */
static bool suits_winograd(const struct conv *c)
{
    enum { TILE = 4, CHANNELS = 16 };
    return c->kh == 3 && c->kw == 3 && c->sh == 1 && c->sw == 1 && !c->dh && !c->dw &&
           c->ic / c->g >= CHANNELS && c->oc / c->g >= CHANNELS &&
           min_i64(min_i64(c->ih, c->iw), min_i64(c->oh, c->ow)) >= TILE;
}

/* The default order, by the shape of the problem alone, so that a run can be repeated bit-identically. What a step of it
 * gains is a row of
 *   batchmark bench OP --problem P --threads 2      (two cores of a Sapphire Rapids, time of direct over its own)
 * winograd4: mb80ic60ih16oc60kh3ph1 2.1 to 2.6 in the three passes, with 16 channels 1.4 (against planes) to 2.8, with
 *     images of 4x4 1.3 to 2.5; but 8 channels 0.7 and images of 2x2 0.3 to 0.6.
 * rows: three channels in, as in mb10ic3ih32oc6kh5ph0, 3.7 forward and 5.8 for the gradient of the data, which they gain
 *     up to 16 channels (1.6) and no longer at 32.
 * planes: forward 1.4 on 10x10 pixels (mb10ic6ih14oc16kh5ph0) and 0.9 on 8x8; gradient of the weights 1.5 to 3.0 from
 *     16x16 pixels on, 0.8 on 10x10. With a stride neither they nor rows gain: 0.5 to 0.9 forward, from
 *     mb64ic3ih32oc32kh3sh2ph1 to mb16ic256ih28oc256kh3sh2ph1, and 0.6 to 0.9 for the gradient of the weights.
 * depthwise: gradient of the weights always, time of planes over its own 3.7 at 7x7 (g960mb16ic960ih7oc960kh3ph1), 1.8 at
 *     14x14, 1.1 at 112x112 and 1.3 at stride 2 (on two cores of a Zen 4). There at stride 2 forward 1.2 of planes and 1.3 of
 *     rows, gradient of the data 1.6 of rows. At stride 1 the latter 1.2 of rows at 7x7 and 14x14 and 0.84 at 112x112; forward
 *     0.83 of rows at 112x112, 0.9 and 0.45 of planes at 14x14 and 7x7. Those are nchw; in nhwc and nchw16c it alone is fast.
 * few: gradient of the weights of smaller images, 1.3 with 3 inputs (mb64ic3ih8oc32kh3ph1), 1.05 with 6
 *     (mb10ic6ih14oc16kh5) and 0.9 with 16.
 * pointwise: deep layers of 1x1, as in mb16ic2048ih7oc512kh1, 1.1 forward and 1.4 for the gradient of the data; with 64
 *     channels on a side, as in mb16ic64ih56oc256kh1, 0.8 to 1.0. For the gradient of the
 *     weights 0.8 to 0.9 from 256 to 64 or 128, level from 128 to 512, 1.0 to 1.8 in deeper layers.
 * runs is for nhwc and nchw16c with few inputs: nchw, the default layout, must turn its results. */
#define THE_REST "direct,direct_*,im2col*,blocked*,naive*,*"
static const char *default_order(const struct op *op, const struct problem *p)
{
    if (p->kind != PROBLEM_CONV)
        return "*";
    enum {
        FEW_FORWARD = 4,
        FEW_BACKWARD = 16,
        FEW_WEIGHTS = 8,
        PIXELS_FORWARD = 100,
        PIXELS_BACKWARD = 256,
        PIXELS_DEPTHWISE = 256,
        DEEP = 128,
        DEEP_WEIGHTS = 1 << 16,
        LANES = 16
    };
    const struct conv *c = &p->conv;
    const int64_t inputs = c->ic / c->g, outputs = c->oc / c->g, pixels = c->oh * c->ow;
    const bool taps = c->kh * c->kw > 1, weights = op->pass == BACKWARD_WEIGHTS;
    const bool forward = op->pass == FORWARD, data = op->pass == BACKWARD_DATA;
    const bool strided = (c->sh > 1 || c->sw > 1) && inputs > 1 && outputs >= LANES;
    if (suits_winograd(c))
        return "winograd4_*_omp," THE_REST;
    if (c->g > 1 && inputs == 1 && outputs == 1)
        return weights || !taps || c->sh > 1 || c->sw > 1 ? "depthwise_*," THE_REST
               : pixels > PIXELS_DEPTHWISE                ? "rows_*,depthwise_*," THE_REST
               : forward                                  ? "direct_planes_*,depthwise_*," THE_REST
                                                          : "depthwise_*," THE_REST;
    if (taps && strided && (weights ? pixels >= PIXELS_BACKWARD : forward))
        return THE_REST;
    if (taps && forward && inputs <= FEW_FORWARD)
        return "rows_*," THE_REST;
    if (taps && forward && pixels >= PIXELS_FORWARD)
        return "direct_planes_*," THE_REST;
    if (taps && data && inputs <= FEW_BACKWARD)
        return "rows_*," THE_REST;
    if (taps && weights && pixels >= PIXELS_BACKWARD)
        return "planes_*," THE_REST;
    if (taps && weights && inputs <= FEW_WEIGHTS)
        return "few_*," THE_REST;
    if (!taps && min_i64(inputs, outputs) >= DEEP && (!weights || inputs * outputs >= DEEP_WEIGHTS))
        return "pointwise_*," THE_REST;
    return THE_REST;
}

static bool worth_a_team(const char *op, const struct problem *p)
{
    struct cost cost = op_find(op)->cost(p);
    return cost.flops_nominal >= flops_worth_a_team || cost.bytes >= bytes_worth_a_team;
}

/* Why this entry must not be used, or NULL. The default order uses only our own float32 kernels, and Winograd
 * only where it names it. */
static const char *refused(const struct entry *e, enum isa cap, const struct problem *p,
                           struct formats f, bool by_default, const char *pattern)
{
    const char *why = registry_why_not(e, cap);
    if (why)
        return why;
    if (e->variant->peer)
        return "it belongs to another library, which converts its operands before training changes them";
    enum algebra algebra = e->variant->algebra;
    /* Not by a glob for something else either: three digits are a decision. */
    if (algebra == BF16_PRODUCTS && !strstr(pattern, "bf16"))
        return "it rounds its inputs to bfloat16: used only where --kernels says bf16";
    bool winograd = algebra == WINOGRAD_F2 || algebra == WINOGRAD_F4;
    if (by_default && (algebra == ONE_PASS || (winograd && !strstr(pattern, "winograd"))))
        return "used only where --kernels names it";
    return registry_why_not_problem(e, p, f);
}

static bool better(const struct entry *e, const struct entry *than, bool parallel)
{
    if (!than)
        return true;
    if (e->variant->parallel != than->variant->parallel)
        return e->variant->parallel == parallel;
    if (e->variant->isa != than->variant->isa)
        return e->variant->isa > than->variant->isa;
    return e->rung > than->rung;
}

static bool names(const char *choice, const char *op)
{
    bool named = false;
    for (struct cursor c = {.at = choice ? choice : ""}; next_pattern(&c);)
        named |= !fnmatch(c.op, op, 0);
    return named;
}

bool kernel_choice_names_bn(const char *choice)
{
    return names(choice, "bn_fwd_train") || names(choice, "bn_bwd") ||
           names(choice, "bn_relu_fwd_train") || names(choice, "bn_relu_bwd");
}

const struct entry *kernel_choose(const char *choice, enum isa cap, int threads, const char *op,
                                  const struct problem *p, struct formats f, char error[ERROR_TEXT])
{
    bool named = names(choice, op);
    if (!named)
        choice = default_order(op_find(op), p);
    bool parallel = threads > 1 && worth_a_team(op, p);

    char tried[256] = "", reasons[256] = "";
    for (struct cursor c = {.at = choice}; next_pattern(&c);) {
        if (fnmatch(c.op, op, 0))
            continue;
        const struct entry *best = NULL;
        for (int i = 0; i < registry_count; i++) {
            const struct entry *e = &registry[i];
            /* The default order may name an algorithm, and so all of its variants and no other. */
            const bool whole = !named && !strcmp(c.pattern, e->algorithm);
            if (strcmp(e->op, op) || (!whole && fnmatch(c.pattern, e->name, 0)))
                continue;
            const char *why = refused(e, cap, p, f, !named, c.pattern);
            if (!why && better(e, best, parallel))
                best = e;
            size_t used = strlen(reasons);
            if (why)
                snprintf(reasons + used, sizeof reasons - used, "%s%s: %s", used ? "; " : "",
                         e->name, why);
        }
        if (best)
            return best;
        size_t used = strlen(tried);
        snprintf(tried + used, sizeof tried - used, "%s%s", used ? "," : "", c.pattern);
    }
    char text[PROBLEM_TEXT];
    snprintf(error, ERROR_TEXT,
             "%s %s: no variant fits among '%.60s' (%.180s); see batchmark list %s --why", op,
             problem_print(p, text), tried, reasons[0] ? reasons : "no such name", op);
    return NULL;
}

bool kernel_choice_has(const char *choice, enum isa cap, int threads, const char *op,
                       const struct problem *p, struct formats f)
{
    char error[ERROR_TEXT];
    return kernel_choose(choice, cap, threads, op, p, f, error) != NULL;
}

/* The kernels of a network, each once. */
#include "net/net_verify.h"
#include "verify/verify.h"

#include <stdio.h>

bool same_kernel(const struct call *a, const struct call *b)
{
    return a->entry == b->entry && problem_equal(&a->problem, &b->problem) &&
           a->args.formats.src == b->args.formats.src && a->args.formats.dst == b->args.formats.dst;
}

/* Is call i the first with its variant and problem? */
static bool first_of_kind(const struct net *n, int i)
{
    for (int j = 0; j < i; j++)
        if (same_kernel(net_call(n, j), net_call(n, i)))
            return false;
    return true;
}

bool net_verify(const struct net *n, uint64_t seed, int *checked, char message[NET_VERIFY_TEXT])
{
    enum { COORDINATES = 512 };
    for (int i = 0; i < net_call_count(n); i++) {
        const struct call *c = net_call(n, i);
        if (!first_of_kind(n, i))
            continue;
        const struct verify_case k = {.entry = c->entry,
                                      .problem = c->problem,
                                      .formats = c->args.formats,
                                      .seed = seed,
                                      .hints = c->args.hints,
                                      .gates = GATE_HYGIENE | GATE_EXACT | GATE_BOUND,
                                      .max_coordinates = COORDINATES};
        crash_during = c->name;
        struct verdict v = verify_case(&k);
        crash_during = NULL;
        char problem[PROBLEM_TEXT], command[COMMAND_TEXT];
        if (v.kind != VERDICT_PASS) {
            snprintf(
                message, NET_VERIFY_TEXT,
                "layer %d: %s/%s %s: %s: %s; choose another with --kernels; seed %llu; repeat: %s",
                c->layer, c->entry->op, c->entry->name, problem_print(&c->problem, problem),
                verdict_names[v.kind], v.message, (unsigned long long)k.seed,
                verify_command(&k, command));
            return false;
        }
        ++*checked;
    }
    return true;
}

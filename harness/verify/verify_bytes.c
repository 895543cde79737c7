/* The memory of a case, counted before it is taken. */
#include "verify/verify_parts.h"

/* Setups of the exact, the bound and the hard gate whose references are kept for the next variant. */
enum { REFERENCES = 7 };

double verify_bytes(const struct verify_case *c)
{
    const struct op *op = op_find(c->entry->op);
    struct tensor_spec specs[ROLE_COUNT];
    const int count = op->tensors(&c->problem, c->formats, specs);
    const struct variant *v = c->entry->variant;
    /* Of a large problem, only outputs with the same bits for any number of threads are compared with another run. */
    const int runs = c->max_coordinates > 0 && !(v->parallel && v->thread_invariant) ? 1 : 2;
    double physical = 0, plain = 0, reference = 0;
    for (int i = 0; i < count; i++) {
        double logical = (double)tensor_logical(&specs[i]), compared = logical;
        if (c->max_coordinates > 0 && compared > (double)c->max_coordinates)
            compared = (double)c->max_coordinates;
        physical += (double)tensor_physical(&specs[i]) * sizeof(float);
        plain += logical * sizeof(float);
        /* A value, a limit and where they belong. */
        if (specs[i].output)
            reference += compared * (2 * sizeof(double) + sizeof(int64_t));
    }
    /* The tensors and what they were before the run; plain, of every run. */
    return operands_bytes(op, v, &c->problem, c->formats, c->hints, 0) + physical + runs * plain +
           REFERENCES * reference;
}

/* Problems of the C tests, from their texts. */
#ifndef BATCHMARK_TESTS_PROBLEMS_H
#define BATCHMARK_TESTS_PROBLEMS_H

#include "problem/problem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline struct named_problem parse(const char *text)
{
    struct named_problem p;
    char error[ERROR_TEXT];
    if (!problem_parse_any(text, &p, error))
        fail_msg("%s", error);
    return p;
}

#endif

/* Fuzzes problem strings: what is read prints as a text that reads as the same; and files of problems. */
#include "fuzz.h"
#include "problem/problem.h"

static void read_one(enum problem_kind kind, const char *text)
{
    struct named_problem p, again;
    char error[ERROR_TEXT] = "", printed[PROBLEM_TEXT];
    if (!problem_parse(kind, text, &p, error)) {
        must(*error, "a problem that is refused has a reason");
        return;
    }
    problem_print(&p.problem, printed);
    must(problem_parse(kind, printed, &again, error), "what was printed can be read");
    must(problem_equal(&p.problem, &again.problem), "and is the same problem");
    must(p.multiplicity >= 1, "a multiplicity of 1 or more");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), error[ERROR_TEXT];
    struct named_problem p;
    problem_parse_any(text, &p, error);
    for (int kind = PROBLEM_CONV; kind <= PROBLEM_ITERATIONS; kind++)
        read_one((enum problem_kind)kind, text);
    free(text);

    struct problem_set set;
    struct fuzz_file file = fuzz_file(data, size);
    if (problem_set_load(file.path, &set, error))
        problem_set_free(&set);
    fuzz_file_close(&file);
    return 0;
}

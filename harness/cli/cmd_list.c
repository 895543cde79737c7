/* batchmark list: the variants, and why one cannot run here. */
#include "cli/options.h"
#include "problem/op.h"
#include "problem/registry.h"

#include <jansson.h>
#include <stdio.h>

struct request {
    const char *pattern;
    bool why, json;
    enum isa cap;
};

#define REQUEST struct request
static const struct option_row options[] = {
    FLAG("why", why, "show what cannot run on this machine too, each with its reason"),
    ISA(cap),
    FLAG("json", json, "one JSON array"),
    {0}};

static const struct command_line line = {
    .options = options,
    .usage =
        "usage: batchmark list [PATTERN] [OPTIONS]\n\n"
        "Lists the variants as the folders of kernels/ have them: rung, operation/name, ISA level,\n"
        "layouts. PATTERN: comma-separated globs over OP/VARIANT, or over either alone ('conv_*',\n"
        "'*_omp', 'gemm/naive'); a glob after ! excludes ('conv_*,!*winograd*').\n"};

static json_t *formats_json(const struct variant *v)
{
    json_t *list = json_array();
    char text[FORMATS_TEXT];
    for (int i = 0; i < MAX_FORMATS && v->formats[i].src != LAYOUT_NONE; i++)
        json_array_append_new(list, json_string(formats_print(v->formats[i], text)));
    return list;
}

static void print_row(const struct entry *e, const char *reason)
{
    char text[FORMATS_TEXT];
    printf("%02d  %-18s %-28s", e->rung, e->op, e->name);
    if (e->variant) {
        printf(" %-10s %-3s", isa_names[e->variant->isa], e->variant->parallel ? "omp" : "");
        for (int i = 0; i < MAX_FORMATS && e->variant->formats[i].src != LAYOUT_NONE; i++)
            printf(" %s", formats_print(e->variant->formats[i], text));
    }
    printf("%s%s\n", reason ? "  cannot run: " : "", reason ? reason : "");
}

int cmd_list(int argc, char **argv)
{
    struct request q = {.cap = isa_detect()};
    int status = read_options(argc, argv, &line, &q);
    if (status >= 0)
        return status;
    if (!read_pattern(argc, argv, &q.pattern))
        return EXIT_WRONG_USE;
    json_t *rows = json_array();
    int matched = 0, hidden = 0;
    for (int i = 0; i < registry_count; i++) {
        const struct entry *e = &registry[i];
        if (!registry_match(e, q.pattern))
            continue;
        matched++;
        const char *reason = registry_why_not(e, q.cap);
        if (q.json) {
            json_t *row = json_pack("{s:s, s:s, s:i, s:s, s:b}", "op", e->op, "variant", e->name,
                                    "rung", e->rung, "file", e->file, "available", !reason);
            if (e->variant) {
                json_object_set_new(row, "isa", json_string(isa_names[e->variant->isa]));
                json_object_set_new(row, "parallel", json_boolean(e->variant->parallel));
                json_object_set_new(row, "layouts", formats_json(e->variant));
            }
            if (reason)
                json_object_set_new(row, "why", json_string(reason));
            json_array_append_new(rows, row);
        } else if (!reason || q.why) {
            print_row(e, reason);
        } else {
            hidden++;
        }
    }
    if (q.json) {
        json_dumpf(rows, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(rows);
    if (!matched)
        return wrong_use("list: no variant matches '%.100s'; batchmark list shows all", q.pattern);
    if (hidden)
        printf("%d more cannot run here; --why says why\n", hidden);
    return EXIT_GOOD;
}

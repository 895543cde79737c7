/* batchmark list: the variants, and why one cannot run here. */
#include "cli/command.h"
#include "problem/op.h"
#include "problem/registry.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>

static const char help[] =
    "usage: batchmark list [PATTERN] [--why] [--isa LEVEL] [--json]\n\n"
    "Lists the variants as the folders of kernels/ have them: rung, operation/name, ISA level, "
    "layouts.\n"
    "PATTERN: comma-separated globs over OP/VARIANT, or over either alone ('conv_*', '*_omp', "
    "'gemm/naive'); a glob after !\n"
    "excludes ('conv_*,!*winograd*').\n"
    "  --why        show what cannot run on this machine too, each with its reason\n"
    "  --isa LEVEL  as if the CPU stopped at base, avx2, avx512 or avx512bf16\n"
    "  --json       one JSON array\n";

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
    enum { WHY = 256, ISA, JSON };
    const struct option options[] = {{"why", no_argument, NULL, WHY},
                                     {"isa", required_argument, NULL, ISA},
                                     {"json", no_argument, NULL, JSON},
                                     HELP_OPTION,
                                     VERSION_OPTION,
                                     {0}};
    bool why = false, json = false;
    enum isa cap = isa_detect();
    for (int c; (c = next_option(argc, argv, options)) != -1;) {
        switch (c) {
        case WHY: why = true; break;
        case JSON: json = true; break;
        case ISA:
            if (!read_isa_cap(optarg, &cap))
                return EXIT_WRONG_USE;
            break;
        case OPTION_HELP: fputs(help, stdout); return EXIT_GOOD;
        case OPTION_VERSION: return print_version();
        default: return EXIT_WRONG_USE;
        }
    }
    if (optind + 1 < argc)
        return wrong_use("list: one pattern, not also '%.100s'; separate globs by commas",
                         argv[optind + 1]);
    const char *pattern = argv[optind];

    json_t *rows = json_array();
    int matched = 0, hidden = 0;
    for (int i = 0; i < registry_count; i++) {
        const struct entry *e = &registry[i];
        if (!registry_match(e, pattern))
            continue;
        matched++;
        const char *reason = registry_why_not(e, cap);
        if (json) {
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
        } else if (!reason || why) {
            print_row(e, reason);
        } else {
            hidden++;
        }
    }
    if (json) {
        json_dumpf(rows, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(rows);
    if (!matched)
        return wrong_use("list: no variant matches '%.100s'; batchmark list shows all", pattern);
    if (hidden)
        printf("%d more cannot run here; --why says why\n", hidden);
    return EXIT_GOOD;
}

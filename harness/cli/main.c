/* batchmark: picks the subcommand. */
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"list", cmd_list, "the variants, and why one cannot run here"},
    {"verify", cmd_verify, "holds every variant to the float64 references"},
    {"bench", cmd_bench, "verify variants, then time those that pass"},
    {"info", cmd_info, "the machine and its measured ceilings"},
    {"plan", cmd_plan, "layouts and variants for a network, by measured times"},
    {"train", cmd_train, "train a network on CIFAR, MNIST or the built-in images"},
    {"infer", cmd_infer, "a trained network at work: latency, throughput, accuracy"},
    {"run", cmd_run, "one kernel on your own tensors"},
};

static void usage(FILE *to)
{
    fputs("usage: batchmark COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
    fputs("\nbatchmark COMMAND --help says more, --version which build this is.\n", to);
}

/* The exit status, unless the output could not be written (a full disk, say). */
static int finish(int status)
{
    if (fflush(stdout) || ferror(stdout))
        return wrong_use("standard output: cannot write: %s; send it elsewhere", strerror(errno));
    return status;
}

int main(int argc, char **argv)
{
    /* Over a file size limit, write() is to fail like on a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2)
        return wrong_use("no command; see batchmark --help");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        usage(stdout);
        return finish(EXIT_GOOD);
    }
    if (!strcmp(argv[1], "--version"))
        return finish(print_version());
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(argv[1], commands[i].name))
            return finish(commands[i].run(argc - 1, argv + 1));
    return wrong_use("no command '%.100s'; see batchmark --help", argv[1]);
}

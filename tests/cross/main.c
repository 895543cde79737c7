/* The program of a cross build: list and verify, and nothing that needs a library of the other
 * machine. */
#include "command.h"

#include <string.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--json"))
            return wrong_use("--json: a cross build has no JSON");
    if (argc >= 2 && !strcmp(argv[1], "list"))
        return cmd_list(argc - 1, argv + 1);
    if (argc >= 2 && !strcmp(argv[1], "verify"))
        return cmd_verify(argc - 1, argv + 1);
    return wrong_use("a cross build has two commands: list and verify");
}

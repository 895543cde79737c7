/* Hands files to a fuzz target where there is no libFuzzer: replay FILE... Each is named before it is tried, so that the
 * last line is the one that crashed. */
#include "fuzz.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        printf("%s\n", argv[i]);
        fflush(stdout);
        FILE *file = fopen(argv[i], "rb");
        must(file != NULL, "the file can be opened");
        fseek(file, 0, SEEK_END);
        long size = ftell(file);
        rewind(file);
        /* Exactly as large, so that a checker of memory sees each byte too far. */
        uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
        must(data && size >= 0 && fread(data, 1, (size_t)size, file) == (size_t)size,
             "the file can be read");
        fclose(file);
        LLVMFuzzerTestOneInput(data, (size_t)size);
        free(data);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}

/* Fuzzes networks as text, for images of a shape that the first byte picks: what is read prints as a text that reads and
 * prints the same, wherever its bn goes. */
#include "fuzz.h"
#include "net/net_text.h"

static const struct shape inputs[] = {{3, 32, 32}, {1, 28, 28}, {5, 1, 1}, {3, 1, 500}};

static void print_again(const struct net_text *n, struct shape input, enum bn_place place)
{
    static char text[NET_TEXT], second[NET_TEXT];
    static struct net_text again;
    char error[ERROR_TEXT];
    for (int drop = 0; drop < 2; drop++) {
        if (!net_text_place_bn(n, place, drop, text, error) ||
            !net_text_parse(text, input, &again, error))
            continue;
        must(net_text_place_bn(&again, BN_KEEP, false, second, error) && !strcmp(text, second),
             "a printed network prints the same again");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct net_text n, again;
    if (!size)
        return 0;
    const struct shape input = inputs[data[0] % (sizeof inputs / sizeof inputs[0])];
    char *text = fuzz_text(data + 1, size - 1), error[ERROR_TEXT] = "";
    bool good = net_text_parse(text, input, &n, error);
    must(good || *error, "a network that is refused has a reason");
    free(text);
    if (!good)
        return 0;
    int64_t parameters = 0;
    double flops = 0;
    for (int i = 0; i < n.count; i++) {
        const struct layer *l = &n.layers[i];
        must(l->dst.c > 0 && l->dst.h > 0 && l->dst.w > 0, "a layer has outputs");
        parameters += layer_parameters(l);
        flops += layer_flops(l);
        must(parameters >= 0 && flops >= 0, "counts that do not overflow");
    }
    static char printed[NET_TEXT];
    if (net_text_place_bn(&n, BN_KEEP, false, printed, error))
        must(net_text_parse(printed, input, &again, error), "what was printed can be read");
    for (int place = BN_ON; place <= BN_KEEP; place++)
        print_again(&n, input, (enum bn_place)place);
    return 0;
}

/* Fuzzes the layers of a measured plan: JSON. What is accepted names variants that there are, and layouts the layers take. */
#include "fuzz.h"
#include "net/net_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct net_text text;
    static struct net_plan plan;
    char error[ERROR_TEXT];
    if (!text.count)
        must(net_text_parse("conv 4 3x3; bn; relu; maxpool 2; dense 2", (struct shape){3, 8, 8},
                            &text, error),
             "a small network");
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (net_plan_read(json, &text, &plan)) {
        must(plan.count == text.count, "a plan for each layer");
        for (int i = 0; i < plan.count; i++) {
            must(layer_takes(&text.layers[i], plan.layers[i].layout),
                 "a layout the layer can work in");
            must(!plan.layers[i].pools || net_can_pool(&text, i), "a bn that can pool");
        }
        json_t *again = net_plan_layers(&text, &plan);
        must(again && net_plan_read(again, &text, &plan), "what was written can be read");
        json_decref(again);
    }
    json_decref(json);
    return 0;
}

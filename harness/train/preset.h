/* Networks that have a name: those of the texts, with the settings of their source. */
#ifndef BATCHMARK_PRESET_H
#define BATCHMARK_PRESET_H

#include "data/augment.h"
#include "data/data.h"
#include "layers/layers.h"
#include "net/net.h"

/* What a network is trained with; the command line overrides it. */
struct preset {
    const char *name, *text;
    enum data_kind data;
    int64_t epochs, steps; /* how long; steps count if not 0 */
    int64_t batch;
    struct optimizer optimizer;
    enum init init;
    bool centered; /* pixels minus the mean of the split; else divided by 255 */
    struct augment augment;
    uint64_t seed;
    const char *what;
};

extern const struct preset presets[]; /* ends with a NULL name */
const struct preset *preset_find(const char *name);
/* What networks without a name are trained with: Adam 1e-3, batch 10, 5 epochs. */
extern const struct preset preset_of_texts;

#endif

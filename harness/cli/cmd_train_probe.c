/* What batchmark train sees when it is asked to look closer: layers, the loss along a step, numbers that are none. */
#include "cli/cmd_train.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static bool report_layer_statistics(struct run *run, int64_t images)
{
    json_t *layers = json_array();
    for (int i = 0; i < run->layers.count; i++) {
        char text[LAYER_TEXT];
        struct layer_statistics s = probe_layer(run->net, &run->layers, i, images);
        json_array_append_new(
            layers, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "layer",
                              layer_print(&run->layers.layers[i], text), "mean",
                              number_json(s.mean), "std", number_json(s.deviation), "saturated",
                              number_json(s.saturated), "weight_norm", number_json(s.weight_norm),
                              "gradient_norm", number_json(s.gradient_norm)));
    }
    return log_event(run, json_pack("{s:s, s:I, s:o}", "event", "layers", "step",
                                    (json_int_t)run->done, "layers", layers));
}

static bool report_direction(struct run *run, const struct direction *d)
{
    json_t *scales = json_array(), *losses = json_array(), *changes = json_array();
    for (int i = 0; i < PROBE_SCALES; i++) {
        json_array_append_new(scales, json_real(probe_scales[i]));
        json_array_append_new(losses, number_json(d->losses[i]));
        json_array_append_new(changes, number_json(d->changes[i]));
    }
    return log_event(run, json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "event",
                                    "direction", "step", (json_int_t)run->done, "loss",
                                    number_json(d->loss), "step_norm", number_json(d->norm),
                                    "gradient_norm", number_json(d->gradient), "scales", scales,
                                    "losses", losses, "gradient_changes", changes));
}

static bool due(int64_t every, int64_t step)
{
    return every > 0 && (step == 1 || step % every == 0);
}

bool take_step(struct run *run, int64_t *images, struct outcome *out)
{
    const struct request *r = &run->request;
    const int64_t step = run->done + 1;
    struct direction along;
    const bool direction = due(r->direction, step);
    if (!direction)
        *out = trainer_step(&run->trainer, images);
    else if (!probe_step(&run->trainer, images, out, &along)) {
        wrong_use("out of memory for --direction");
        return false;
    }
    run->done = step;
    char error[ERROR_TEXT];
    if (r->decisions && step == run->steps &&
        !decisions_save(run->net, &run->layers, *images, r->decisions, error)) {
        wrong_use("%s", error);
        return false;
    }
    return (!direction || report_direction(run, &along)) &&
           (!due(r->statistics, step) || report_layer_statistics(run, *images));
}

/* What is no number any more, as words, "" nothing; and the layer it is of, or -1. */
static int find_wild(const struct run *run, double loss, int64_t images, bool thorough,
                     char what[ERROR_TEXT])
{
    int tensor = probe_wild_weight(run->net, thorough || !isfinite(loss)), layer = -1;
    char text[LAYER_TEXT];
    *what = '\0';
    /* Weights that were good gave a loss that is not: statistics are no cause of that. */
    if (tensor < 0 && !isfinite(loss)) {
        layer = probe_wild_layer(run->net, &run->layers, run->plan, images);
        if (layer < 0)
            snprintf(what, ERROR_TEXT, "the loss is inf or NaN");
        else
            snprintf(what, ERROR_TEXT, "layer %d (%.100s) is the first to give inf or NaN", layer,
                     layer_print(&run->layers.layers[layer], text));
        return layer;
    }
    if (tensor < 0)
        tensor = probe_wild_statistic(run->net);
    if (tensor >= 0) {
        char *part = NULL;
        layer = (int)strtol(net_tensor(run->net, tensor)->name, &part, 10);
        snprintf(what, ERROR_TEXT, "layer %d (%.100s) has inf or NaN in its %s", layer,
                 layer_print(&run->layers.layers[layer], text), part + 1);
    }
    return layer;
}

int check_numbers(struct run *run, double loss, int64_t images, bool thorough)
{
    char what[ERROR_TEXT], last[RUN_PATH + 32];
    if (run->diverged)
        return -1;
    const int layer = find_wild(run, loss, images, thorough, what);
    if (!*what)
        return -1;
    run->diverged = run->done;
    json_t *event =
        json_pack("{s:s, s:I, s:o, s:s}", "event", "diverged", "step", (json_int_t)run->done,
                  "layer", layer < 0 ? json_null() : json_integer(layer), "what", what);
    if (!log_event(run, event))
        return EXIT_WRONG_USE;
    if (run->terminal)
        printf("\r\033[K");
    if (run->request.keep_going) {
        printf("diverged at step %lld: %s; goes on, and writes no more weights\n",
               (long long)run->done, what);
        return -1;
    }
    fflush(stdout);
    snprintf(last, sizeof last, "%s/%s", run->folder, last_name);
    const bool kept = *run->folder && !run->replaces && !access(last, F_OK);
    fprintf(stderr,
            "batchmark: diverged at step %lld: %s; try a lower --lr (it is %g) or 'warmup N, "
            "constant' as --schedule; --keep-going trains on%s%s\n",
            (long long)run->done, what, run->optimizer.lr,
            kept ? "; the last good checkpoint: " : "", kept ? last : "");
    return EXIT_CHECK_FAILED;
}

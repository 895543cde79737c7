/* Training: losses, learning rates and optimizers by their formulas, and the trainer's batches. */
#define _GNU_SOURCE /* the stack of threads */
#include "layers/layers.h"
#include "numbers.h"
#include "train/preset.h"
#include "train/train.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void loss_of_known_logits(void **state)
{
    (void)state;
    /* softmax(1, 2, 3) = (0.0900306, 0.2447285, 0.6652410); the second row is huge: no overflow. */
    const float logits[6] = {1, 2, 3, 1e4f, 0, 0};
    const uint8_t labels[2] = {1, 0};
    float diff[6];
    struct outcome o = loss_of(&(struct loss){0}, 2, 3, logits, labels, diff);
    assert_near(o.loss, 1.40760596444438, 1e-12);
    assert_int_equal(o.correct, 1);
    const double expected[6] = {0.0900305731703805 / 2, -0.755271528945203 / 2,
                                0.665240955774822 / 2};
    for (int i = 0; i < 6; i++)
        assert_near(diff[i], expected[i], 1e-7);
}

/* Each loss against its definition in plain float64, and its gradient against finite differences. */
static double plain_loss(const struct loss *kind, int64_t mb, int64_t classes, const double *z,
                         const uint8_t *labels)
{
    double loss = 0;
    for (int64_t i = 0; i < mb * classes; i++) {
        const double *row = z + i / classes * classes;
        const double hit = i % classes == labels[i / classes];
        double sum = 0;
        for (int64_t j = 0; j < classes; j++)
            sum += exp(row[j]);
        const double target = (1 - kind->smoothing) * hit + kind->smoothing / (double)classes;
        loss += kind->kind == LOSS_MEAN_SQUARE ? pow(z[i] - hit, 2) / (double)classes
                                               : target * (log(sum) - z[i]);
    }
    return loss;
}

static void losses_by_their_formulas(void **state)
{
    (void)state;
    /* Few classes, and more than loss_of keeps the exponentials of. */
    enum { MB = 4, MOST = 150 };
    static const struct loss kinds[] = {
        {LOSS_CROSS_ENTROPY, 0}, {LOSS_CROSS_ENTROPY, 0.1}, {LOSS_MEAN_SQUARE, 0}};
    const uint8_t labels[MB] = {6, 0, 3, 3};
    for (size_t k = 0; k < 2 * sizeof kinds / sizeof *kinds; k++) {
        const struct loss *kind = &kinds[k / 2];
        const int classes = k % 2 ? MOST : 7;
        float logits[MB * MOST], diff[MB * MOST];
        double z[MB * MOST];
        for (int i = 0; i < MB * classes; i++)
            z[i] = logits[i] = 3 * noise(i);
        const struct outcome o = loss_of(kind, MB, classes, logits, labels, diff);
        assert_near(o.loss, plain_loss(kind, MB, classes, z, labels), 1e-12);
        for (int i = 0; i < MB * classes; i++) {
            const double h = 1e-5, middle = z[i];
            z[i] = middle + h;
            double slope = plain_loss(kind, MB, classes, z, labels);
            z[i] = middle - h;
            slope = (slope - plain_loss(kind, MB, classes, z, labels)) / (2 * h * MB);
            z[i] = middle;
            assert_near(diff[i], slope, 1e-7);
        }
    }
    /* torch.nn.functional.cross_entropy of (1, 2, 3) and class 1, label_smoothing 0.1; mse_loss against (0, 1, 0). */
    const float known[3] = {1, 2, 3};
    const uint8_t one = 1;
    assert_near(loss_of(&kinds[1], 1, 3, known, &one, NULL).loss, 1.40760596444438, 1e-12);
    assert_near(loss_of(&kinds[2], 1, 3, known, &one, NULL).loss, 11 / 3.0, 1e-12);
}

/* PyTorch's schedulers, as their recurrences have them: the rate of step t + 1 from that of step t. */
static void schedules_by_their_recurrences(void **state)
{
    (void)state;
    struct schedule s;
    char error[ERROR_TEXT], text[SCHEDULE_TEXT];
    double rate = 1;
    assert_true(schedule_parse("step 7 0.3", &s, error));
    for (int t = 1; t <= 40; t++) {
        assert_near(schedule_factor(&s, t), rate, 1e-12);
        rate *= t % 7 ? 1 : 0.3;
    }
    assert_true(schedule_parse("cosine 30", &s, error));
    rate = 1;
    for (int t = 1; t <= 30; t++) {
        assert_near(schedule_factor(&s, t), rate, 1e-12);
        /* eta_t = (1 + cos(pi t / T)) / (1 + cos(pi (t - 1) / T)) eta_(t-1) */
        rate *= (1 + cos(acos(-1) * t / 30)) / (1 + cos(acos(-1) * (t - 1) / 30));
    }
    assert_true(schedule_factor(&s, 31) == 0 && schedule_factor(&s, 1000) == 0);
    assert_true(schedule_parse("warmup 5, cosine 25", &s, error));
    for (int t = 1; t <= 5; t++)
        assert_near(schedule_factor(&s, t), t / 5.0, 1e-12);
    assert_near(schedule_factor(&s, 6), 1, 0);
    assert_near(schedule_factor(&s, 16), 0.5, 1e-12);
    static const char *const same[] = {"constant",
                                       "warmup 9, constant",
                                       "step 10 0.10000000000000001",
                                       "warmup 3, step 5 0.5",
                                       "warmup 3, cosine 50",
                                       "cosine"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(schedule_parse(same[i], &s, error));
        assert_string_equal(schedule_print(&s, text), same[i]);
    }
    static const char *const bad[] = {"",           "steps 5 0.5",       "step 0 0.5",
                                      "step 5",     "step 5 2",          "cosine 5 6",
                                      "warmup",     "warmup 0, cosine",  "warmup 5 cosine",
                                      "cosine 0",   "constant 5",        "warmup 5, warmup 5",
                                      "step 5 .5x", "warmup 9, cosine 9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error[0] = '\0';
        assert_false(schedule_parse(bad[i], &s, error));
        assert_non_null(strstr(error, "--schedule"));
    }
}

static void running_statistics_by_hand(void **state)
{
    (void)state;
    float mean = 2, variance = 3, running_mean = 1, running_var = 1;
    bn_running_update(1, 4, 0.1, false, &mean, &variance, &running_mean, &running_var);
    assert_near(running_mean, 1.1, 1e-7);
    assert_near(running_var, 0.9 + 0.1 * 4, 1e-7); /* unbiased: 3 * 4 / 3 */
    bn_running_update(1, 4, 0.5, true, &mean, &variance, &running_mean, &running_var);
    assert_near(running_mean, 1.55, 1e-6);
    assert_near(running_var, 0.5 * 1.3 + 0.5 * 3, 1e-6);
}

/* Optimizers */

static const struct layers *instance; /* of the layers: the one under test */

static void adam_two_steps_by_hand(void **state)
{
    (void)state;
    float w = 1, m = 0, v = 0;
    struct optimizer a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1};
    instance->update(&a, 1, (const int64_t[]){1}, &w, (const float[]){0.5f}, &m, &v, 1);
    assert_near(w, 0.9, 1e-6); /* 1 - 0.1 * 0.5 / (0.5 + 1e-8) */
    a.step = 2;
    instance->update(&a, 1, (const int64_t[]){1}, &w, (const float[]){-0.2f}, &m, &v, 1);
    assert_near(m, 0.025, 1e-8);
    assert_near(v, 0.00028975, 1e-9);
    /* 0.9 - 0.1 * (0.025 / 0.19) / sqrt(0.00028975 / 0.001999) */
    assert_near(w, 0.86543936, 1e-6);
}

/* A moment that has decayed to a denormal number is dropped where such numbers are slow; the caller's arithmetic keeps them. */
static void moments_end_at_zero(void **state)
{
    (void)state;
    enum { N = 35 };
    float w[N], g[N] = {0}, m[N], v[N];
    for (int i = 0; i < N; i++) {
        w[i] = 1;
        m[i] = i % 2 ? 1e-40f : 0.5f;
        v[i] = i % 2 ? 1e-41f : 1;
    }
    const struct optimizer a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1000};
    instance->update(&a, 1, (const int64_t[]){N}, w, g, m, v, 1);
    for (int i = 0; i < N; i++) {
#ifdef __SSE2__
        assert_true(i % 2 ? m[i] == 0 && v[i] == 0 : fabsf(m[i] - 0.45f) < 1e-6f);
#endif
        assert_true(i % 2 ? w[i] == 1 : w[i] < 1);
    }
    volatile float small = 1e-38f;
    assert_true(small * 0.125f > 0);
}

/* Three steps of each, against plain float64 by PyTorch's formulas. */
static void optimizers_by_their_formulas(void **state)
{
    (void)state;
    enum { N = 77 };
    const struct optimizer cases[] = {
        {OPTIMIZER_ADAM, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01},
        {OPTIMIZER_SGD, .lr = 0.1},
        {OPTIMIZER_SGD, .lr = 0.1, .beta1 = 0.9, .decay = 0.01},
        {OPTIMIZER_SGD, .lr = 0.1, .beta1 = 0.9, .nesterov = true},
        {OPTIMIZER_RMSPROP, .lr = 0.01, .beta2 = 0.99, .eps = 1e-8, .decay = 0.01},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct optimizer o = cases[c];
        float w[N], g[N], m[N] = {0}, v[N] = {0};
        double exact[N], first[N] = {0}, second[N] = {0};
        for (int i = 0; i < N; i++)
            exact[i] = w[i] = noise(i);
        for (o.step = 1; o.step <= 3; o.step++) {
            for (int i = 0; i < N; i++) {
                g[i] = noise(100 * o.step + i);
                double slope = g[i] + o.decay * exact[i], t = (double)o.step;
                if (o.kind == OPTIMIZER_SGD) {
                    first[i] = o.beta1 * first[i] + slope;
                    exact[i] -= o.lr * (o.nesterov ? slope + o.beta1 * first[i] : first[i]);
                    continue;
                }
                first[i] = o.beta1 * first[i] + (1 - o.beta1) * slope;
                second[i] = o.beta2 * second[i] + (1 - o.beta2) * slope * slope;
                exact[i] -= o.kind == OPTIMIZER_RMSPROP
                                ? o.lr * slope / (sqrt(second[i]) + o.eps)
                                : o.lr * first[i] / (1 - pow(o.beta1, t)) /
                                      (sqrt(second[i] / (1 - pow(o.beta2, t))) + o.eps);
            }
            instance->update(&o, 2, (const int64_t[]){48, N}, w, g, m, v, 2);
            for (int i = 0; i < N; i++)
                assert_near(w[i], exact[i], 2e-6);
        }
    }
}

/* The trainer */

/* "dense 10" on made-up images, and a trainer of it. */
enum { SMALL_IMAGE = 3 * 32 * 32 };
struct small {
    struct data data;
    struct net *net;
    struct trainer trainer;
};

/* `settings` says what is special about the trainer; network, data and optimizer are filled in. */
static void small_begin(struct small *s, const char *images, const struct trainer *settings)
{
    static struct net_text layers;
    struct data_source source;
    char error[ERROR_TEXT];
    assert_true(data_find(images, DATA_ANY, &source, error));
    assert_true(data_load(&source, 1, &s->data, error));
    assert_true(net_text_parse("dense 10", (struct shape){3, 32, 32}, &layers, error));
    struct net_options o = {.hints = {.threads = 1}, .isa = isa_detect()};
    train_sizes(&s->data, settings->batch, &o);
    s->net = net_create(&layers, &o, error);
    assert_non_null(s->net);
    s->trainer = *settings;
    s->trainer.net = s->net;
    s->trainer.data = &s->data;
    s->trainer.threads = 1;
    s->trainer.optimizer =
        (struct optimizer){.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

static void small_end(struct small *s)
{
    trainer_finish(&s->trainer);
    net_free(s->net);
    data_free(&s->data);
}

static void last_batch_of_an_epoch_is_kept(void **state)
{
    (void)state;
    struct small s;
    small_begin(&s, "synthetic:25:7", &(struct trainer){.batch = 10, .shuffle = true});
    struct trainer *t = &s.trainer;
    assert_true(trainer_start(t));
    static const int64_t expected[] = {10, 10, 5, 10};
    for (int i = 0; i < 4; i++) {
        int64_t images;
        trainer_step(t, &images);
        assert_int_equal(images, expected[i]);
        assert_int_equal(t->epoch, i < 3 ? 1 : 2);
        assert_true(trainer_epoch_done(t) == (i == 2));
    }
    assert_in_range(trainer_test(t).correct, 0, 7);
    small_end(&s);
}

/* So large a stack that no thread can have it: no address space holds it. */
static void refuse_threads(bool refuse)
{
    static pthread_attr_t before;
    pthread_attr_t huge;
    if (refuse)
        assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(pthread_getattr_default_np(&huge), 0);
    if (refuse)
        assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 62), 0);
    assert_int_equal(pthread_setattr_default_np(refuse ? &huge : &before), 0);
}

/* Batches that were prepared ahead are the ones that would have been made: over the ends of epochs, with a test between
 * and a leap to another place; and where no thread could be started to prepare them. */
static void prepared_batches_are_the_same(void **state)
{
    (void)state;
    enum { STEPS = 9, WAYS = 3 };
    static float seen[WAYS][STEPS][10 * SMALL_IMAGE];
    double loss[WAYS][STEPS];
    for (int way = 0; way < WAYS; way++) {
        struct small s;
        small_begin(&s, "synthetic:25:7",
                    &(struct trainer){.batch = 10,
                                      .shuffle = true,
                                      .centered = true,
                                      .augment = {.flip = true, .zoom = 0.2, .shift = 3},
                                      .ahead = way > 0,
                                      .ahead_cpu = -1});
        if (way == 2)
            refuse_threads(true);
        const bool good = trainer_start(&s.trainer);
        if (way == 2)
            refuse_threads(false);
        assert_true(good);
        assert_true((s.trainer.helper != NULL) == (way == 1));
        for (int i = 0; i < STEPS; i++) {
            int64_t images;
            if (i == 5)
                trainer_test(&s.trainer);
            if (i == 7)
                trainer_seek(&s.trainer, 2, 10);
            loss[way][i] = trainer_step(&s.trainer, &images).loss;
            memcpy(seen[way][i], net_input(s.net), (size_t)(images * SMALL_IMAGE) * sizeof(float));
        }
        small_end(&s);
    }
    for (int way = 1; way < WAYS; way++) {
        assert_memory_equal(seen[0], seen[way], sizeof seen[0]);
        assert_memory_equal(loss[0], loss[way], sizeof loss[0]);
    }
    assert_memory_not_equal(seen[0][0], seen[0][3], sizeof seen[0][0]);
}

/* Evaluation and training take the mean of their own split away. */
static void centered_pixels_have_no_mean(void **state)
{
    (void)state;
    struct small s;
    small_begin(&s, "synthetic:20:10", &(struct trainer){.batch = 20, .centered = true});
    memset(s.data.test.pixels, 9, 10 * SMALL_IMAGE);
    assert_true(trainer_start(&s.trainer));
    int64_t images;
    trainer_step(&s.trainer, &images);
    const float *input = net_input(s.net);
    double sum = 0, square = 0;
    for (int i = 0; i < 20 * SMALL_IMAGE; i++) {
        sum += input[i];
        square += input[i] * input[i];
    }
    assert_near(sum / (20 * SMALL_IMAGE), 0, 1e-3);
    assert_true(square / (20 * SMALL_IMAGE) > 100);
    trainer_test(&s.trainer);
    for (int i = 0; i < 10 * SMALL_IMAGE; i++)
        assert_near(input[i], 0, 1e-5);
    small_end(&s);
}

static void presets_can_be_read(void **state)
{
    (void)state;
    static struct net_text layers;
    char error[ERROR_TEXT];
    for (const struct preset *p = presets; p->name; p++) {
        const struct data_shape *s = &data_shapes[p->data];
        if (!net_text_parse(p->text, (struct shape){s->channels, s->height, s->width}, &layers,
                            error))
            fail_msg("%s: %s", p->name, error);
        assert_int_equal(layers.layers[layers.count - 1].dst.c, s->classes);
        assert_true((p->epochs > 0) != (p->steps > 0) && p->optimizer.lr > 0 && p->batch > 0);
    }
}

int main(void)
{
    const struct CMUnitTest optimizer_tests[] = {
        cmocka_unit_test(adam_two_steps_by_hand),
        cmocka_unit_test(moments_end_at_zero),
        cmocka_unit_test(optimizers_by_their_formulas),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_of_known_logits),
        cmocka_unit_test(losses_by_their_formulas),
        cmocka_unit_test(schedules_by_their_recurrences),
        cmocka_unit_test(running_statistics_by_hand),
        cmocka_unit_test(last_batch_of_an_epoch_is_kept),
        cmocka_unit_test(prepared_batches_are_the_same),
        cmocka_unit_test(centered_pixels_have_no_mean),
        cmocka_unit_test(presets_can_be_read),
    };
    int failed = 0;
    for (enum isa isa = ISA_BASE; isa <= isa_detect(); isa++) {
        if (instance == layers_for(isa))
            continue;
        instance = layers_for(isa);
        failed += cmocka_run_group_tests_name(isa_names[isa], optimizer_tests, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("train", tests, NULL, NULL);
}

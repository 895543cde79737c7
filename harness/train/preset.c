/* The table of networks that have a name. */
#include "train/preset.h"

#include <string.h>

#define ADAM(rate)                                                                                 \
    {                                                                                              \
        .lr = rate, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8                                      \
    }
/* As Keras has it: 0.9 of the old mean square. */
#define RMSPROP(rate)                                                                              \
    {                                                                                              \
        .kind = OPTIMIZER_RMSPROP, .lr = rate, .beta2 = 0.9, .eps = 1e-7                           \
    }

#define LENET(bn1, bn2)                                                                            \
    "conv 6 5x5; " bn1 "relu; maxpool 2; conv 16 5x5; " bn2                                        \
    "relu; maxpool 2; dense 120; relu; dense 84; relu; dense 10"
/* BN stands after the activation, as that text has it. */
#define MLP(bn, end) "dense 256; relu; " bn "dense 128; relu; " bn "dense 10" end
#define KERAS_BN "bn keras; "
#define VGG_BLOCK(act)                                                                             \
    "conv 60 3x3 same; " act "; conv 60 3x3 same; " act "; maxpool 2; dropout 0.15; "
#define VGG(act)                                                                                   \
    VGG_BLOCK(act)                                                                                 \
    VGG_BLOCK(act)                                                                                 \
    VGG_BLOCK(act)                                                                                 \
    VGG_BLOCK(act) "conv 100 3x3 same; " act "; conv 100 3x3 same; " act "; flatten; dense 100"

#define CNN_TINY                                                                                   \
    "conv 32 3x3; relu; " KERAS_BN "conv 32 3x3; relu; " KERAS_BN "maxpool 2; flatten; dense 2"
#define DENSE_TINY "dense 16; relu; " KERAS_BN "dense 32; relu; " KERAS_BN "dense 2"
/* What Keras does unless told otherwise. */
#define KERAS_TRAINING                                                                             \
    .epochs = 5, .batch = 32, .init = INIT_GLOROT, .seed = 44,                                     \
    .optimizer = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-7}

#define LENET_TRAINING .data = DATA_CIFAR10, .batch = 10, .optimizer = ADAM(1e-4), .seed = 44
#define MLP_TRAINING                                                                               \
    .data = DATA_MNIST, .epochs = 10, .batch = 64, .optimizer = ADAM(1e-3), .seed = 44
/* 20 times 2000 steps, which that text calls epochs. */
#define VGG_TRAINING                                                                               \
    .data = DATA_CIFAR100, .steps = 40000, .batch = 80, .optimizer = RMSPROP(1e-3),                \
    .init = INIT_GLOROT, .centered = true, .augment = {.shear = 0.2, .zoom = 0.2, .flip = true},   \
    .seed = 44

const struct preset presets[] = {
    {"lenet", LENET("", ""), LENET_TRAINING, .epochs = 5,
     .what = "LeNet on CIFAR-10 as the text on BN in CNNs trains it, without BN"},
    {"lenet-bn", LENET("bn; ", "bn; "), LENET_TRAINING, .epochs = 5,
     .what = "the same with BN after both convolutions: what the text meant"},
    {"lenet-bn-as-published", LENET("", ""), LENET_TRAINING, .epochs = 10,
     .what = "the text's BN network: its BN layers are built and never used, so it is lenet for "
             "10 epochs"},
    {"mlp", MLP("", ""), MLP_TRAINING,
     .what = "the dense network on MNIST of the text on BN and batch sizes, without its stray "
             "softmax"},
    {"mlp-bn", MLP("bn; ", ""), MLP_TRAINING, .what = "the same with BN after each relu"},
    {"mlp-as-published", MLP("", "; softmax stray"), MLP_TRAINING,
     .what = "mlp as that text runs it: a softmax before a loss that applies one itself"},
    {"mlp-bn-as-published", MLP("bn; ", "; softmax stray"), MLP_TRAINING,
     .what = "mlp-bn with the same stray softmax"},
    {"vgg-sigmoid", VGG("sigmoid"), VGG_TRAINING,
     .what = "ten 3x3 convolutions on CIFAR-100, of the text on BN and activations"},
    {"vgg-sigmoid-bn", VGG(KERAS_BN "sigmoid"), VGG_TRAINING,
     .what = "the same with BN before each sigmoid"},
    {"vgg-relu", VGG("relu"), VGG_TRAINING, .what = "the same with ReLU, without BN"},
    {"vgg-relu-bn", VGG(KERAS_BN "relu"), VGG_TRAINING,
     .what = "the same with BN before each ReLU"},
    {"dense-tiny", DENSE_TINY, .data = DATA_NUMBERS, KERAS_TRAINING,
     .what = "the dense example of the text on BN in CNNs: 5 numbers, 2 classes"},
    {"cnn-tiny", CNN_TINY, .data = DATA_CIFAR10_PAIR, KERAS_TRAINING,
     .what = "its convolutional example, with the flatten it lacks: 28x28x3, 2 classes"},
    {0},
};

const struct preset preset_of_texts = {
    .data = DATA_ANY, .epochs = 5, .batch = 10, .optimizer = ADAM(1e-3), .seed = 44};

const struct preset *preset_find(const char *name)
{
    for (int i = 0; presets[i].name; i++)
        if (!strcmp(presets[i].name, name))
            return &presets[i];
    return NULL;
}

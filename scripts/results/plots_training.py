"""Pictures of training runs: curves over epochs and seconds, and how the time of a step divides."""

from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

from plot_style import BLUE, CYCLE, GREEN, MARKERS, ORANGE, PURPLE, RED, SKY, WIDTH, save

# Parts of a step: key of the summary, name, colour. What remains is the last.
SHARES = (
    ("share_conv", "convolutions", BLUE),
    ("share_bn", "batch normalization", ORANGE),
    ("share_dense", "dense layers", GREEN),
    ("share_reorder", "changes of layout", RED),
    ("share_input", "input", PURPLE),
    ("share_augment", "augmentation", SKY),
)
REST = "activations, pooling, loss, update"
# A part narrower than this has no room for its figure.
LEGIBLE = 0.04


def smooth(values, window):
    """Means over a window that ends at each value."""
    return [sum(values[max(0, i + 1 - window) : i + 1]) / min(i + 1, window) for i in range(len(values))]


def loss_of(event):
    """The loss of a logged step under either name, or None."""
    return event.get("loss", event.get("train_loss"))


def is_tested(event):
    """Has an epoch an accuracy on the test set?"""
    return event.get("test_accuracy") is not None


def by_epochs(trainings, folder):
    """Test accuracy after each epoch, against epochs and against seconds."""
    figure, axes = pyplot.subplots(1, 2, figsize=(WIDTH, 3.8), layout="constrained", sharey=True)
    for i, training in enumerate(trainings):
        look = {"color": CYCLE[i % len(CYCLE)], "marker": MARKERS[i % len(MARKERS)], "markersize": 4}
        tested = [n for n, event in enumerate(training["epochs"]) if is_tested(event)]
        accuracies = [100 * training["epochs"][n]["test_accuracy"] for n in tested]
        spent = [sum(e.get("seconds", 0) for e in training["epochs"][: n + 1]) for n in tested]
        axes[0].plot([n + 1 for n in tested], accuracies, label=training["preset"], **look)
        axes[1].plot(spent, accuracies, **look)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_xlabel("epochs")
    axes[0].set_ylabel("test accuracy (%)")
    axes[1].set_xlabel("seconds of training")
    axes[0].legend(fontsize=8)
    figure.suptitle("Test accuracy by epochs, and by the seconds they take", fontsize=10, x=0.01, ha="left")
    return save(figure, folder, "training")


def by_steps(trainings, folder):
    """Training loss at each logged step, where a run is too short for epochs."""
    figure, axis = pyplot.subplots(figsize=(WIDTH, 3.8), layout="constrained")
    for training, colour in zip(trainings, CYCLE):
        points = [(s.get("step", i + 1), loss_of(s)) for i, s in enumerate(training["steps"])]
        steps, losses = zip(*[point for point in points if point[1] is not None])
        window = max(1, len(losses) // 25)
        axis.plot(steps, losses, color=colour, alpha=0.2, linewidth=0.8)
        axis.plot(steps, smooth(losses, window), color=colour, label=training["preset"])
    axis.set_ylim(bottom=0)
    axis.set_xlabel("training step (mini-batches)")
    axis.set_ylabel("training loss (cross-entropy, nats)")
    axis.set_title("Training loss: pale each logged step, strong its running mean", loc="left")
    axis.legend(fontsize=8)
    return save(figure, folder, "training")


def draw_training(run, folder):
    """Curves of the networks trained beside the rows."""
    long = [t for t in run.training if sum(map(is_tested, t["epochs"])) > 1]
    if long:
        return by_epochs(long, folder)
    logged = [t for t in run.training if sum(loss_of(s) is not None for s in t["steps"]) > 1]
    return by_steps(logged, folder) if logged else None


def draw_split(run, folder):
    """Bars of a training step's time, a network a bar."""
    trainings = [t for t in run.training if "share_conv" in t["summary"]]
    if not trainings:
        return None
    figure, axis = pyplot.subplots(figsize=(WIDTH, 0.42 * len(trainings) + 1.5), layout="constrained")
    left = [0.0] * len(trainings)
    parts = [(name, colour, [t["summary"].get(key) or 0 for t in trainings]) for key, name, colour in SHARES]
    rest = [max(0, 1 - sum(shares[i] for _, _, shares in parts)) for i in range(len(trainings))]
    for name, colour, shares in [*parts, (REST, "#bbbbbb", rest)]:
        if max(shares) < 0.001:
            continue
        begins = [100 * x for x in left]
        axis.barh(range(len(trainings)), [100 * s for s in shares], left=begins, color=colour, label=name, height=0.7)
        for i, share in enumerate(shares):
            if share >= LEGIBLE:
                axis.text(100 * (left[i] + share / 2), i, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
        left = [x + s for x, s in zip(left, shares)]
    names = [f"{t['preset']}\n{t['summary'].get('images_per_second', 0):.0f} images/s" for t in trainings]
    axis.set_yticks(range(len(trainings)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.grid(visible=False)
    axis.set_xlabel("share of the time of a training step (%)")
    axis.set_title("Where the time of a training step goes", loc="left")
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, -0.28), ncols=4)
    return save(figure, folder, "split")

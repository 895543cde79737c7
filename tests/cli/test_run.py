"""Every variant against NumPy in float64, through `batchmark run`; and what run accepts and refuses.

The NumPy versions are written from the definitions, apart from the C references.
"""

import itertools

import numpy as np
import pytest

from tensorfile import CannotDo, batchmark, load, run, save, variants


class Conv:
    """A convolution: its problem string and, in NumPy, its three passes."""

    def __init__(self, mb, ic, oc, size, kernel, stride=(1, 1), dilation=(0, 0), pad=(0, 0), after=None, g=1):
        self.mb, self.ic, self.oc, self.g = mb, ic, oc, g
        self.size, self.kernel, self.stride = size, kernel, stride
        self.step = tuple(d + 1 for d in dilation)
        self.before, self.after = pad, pad if after is None else after
        extents = [(k - 1) * s + 1 for k, s in zip(kernel, self.step)]
        self.out = tuple(
            (n + b + a - e) // s + 1
            for n, b, a, e, s in zip(size, self.before, self.after, extents, stride)
        )
        self.text = f"g{g}mb{mb}ic{ic}oc{oc}" + "".join(
            f"i{x}{size[i]}o{x}{self.out[i]}k{x}{kernel[i]}s{x}{stride[i]}d{x}{dilation[i]}p{x}{pad[i]}"
            for i, x in enumerate("hw")
        )

    def padded(self, src):
        """The image with enough zeros around it that every tap falls inside."""
        need = [
            max((o - 1) * s + (k - 1) * d + 1 - b - n, 0)
            for o, s, k, d, b, n in zip(
                self.out, self.stride, self.kernel, self.step, self.before, self.size
            )
        ]
        return np.pad(src, ((0, 0), (0, 0), (self.before[0], need[0]), (self.before[1], need[1])))

    def window(self, padded, tap):
        """The pixels that one tap of the kernel sees, as a view of [N][C][OH][OW]."""
        rows, columns = (
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, o, s in zip(tap, self.step, self.out, self.stride)
        )
        return padded[:, :, rows, columns]

    def taps(self):
        """All (row, column) of the kernel."""
        return itertools.product(range(self.kernel[0]), range(self.kernel[1]))

    def grouped(self, array):
        """[N][C][H][W] as [N][g][C/g][H][W]."""
        return array.reshape(array.shape[0], self.g, -1, *array.shape[2:])

    def forward(self, src, weights, bias=None):
        """dst of float64 tensors."""
        padded = self.padded(src)
        w = weights.reshape(self.g, -1, *weights.shape[1:])
        dst = np.zeros((self.mb, self.oc, *self.out))
        for tap in self.taps():
            x = self.grouped(self.window(padded, tap))
            dst += np.einsum("ngchw,goc->ngohw", x, w[..., tap[0], tap[1]]).reshape(dst.shape)
        return dst if bias is None else dst + bias[:, None, None]

    def backward_data(self, diff_dst, weights):
        """diff_src of float64 tensors."""
        padded = self.padded(np.zeros((self.mb, self.ic, *self.size)))
        w = weights.reshape(self.g, -1, *weights.shape[1:])
        for tap in self.taps():
            back = np.einsum("ngohw,goc->ngchw", self.grouped(diff_dst), w[..., tap[0], tap[1]])
            view = self.window(padded, tap)
            view += back.reshape(view.shape)
        (top, left), (height, width) = self.before, self.size
        return padded[:, :, top : top + height, left : left + width]

    def backward_weights(self, src, diff_dst):
        """diff_weights of float64 tensors."""
        padded = self.padded(src)
        dw = np.zeros((self.oc, self.ic // self.g, *self.kernel))
        for tap in self.taps():
            x = self.grouped(self.window(padded, tap))
            product = np.einsum("ngohw,ngchw->goc", self.grouped(diff_dst), x)
            dw[:, :, tap[0], tap[1]] = product.reshape(dw.shape[:2])
        return dw


CONVS = [
    Conv(2, 16, 32, (8, 8), (3, 3), pad=(1, 1)),
    Conv(3, 19, 37, (9, 7), (3, 3), pad=(1, 1)),
    Conv(2, 6, 8, (9, 8), (3, 2), (2, 1), (1, 0), (2, 1), (1, 0), g=2),
    Conv(1, 3, 17, (6, 6), (4, 4), pad=(1, 1), after=(2, 2)),
    Conv(2, 5, 5, (7, 6), (3, 3), pad=(1, 1), g=5),
    Conv(2, 3, 5, (1, 17), (1, 5), (1, 2), pad=(0, 2)),
    Conv(3, 7, 5, (1, 1), (1, 1)),
    Conv(1, 2, 3, (2, 2), (5, 5), pad=(2, 2)),
]


class Batch:
    """A batch normalization: its problem string and, in NumPy, its passes."""

    def __init__(self, shape, eps=1e-5):
        self.shape, self.eps = shape, eps
        self.text = f"mb{shape[0]}ic{shape[1]}ih{shape[2]}iw{shape[3]}eps{eps!r}"
        self.n = shape[0] * shape[2] * shape[3]

    @staticmethod
    def wide(vector):
        """[C] as [1][C][1][1]."""
        return np.asarray(vector)[None, :, None, None]

    def normal(self, src, mean, variance):
        """xhat."""
        return (src - self.wide(mean)) / np.sqrt(self.wide(variance) + self.eps)

    def infer(self, src, mean, variance, gamma, beta):
        """dst from given statistics."""
        return self.wide(gamma) * self.normal(src, mean, variance) + self.wide(beta)

    def backward(self, src, diff_dst, mean, variance, gamma):
        """diff_src, diff_gamma, diff_beta."""
        xhat = self.normal(src, mean, variance)
        dbeta, dgamma = diff_dst.sum((0, 2, 3)), (diff_dst * xhat).sum((0, 2, 3))
        centred = diff_dst - self.wide(dbeta) / self.n - xhat * self.wide(dgamma) / self.n
        return self.wide(gamma) / np.sqrt(self.wide(variance) + self.eps) * centred, dgamma, dbeta


BATCHES = [
    Batch((2, 3, 4, 5)),
    Batch((5, 17, 7, 7), 1e-3),
    Batch((33, 19, 1, 1)),
    Batch((2, 1, 1, 9), 0.5),
    Batch((1, 33, 12, 11)),
]

PRODUCTS = [(64, 37, 29), (1, 8, 3), (5, 1, 7), (17, 100, 33)]


def random(seed, *shape):
    """float32 values around a mean that is not zero."""
    return np.random.default_rng(seed).normal(0.25, 1, shape).astype(np.float32)


def tolerance(name):
    """The allowed error relative to the largest magnitude, by what the variant's name says of its algebra."""
    if name.startswith(("reorder/", "copy/", "peak_fma/")):
        return 0
    if "bf16" in name:
        return 3e-2
    return 1e-4 if "winograd_f4" in name else 5e-6


class Subject:
    """A variant under test in one layout. Calling it runs a problem and holds all outputs against NumPy's."""

    def __init__(self, row, layout, folder):
        self.name = f"{row['op']}/{row['variant']}"
        self.layout, self.folder = layout, folder
        self.threads = 2 if row["parallel"] else 1
        self.accepted = 0

    def __call__(self, problem, tensors, want):
        try:
            got = run(self.name, problem, tensors, self.folder, self.layout, self.threads)
        except CannotDo:
            return
        self.accepted += 1
        where = f"{self.name} {problem} {self.layout}"
        assert set(got) == set(want), f"{where}: wrote {sorted(got)}"
        for role, values in want.items():
            assert got[role].shape == values.shape, f"{where}: {role} has shape {got[role].shape}"
            error = np.max(np.abs(got[role] - values))
            limit = tolerance(self.name) * max(np.max(np.abs(values)), 1e-3)
            assert error <= limit, f"{where}: {role} is off by {error:g}, allowed {limit:g}"


def float64(*arrays):
    """The same values in double precision."""
    return [a.astype(np.float64) for a in arrays]


def conv_tensors(seed, conv):
    """src and weights of a convolution."""
    weights = random(seed + 20, conv.oc, conv.ic // conv.g, *conv.kernel)
    return random(seed, conv.mb, conv.ic, *conv.size), weights


def conv_fwd(subject):
    """dst with and without bias."""
    for seed, conv in enumerate(CONVS):
        src, weights = conv_tensors(seed, conv)
        tensors = {"src": src, "weights": weights}
        if seed % 2:
            tensors["bias"] = random(3, conv.oc)
        subject(conv.text, tensors, {"dst": conv.forward(*float64(*tensors.values()))})


def conv_bwd_data(subject):
    """diff_src."""
    for seed, conv in enumerate(CONVS):
        _, weights = conv_tensors(seed, conv)
        diff_dst = random(seed + 50, conv.mb, conv.oc, *conv.out)
        tensors = {"diff_dst": diff_dst, "weights": weights}
        subject(conv.text, tensors, {"diff_src": conv.backward_data(*float64(diff_dst, weights))})


def conv_bwd_weights(subject):
    """diff_weights and diff_bias."""
    for seed, conv in enumerate(CONVS):
        src, _ = conv_tensors(seed, conv)
        diff_dst = random(seed + 50, conv.mb, conv.oc, *conv.out)
        want = {
            "diff_weights": conv.backward_weights(*float64(src, diff_dst)),
            "diff_bias": diff_dst.sum((0, 2, 3), dtype=np.float64),
        }
        tensors = {"src": src, "diff_dst": diff_dst}
        subject(conv.text, tensors, want)


def conv_bn_infer(subject):
    """dst of a convolution and the batch normalization behind it."""
    for seed, conv in enumerate(CONVS):
        src, weights = conv_tensors(seed, conv)
        bias, mean, gamma, beta = (random(seed + i, conv.oc) for i in range(60, 64))
        variance = np.abs(random(seed + 64, conv.oc)) + np.float32(0.25)
        tensors = {"src": src, "weights": weights, "mean": mean, "variance": variance}
        for extra in ({}, {"bias": bias, "gamma": gamma, "beta": beta}):
            dst = conv.forward(*float64(src, weights), extra.get("bias"))
            rstd = 1 / np.sqrt(variance.astype(np.float64) + 1e-5)
            normal = (dst - mean[:, None, None]) * rstd[:, None, None]
            if extra:
                normal = normal * gamma[:, None, None] + beta[:, None, None]
            subject(conv.text, tensors | extra, {"dst": normal})


def conv_stats(subject):
    """dst, and mean and variance of it."""
    for seed, conv in enumerate(CONVS):
        src, weights = conv_tensors(seed, conv)
        tensors = {"src": src, "weights": weights}
        if seed % 2:
            tensors["bias"] = random(3, conv.oc)
        dst = conv.forward(*float64(*tensors.values()))
        want = {"dst": dst, "mean": dst.mean((0, 2, 3)), "variance": dst.var((0, 2, 3))}
        subject(conv.text, tensors, want)


def bn_tensors(seed, batch):
    """src, diff_dst, gamma, beta for a batch normalization."""
    channels = batch.shape[1]
    gamma, beta = random(seed + 72, channels), random(seed + 73, channels)
    return random(seed + 70, *batch.shape), random(seed + 71, *batch.shape), gamma, beta


def windows(y):
    """The windows of 2x2 as rows of four, without an odd row or column."""
    n, c, h, w = y.shape[0], y.shape[1], y.shape[2] // 2, y.shape[3] // 2
    return y[:, :, : 2 * h, : 2 * w].reshape(n, c, h, 2, w, 2).swapaxes(3, 4).reshape(n, c, h, w, 4)


def same(y):
    """Nothing comes after the normalization."""
    return y


def relu(y):
    """Negative values are cut off."""
    return np.maximum(y, 0)


def relu_pool(y):
    """The largest of each window then."""
    return relu(windows(y).max(-1))


POOLED = [batch for batch in BATCHES if min(batch.shape[2:]) > 1]


def bn_fwd_train(subject, after=same, batches=BATCHES):
    """dst, mean and variance; gamma and beta given or not."""
    for seed, batch in enumerate(batches):
        src, _, gamma, beta = bn_tensors(seed, batch)
        x = src.astype(np.float64)
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
        extra = {} if seed % 2 else {"gamma": gamma, "beta": beta}
        scale, shift = (gamma, beta) if extra else (np.ones_like(gamma), np.zeros_like(beta))
        dst = batch.infer(x, mean, variance, scale, shift)
        want = {"dst": after(dst), "mean": mean, "variance": variance}
        subject(batch.text, {"src": src} | extra, want)


def bn_relu_fwd_train(subject):
    """The same with negative values cut off."""
    bn_fwd_train(subject, relu)


def bn_pool_fwd_train(subject):
    """And of those the largest of each window."""
    bn_fwd_train(subject, relu_pool, POOLED)


def bn_fwd_infer(subject, after=same, batches=BATCHES):
    """dst from given statistics."""
    for seed, batch in enumerate(batches):
        src, _, gamma, beta = bn_tensors(seed, batch)
        mean, variance = random(seed + 74, gamma.size), np.abs(random(seed + 75, gamma.size)) + np.float32(0.25)
        tensors = {"src": src, "mean": mean, "variance": variance, "gamma": gamma, "beta": beta}
        dst = batch.infer(*float64(*tensors.values()))
        subject(batch.text, tensors, {"dst": after(dst)})


def bn_relu_fwd_infer(subject):
    """The same with negative values cut off."""
    bn_fwd_infer(subject, relu)


def bn_pool_fwd_infer(subject):
    """And of those the largest of each window."""
    bn_fwd_infer(subject, relu_pool, POOLED)


def bn_bwd(subject, masked=False):
    """diff_src, diff_gamma and diff_beta; with relu, through the mask of the forward pass."""
    for seed, batch in enumerate(BATCHES):
        src, diff_dst, gamma, beta = bn_tensors(seed, batch)
        mean, variance = src.mean((0, 2, 3)), src.var((0, 2, 3))
        tensors = {"src": src, "diff_dst": diff_dst, "mean": mean, "variance": variance, "gamma": gamma}
        gradient = diff_dst.astype(np.float64)
        if masked:
            y = batch.infer(*float64(src, mean, variance, gamma, beta))
            # Where rounding decides the mask, no gradient arrives.
            diff_dst[np.abs(y) < 1e-4] = 0
            gradient = np.where(y > 0, diff_dst, 0).astype(np.float64)
            tensors["beta"] = beta
        dx, dgamma, dbeta = batch.backward(*float64(src, gradient, mean, variance, gamma))
        want = {"diff_src": dx, "diff_gamma": dgamma, "diff_beta": dbeta}
        subject(batch.text, tensors, want)


def bn_relu_bwd(subject):
    """The same through max(0, y)."""
    bn_bwd(subject, masked=True)


def bn_pool_bwd(subject):
    """Through the largest value of each window, where that is above 0."""
    for seed, batch in enumerate(POOLED):
        src, _, gamma, beta = bn_tensors(seed, batch)
        mean, variance = src.mean((0, 2, 3)), src.var((0, 2, 3))
        y = windows(batch.infer(*float64(src, mean, variance, gamma, beta)))
        diff_dst = random(seed + 76, *y.shape[:4])
        # Where rounding decides, no gradient arrives.
        first, second = np.sort(y, -1)[..., 3], np.sort(y, -1)[..., 2]
        diff_dst[(np.abs(first) < 1e-4) | (first - second < 1e-4)] = 0
        gradient = np.zeros(batch.shape)
        for n, c, h, w in np.argwhere(first > 0):
            place = y[n, c, h, w].argmax()
            gradient[n, c, 2 * h + place // 2, 2 * w + place % 2] = diff_dst[n, c, h, w]
        tensors = {"src": src, "diff_dst": diff_dst, "mean": mean, "variance": variance, "gamma": gamma, "beta": beta}
        dx, dgamma, dbeta = batch.backward(src.astype(np.float64), gradient, *float64(mean, variance, gamma))
        subject(batch.text, tensors, {"diff_src": dx, "diff_gamma": dgamma, "diff_beta": dbeta})


def gemm(subject):
    """A B with and without bias; nt and tn store B and A transposed."""
    for seed, (m, k, n) in enumerate(PRODUCTS):
        a, b, bias = random(seed + 80, m, k), random(seed + 81, k, n), random(seed + 82, n)
        text = f"{m}x{k}:{k}x{n}"
        tensors = {"src": a.T if subject.layout == "tn" else a, "weights": b.T if subject.layout == "nt" else b}
        product = a.astype(np.float64) @ b
        subject(text, tensors, {"dst": product})
        subject(text, tensors | {"bias": bias}, {"dst": product + bias})


def moved(subject):
    """dst is src."""
    for seed, batch in enumerate(BATCHES):
        src = random(seed + 90, *batch.shape)
        subject(batch.text, {"src": src}, {"dst": src})


def triad(subject):
    """dst = src + 3 diff_dst."""
    for seed, batch in enumerate(BATCHES):
        tensors = {"src": random(seed + 90, *batch.shape), "diff_dst": random(seed + 91, *batch.shape)}
        want = tensors["src"] + 3.0 * tensors["diff_dst"].astype(np.float64)
        subject(batch.text, tensors, {"dst": want})


def peak_fma(subject):
    """Counters that count the iterations."""
    subject("iter1000", {"src": np.ones(2)}, {"dst": np.full(64, 1000.0)})


CHECKS = {
    "conv_fwd": conv_fwd,
    "conv_bwd_data": conv_bwd_data,
    "conv_bwd_weights": conv_bwd_weights,
    "conv_bn_infer": conv_bn_infer,
    "conv_stats": conv_stats,
    "bn_fwd_train": bn_fwd_train,
    "bn_fwd_infer": bn_fwd_infer,
    "bn_bwd": bn_bwd,
    "bn_relu_fwd_train": bn_relu_fwd_train,
    "bn_relu_fwd_infer": bn_relu_fwd_infer,
    "bn_relu_bwd": bn_relu_bwd,
    "bn_pool_fwd_train": bn_pool_fwd_train,
    "bn_pool_fwd_infer": bn_pool_fwd_infer,
    "bn_pool_bwd": bn_pool_bwd,
    "gemm": gemm,
    "reorder": moved,
    "copy": moved,
    "triad": triad,
    "peak_fma": peak_fma,
}


@pytest.mark.parametrize("row", variants(), ids=lambda row: f"{row['op']}-{row['variant']}")
def test_against_numpy(row, folder):
    """Every variant, in each of its layouts, does some of the problems, and those right."""
    for layout in row["layouts"]:
        subject = Subject(row, layout, folder)
        CHECKS[row["op"]](subject)
        assert subject.accepted, f"{subject.name} {layout} refuses every problem"


def conv_case(folder):
    """A good call of conv_fwd/naive as a list of arguments, its tensors written to the folder."""
    tensors = {"src": random(1, 2, 3, 5, 4), "weights": random(2, 6, 3, 3, 3), "bias": random(3, 6)}
    save(f"{folder}/a", tensors)
    return tensors, ["run", "conv_fwd/naive", "mb2ic3ih5iw4oc6kh3", "--in", f"{folder}/a", "--out", f"{folder}/b"]


def test_output_file(folder):
    """What the file of the outputs says, and what the program says about it."""
    _, call = conv_case(folder)
    finished = batchmark(*call)
    assert finished.returncode == 0 and not finished.stderr
    assert finished.stdout == f"{folder}/b: dst [2,6,3,2]\n"
    tensors, metadata = load(f"{folder}/b")
    assert list(tensors) == ["dst"]
    assert metadata["op"] == "conv_fwd" and metadata["variant"] == "naive"
    assert metadata["problem"] == "mb2ic3ih5iw4oc6kh3" and metadata["layout"] == "nchw"


def test_output_may_replace_the_input(folder):
    """The input is read before anything is written."""
    _, call = conv_case(folder)
    call[-1] = f"{folder}/a"
    assert batchmark(*call).returncode == 0
    assert list(load(f"{folder}/a")[0]) == ["dst"]


def test_ranks(folder):
    """[N,C] and [N,C,W] where the missing sizes are 1, outputs alike."""
    flat = random(1, 6, 5)
    got = run("bn_fwd_train/naive", "mb6ic5", {"src": flat}, folder)
    assert got["dst"].shape == (6, 5) and got["mean"].shape == (5,)
    full = run("bn_fwd_train/naive", "mb6ic5", {"src": flat[:, :, None, None]}, folder)
    assert full["dst"].shape == (6, 5, 1, 1) and np.array_equal(full["dst"][:, :, 0, 0], got["dst"])

    line, taps = random(1, 2, 3, 9), random(2, 4, 3, 5)
    got = run("conv_fwd/naive", "mb2ic3iw9oc4kw5", {"src": line, "weights": taps}, folder)
    assert got["dst"].shape == (2, 4, 5)
    tensors = {"src": line[:, :, None], "weights": taps[:, :, None]}
    full = run("conv_fwd/naive", "mb2ic3iw9oc4kw5", tensors, folder)
    assert full["dst"].shape == (2, 4, 1, 5) and np.array_equal(full["dst"][:, :, 0], got["dst"])
    tensors = {"src": line, "diff_dst": got["dst"]}
    back = run("conv_bwd_weights/naive", "mb2ic3iw9oc4kw5", tensors, folder)
    assert back["diff_weights"].shape == (4, 3, 5)


def test_special_values_pass_through(folder):
    """What is not finite comes out as it does in NumPy."""
    src = np.array([[1, np.inf, -np.inf, np.nan, -0.0, 1e-45]], np.float32).reshape(1, 6, 1, 1)
    got = run("copy/naive", "mb1ic6", {"src": src}, folder)
    assert got["dst"].tobytes() == src.tobytes()


def test_help_names_every_tensor():
    """run --help lists each operation with its tensors."""
    finished = batchmark("run", "--help")
    assert finished.returncode == 0
    for op in {row["op"] for row in variants()}:
        assert f"\n  {op} " in finished.stdout
    for role in ("src", "weights", "bias", "dst", "diff_dst", "diff_src", "diff_weights", "diff_bias"):
        assert f"    {role} " in finished.stdout
    for role in ("mean", "variance", "gamma", "beta", "diff_gamma", "diff_beta"):
        assert f"    {role} " in finished.stdout

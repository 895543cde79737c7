"""Steps of PyTorch in which ReLUs and maxima decide as ours did, and how close those decisions were.

If a value is within rounding of a ReLU's threshold, rounding decides whether its gradient passes. If two values in the
window of a maximum are within rounding of each other, rounding decides which of them gets the gradient. Both results are
correct. Among the millions of values of a deep network some are always that close. So PyTorch is given the decisions of our
step (batchmark train --decisions): follow() makes layers that decide so, and settle() replaces a model's layers by them.
Then rounding cannot send gradients elsewhere. This must not excuse a mistake, so each decision is compared with that of
float64: where the two differ, the values may be no further apart than rounding explains.
"""

import torch
from torch import nn

CLOSE = 1e-5  # by the root mean square of the values of the layer


class DecidedReLU(nn.Module):
    """A ReLU that decides as at its first call, but for what follow() and reach() change."""

    def __init__(self, *_):
        super().__init__()
        self.x = self.keep = None

    def forward(self, x):
        """What is kept of x, of any shape."""
        if self.keep is None:
            self.x, self.keep = x.detach(), x.detach() > 0
        return x * self.keep

    def follow(self, keep):
        """Decides so, 1 where a value is kept and 0 where not. Returns how far from zero those are that it decides anew."""
        keep = torch.as_tensor(keep > 0).view_as(self.keep)
        margins = self.x[keep != self.keep].abs() / self.x.square().mean().sqrt()
        self.keep = keep
        return margins.tolist()

    def reach(self, first, passes):
        """Keeps the values at these places of each image where they are said to pass, and not where not."""
        keep = self.keep.flatten(2).clone()
        keep.scatter_(2, first.flatten(2), passes.flatten(2))
        return self.follow(keep)


class DecidedMaxPool(nn.Module):
    """The same of a maximum pooling without padding of images (n, c, h, w)."""

    def __init__(self, pool, before):
        super().__init__()
        self.relu = before if isinstance(before, DecidedReLU) else None
        self.options = {"kernel_size": pool.kernel_size, "stride": pool.stride}
        self.first = self.values = self.places = self.scale = None

    def forward(self, x):
        """What the windows choose of x."""
        if self.first is None:
            # Behind a ReLU by what goes into it: where that drops all of a window, a value it might have kept is to be chosen.
            self.record(self.relu.x if self.relu else x.detach())
        return x.flatten(2).gather(2, self.first.flatten(2)).view(self.first.shape)

    def record(self, x):
        """Notes the values of each window, where in their image they lie, and where the largest does."""
        _, self.first = nn.functional.max_pool2d(x, **self.options, return_indices=True)
        n, c, h, w = x.shape
        places = torch.arange(h * w, dtype=x.dtype).view(1, 1, h, w)
        self.places = nn.functional.unfold(places, **self.options).long()
        self.values = nn.functional.unfold(x, **self.options).view(n, c, *self.places.shape[1:])
        self.scale = x.square().mean().sqrt()

    def follow(self, chosen, told):
        """Takes those places in the windows; -1 where the ReLU before lets nothing pass. Returns how far the values taken anew
        lie below the largest. told: has the ReLU been told what it keeps?"""
        chosen = torch.tensor(chosen).long().flatten(2)
        passes = chosen >= 0
        n, c, windows = chosen.shape
        largest = self.first.flatten(2)
        places = self.places.expand(n, -1, -1).unsqueeze(1).expand(n, c, -1, -1)
        taken = places.gather(2, chosen.clamp_min(0).unsqueeze(2)).squeeze(2)
        first = torch.where(passes, taken, largest)
        values = self.values.gather(2, chosen.clamp_min(0).unsqueeze(2)).squeeze(2)
        # Behind a ReLU all that it drops is level.
        floor = 0 if self.relu else -torch.inf
        gaps = (self.values.amax(2).clamp_min(floor) - values.clamp_min(floor)) / self.scale
        margins = gaps[passes & (first != largest) & (gaps > 0)].tolist()
        self.first = first.view(self.first.shape)
        if self.relu and not told:
            margins += self.relu.reach(first, passes)
        return margins


DECIDED = {nn.ReLU: DecidedReLU, nn.MaxPool2d: DecidedMaxPool}


def settle(model, decisions):
    """Puts those layers in place of the model's own: {name: layer}."""
    for name, layer in decisions.items():
        setattr(model, name, layer)


def follow(start, ours):
    """Layers that decide as our step from `start` did, and how close the calls were that float64 decides otherwise.

    start: a run as parity.Run, left as it is. ours: {name: array}, a file of batchmark train --decisions. Returns
    ({name: layer} for settle(), [margin by the layer's root mean square]).
    """
    exact = start.twin(torch.float64)
    decisions, before = {}, None
    for name, layer in exact.model.named_children():
        if type(layer) in DECIDED:
            decisions[name] = DECIDED[type(layer)](layer, before)
        before = decisions.get(name)
    settle(exact.model, decisions)
    exact.step()
    margins = []
    for name, layer in decisions.items():
        if isinstance(layer, DecidedReLU) and f"{name}.keep" in ours:
            margins += layer.follow(ours[f"{name}.keep"])
    for name, layer in decisions.items():
        if isinstance(layer, DecidedMaxPool):
            told = any(other is layer.relu and f"{place}.keep" in ours for place, other in decisions.items())
            margins += layer.follow(ours[f"{name}.chosen"], told)
    return decisions, margins

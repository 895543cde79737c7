"""Steps of PyTorch whose ReLUs and maxima are decided another's way where rounding leaves them open.

A value within rounding of a ReLU's kink, or two within rounding of each other in the window of a maximum, send their
gradient one way in one rounding and another way in the next, and neither is wrong. Of the millions of values of a deep
network a few always lie that close. What can be asked is that some way of deciding these calls gives the gradients
found: decide() looks for it among the calls that float64 finds closest, and settle() makes a model decide so, whose
gradients leave rounding no such freedom.
"""

import numpy as np
import torch
from torch import nn

CLOSE = 1e-5  # by the root mean square of the values of the layer
CALLS = 256  # so close that are looked at, those first whose gradients weigh most in their layer


def weighed(layer, y):
    """Notes in layer.weights what part of the gradient of all of y, once it is known, is that of each value."""

    def note(dy):
        layer.weights = (dy.abs() / dy.norm().clamp_min(torch.finfo(dy.dtype).tiny)).flatten()

    y.register_hook(note)
    return y


class DecidedReLU(nn.Module):
    """A ReLU that decides as at its first call, but for what flip() changes."""

    def __init__(self, *_):
        super().__init__()
        self.x = self.keep = self.margins = self.weights = None

    def forward(self, x):
        """What is kept of x, of any shape."""
        if self.keep is None:
            self.x, self.keep = x.detach(), x.detach() > 0
            self.margins = x.detach().abs().flatten() / x.detach().square().mean().sqrt()
        return weighed(self, x * self.keep)

    def flip(self, call):
        """Decides that value the other way."""
        self.keep.view(-1)[call] ^= True


class DecidedMaxPool(nn.Module):
    """The same of a maximum pooling without padding of images (n, c, h, w): each window's largest or its second."""

    def __init__(self, pool, before):
        super().__init__()
        self.relu = before if isinstance(before, DecidedReLU) else None
        self.options = {"kernel_size": pool.kernel_size, "stride": pool.stride}
        self.first = self.second = self.margins = self.weights = None

    def forward(self, x):
        """What the windows choose of x."""
        if self.first is None:
            # Behind a ReLU by what goes into it: where that drops all of a window, a value it might have kept is to be chosen.
            self.record(self.relu.x if self.relu else x.detach())
        return weighed(self, x.flatten(2).gather(2, self.first.flatten(2)).view(self.first.shape))

    def record(self, x):
        """Notes where in its image the largest of each window lies, where the next, and how far apart they are."""
        largest, self.first = nn.functional.max_pool2d(x, **self.options, return_indices=True)
        n, c, h, w = x.shape
        places = torch.arange(h * w, dtype=x.dtype).view(1, 1, h, w)
        places = nn.functional.unfold(places, **self.options).long().view(1, 1, -1, largest[0, 0].numel())
        values = nn.functional.unfold(x, **self.options).view(n, c, *places.shape[2:])
        values.masked_fill_(places == self.first.flatten(2).unsqueeze(2), -torch.inf)
        second, which = values.max(2)
        self.second = places.expand(n, c, -1, -1).gather(2, which.unsqueeze(2)).view(self.first.shape)
        margins = (largest.flatten(2) - second) / x.square().mean().sqrt()
        # Exactly level is what lies on one color: the first of them, for everyone.
        self.margins = torch.where(margins == 0, torch.inf, margins).flatten()

    def flip(self, call):
        """Takes that window's other value."""
        first, second = self.first.view(-1), self.second.view(-1)
        first[call], second[call] = second[call].clone(), first[call].clone()


DECIDED = {nn.ReLU: DecidedReLU, nn.MaxPool2d: DecidedMaxPool}


def settle(model, decisions):
    """Puts those layers in place of the model's own: {name: layer}."""
    for name, layer in decisions.items():
        setattr(model, name, layer)


def slopes(start, decisions, norms=None):
    """The gradients of a step from start so decided, {name: array}; divided by their norms, one array."""
    twin = start.twin()
    settle(twin.model, decisions)
    twin.step()
    found = {name: weights.grad.numpy() for name, weights in twin.model.named_parameters()}
    return found if norms is None else np.concatenate([(found[name] / norm).ravel() for name, norm in norms.items()])


def decide(start, got):
    """The decisions in a step from `start` that give the gradients `got`, and the margins of those that were turned.

    start: a run as parity.Run, left as it is. got: {name: array}; those named are looked at. Returns ({name: layer} for
    settle(), [margin by the layer's root mean square]).
    """
    exact = start.twin(torch.float64)
    decisions, before = {}, None
    for name, layer in exact.model.named_children():
        if type(layer) in DECIDED:
            decisions[name] = DECIDED[type(layer)](layer, before)
        before = decisions.get(name)
    settle(exact.model, decisions)
    exact.step()
    calls = []
    for layer in decisions.values():
        close = torch.nonzero((layer.margins < CLOSE) & (layer.weights > 0)).flatten()
        calls += [(layer.weights[call].item(), layer, call, layer.margins[call].item()) for call in close]
    calls = sorted(calls, key=lambda call: -call[0])[:CALLS]
    base = slopes(start, decisions)
    norms = {name: np.linalg.norm(base[name]) or 1 for name in got}
    base = slopes(start, decisions, norms)
    effects = []
    for _, layer, call, _ in calls:
        layer.flip(call)
        effects.append(slopes(start, decisions, norms) - base)
        layer.flip(call)
    turned = []
    if calls:
        wanted = np.concatenate([(got[name] / norm).ravel() for name, norm in norms.items()]) - base
        shares = np.linalg.lstsq(np.stack(effects, 1), wanted, rcond=None)[0]
        turned = [call for call, share in zip(calls, shares) if share > 0.5]
    for _, layer, call, _ in turned:
        layer.flip(call)
    return decisions, [margin for *_, margin in turned]

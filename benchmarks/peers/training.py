"""BertAdam, a training step and an evaluation, as the published drivers run them."""

from contextlib import nullcontext

import torch
from torch.nn.utils import clip_grad_norm_

NO_DECAY = ("bias", "LayerNorm.weight")


class BertAdam:
    """Adam without bias correction; clips every tensor to norm 1 on top of the global clip; warms up linearly, then falls to 0.

    Parameters without a gradient are skipped.
    """

    def __init__(self, named_parameters, lr, steps, warmup=0.1, b1=0.9, b2=0.999, epsilon=1e-6, decay=0.01):
        self.parameters = [(p, 0.0 if any(n in name for n in NO_DECAY) else decay) for name, p in named_parameters]
        self.lr, self.steps, self.warmup, self.b1, self.b2, self.epsilon = lr, steps, warmup, b1, b2, epsilon
        self.state = {}

    def rate(self, step):
        if self.steps < 0:
            return self.lr
        x = step / self.steps
        return self.lr * (x / self.warmup if x < self.warmup else max((x - 1.0) / (self.warmup - 1.0), 0.0))

    def zero_grad(self):
        for p, _ in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p, decay in self.parameters:
            if p.grad is None:
                continue
            state = self.state.setdefault(p, {"step": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)})
            clip_grad_norm_([p], 1.0)
            m, v = state["m"], state["v"]
            m.mul_(self.b1).add_(p.grad, alpha=1.0 - self.b1)
            v.mul_(self.b2).addcmul_(p.grad, p.grad, value=1.0 - self.b2)
            update = m / (v.sqrt() + self.epsilon)
            if decay:
                update += decay * p
            p.add_(update, alpha=-self.rate(state["step"]))
            state["step"] += 1


def train_step(model, optimizer, batch, autocast=None):
    """Returns the loss as a number, which the drivers add up. `autocast`: a type for the products of the forward pass."""
    inputs, masks, labels = batch
    with torch.autocast(labels.device.type, dtype=autocast) if autocast else nullcontext():
        _, terms = model(inputs, masks, labels)
        loss = model.total(terms)
    loss.backward()
    clip_grad_norm_([p for p, _ in optimizer.parameters], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def evaluate(model, batch):
    inputs, masks, _ = batch
    with torch.inference_mode():
        return model(inputs, masks)

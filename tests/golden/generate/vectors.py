"""Kinds `ctc_loss` and `lstm`: one file each, with PyTorch's own functions as the reference."""

import numpy as np
import torch
from torch.nn import functional as F

import cases

# name: (input lengths, classes, targets, blank, scale of the logits)
CTC_CASES = {
    "words": ([7, 5, 9, 4], 6, [[1, 2, 3], [4, 1], [5, 3, 2, 1], [2, 2]], 0, 1.0),  # the last one repeats a label
    "ordered": ([5, 8, 6], 6, [[1, 2, 3, 4, 5]] * 3, 0, 2.0),  # 1..L; the first sample has one path alone
    "edges": ([1, 1, 3, 5, 4], 3, [[1], [], [], [1, 1, 1], [2, 1, 2]], 0, 1.0),
    "blank_inside": ([6, 4], 4, [[0, 3, 3], [1]], 2, 1.0),
    "extreme": ([6, 6], 5, [[1, 2, 2], [4, 3, 1]], 0, 60.0),
    "impossible": ([2, 3, 4], 4, [[1, 2, 3], [1, 1], [2, 2, 2]], 0, 1.0),  # the second one is possible
}
# name: (B, T, D, width, layers)
LSTM_CASES = {"one_layer": (3, 5, 4, 6, 1), "two_layers": (2, 7, 3, 5, 2), "one_step": (4, 1, 2, 3, 2), "wide_input": (1, 4, 9, 2, 3)}


def ctc_loss():
    """Per case: `logits` [B, T, K], `lengths`, `targets` [B, S] (-1 behind the end), `target_lengths`, `loss` [B] and
    `gradient` of the sum of the losses by the logits. Where no path exists `possible` is 0, and so are loss and gradient."""
    out, config = {}, {}
    for number, (name, (lengths, classes, targets, blank, scale)) in enumerate(CTC_CASES.items()):
        generator = np.random.default_rng(500 + number)
        batch, steps, longest = len(lengths), max(lengths), max(1, max(len(t) for t in targets))
        logits = cases.single(scale * generator.standard_normal((batch, steps, classes)))
        padded = np.full((batch, longest), -1, dtype=np.int64)
        for b, target in enumerate(targets):
            padded[b, : len(target)] = target
        losses, gradients = {}, {}
        for dtype in (torch.float64, torch.float32):
            x = torch.from_numpy(logits).to(dtype).requires_grad_(True)
            loss = F.ctc_loss(
                torch.log_softmax(x, -1).transpose(0, 1), torch.from_numpy(np.maximum(padded, 0)), torch.tensor(lengths),
                torch.tensor([len(t) for t in targets]), blank=blank, reduction="none", zero_infinity=True,
            )  # fmt: skip
            loss.sum().backward()
            losses[dtype], gradients[dtype] = loss.detach().numpy(), x.grad.numpy()
        repeats = [sum(a == b for a, b in zip(t, t[1:])) for t in targets]
        possible = [int(n >= len(t) + r) for n, t, r in zip(lengths, targets, repeats)]
        out.update({
            f"{name}/logits": logits, f"{name}/lengths": np.array(lengths, dtype=np.int64), f"{name}/targets": padded,
            f"{name}/target_lengths": np.array([len(t) for t in targets], dtype=np.int64),
            f"{name}/possible": np.array(possible, dtype=np.int64), f"{name}/loss": losses[torch.float64],
            f"{name}/gradient": gradients[torch.float64],
        })  # fmt: skip
        config[name] = {
            "blank": blank, "f32_loss": float(np.abs(losses[torch.float64] - losses[torch.float32]).max()),
            "f32_gradient": float(np.abs(gradients[torch.float64] - gradients[torch.float32]).max()),
        }  # fmt: skip
    return out, {"cases": config}


def lstm():
    """Per case: `x` [B, T, D], `{weight,bias}_{ih,hh}_l<k>` (gates i, f, g, o), `output` [B, T, W] of the last layer from zero
    states; `output_gradient` given, `gradient/*` of the sum of output * output_gradient by x and by the parameters."""
    out = {}
    for number, (name, (batch, steps, width_in, width, layers)) in enumerate(LSTM_CASES.items()):
        generator = np.random.default_rng(520 + number)
        module = torch.nn.LSTM(width_in, width, num_layers=layers, batch_first=True).double()
        values = {k: cases.single(generator.standard_normal(tuple(v.shape)) * 0.7) for k, v in module.state_dict().items()}
        module.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()})
        values["x"] = cases.single(generator.standard_normal((batch, steps, width_in)))
        x = torch.from_numpy(values["x"]).requires_grad_(True)
        output = module(x)[0]
        pull = cases.single(generator.standard_normal(tuple(output.shape)))
        (output * torch.from_numpy(pull)).sum().backward()
        values.update(output=output.detach().numpy(), output_gradient=pull)
        values["gradient/x"] = x.grad.numpy()
        values.update({f"gradient/{k}": p.grad.numpy() for k, p in module.named_parameters()})
        out.update({f"{name}/{k}": v for k, v in values.items()})
    return out, {"cases": {name: {"layers": sizes[-1]} for name, sizes in LSTM_CASES.items()}}


KINDS = {"ctc_loss": ctc_loss, "lstm": lstm}

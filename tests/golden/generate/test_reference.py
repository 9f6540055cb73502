"""Properties of the reference program that no golden file shows. Needs torch: python test_reference.py"""

import copy
import itertools
import os
import sys
import unittest

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
import ramer_reference as ramer  # noqa: E402
import stack_shuffle  # noqa: E402
import tailor_cases  # noqa: E402
import tailor_reference as tailor  # noqa: E402


def case(name):
    return next(c for c in cases.all_cases() if c.name == name)


def tensors(start):
    return tuple(ramer.as_tensors(part, torch.float64) for part in start)


def run(config, start):
    params, buffers, inputs = tensors(start)
    return ramer.Step(ramer.Reference(config), params, buffers, inputs, ramer.BertAdam(config["optimizer"]))


def worst(a, b):
    return float((a - b).detach().abs().max())


class Riffle(unittest.TestCase):
    def test_worked_examples(self):
        self.assertEqual(stack_shuffle.riffle(range(8), 4), [0, 2, 4, 6, 1, 3, 5, 7])
        self.assertEqual(stack_shuffle.riffle(range(8), 4, 2), [0, 4, 1, 5, 2, 6, 3, 7])
        self.assertEqual(stack_shuffle.riffle(range(8), 4, 3), list(range(8)))
        self.assertEqual(stack_shuffle.riffle(range(4), 2, 1, 1), [2, 0, 3, 1])

    def test_modality_pass_is_a_rotation(self):
        _, rho = stack_shuffle.permutations("default", 4, 3, 2, 2, 3, 1)
        self.assertEqual(rho[0, :, 1].tolist(), [1, 2, 0])


class Gradients(unittest.TestCase):
    """Central differences along random directions, of the function that each group of parameters descends."""

    def check(self, config, start, value, groups):
        params, buffers, inputs = tensors(start)
        step = run(config, start)
        reference = ramer.Reference(config)
        generator = torch.Generator().manual_seed(5)
        for label, belongs in groups.items():
            names = [n for n in step.gradients if belongs(n)]
            self.assertTrue(names)
            direction = {n: torch.randn(params[n].shape, generator=generator, dtype=torch.float64) for n in names}
            sides = []
            for h in (1e-6, -1e-6):
                moved = {n: p + h * direction[n] if n in direction else p for n, p in params.items()}
                with torch.no_grad():
                    sides.append(float(value(reference, label, moved, params, buffers, inputs)))
            measured = (sides[0] - sides[1]) / 2e-6
            exact = sum(float((step.gradients[n] * direction[n]).sum()) for n in names)
            self.assertLess(abs(measured - exact), 1e-6 * max(1.0, abs(exact)), label)

    groups = {"D": ramer.is_discriminator, "rest": lambda n: not ramer.is_discriminator(n)}

    def test_reversal(self):
        config = copy.deepcopy(case("ramer_four_modalities").config)
        # D descends the total; everything else sees L_C with its sign turned.
        def value(reference, label, moved, params, buffers, inputs):
            loss = reference.forward(moved, buffers, inputs).loss
            sign = 0.0 if label == "D" else 2.0
            return reference.total(loss) - sign * reference.opt["w_adv"] * loss["adv_C"]

        self.check(config, case("ramer_four_modalities").start, value, self.groups)

    def test_alternating(self):
        chosen = case("ramer_alternating")
        step = run(chosen.config, chosen.start)
        d_after = {n: v for n, v in step.after.items() if ramer.is_discriminator(n)}

        def value(reference, label, moved, params, buffers, inputs):
            weight = reference.opt["w_adv"]
            if label == "D":
                loss = reference.forward(moved, buffers, inputs).loss
                return weight * (loss["adv_C"] + loss["adv_S"])
            loss = reference.forward(moved, buffers, inputs, discriminator=d_after).loss
            return reference.total(loss) - 2.0 * weight * loss["adv_C"]

        self.check(chosen.config, chosen.start, value, self.groups)

    def test_confusion(self):
        chosen = case("ramer_confusion")

        def value(reference, label, moved, params, buffers, inputs):
            loss = reference.forward(moved, buffers, inputs).loss
            dropped = "adv_confusion" if label == "D" else "adv_C"
            return reference.total(loss) - reference.opt["w_adv"] * loss[dropped]

        self.check(chosen.config, chosen.start, value, self.groups)

    def test_marked_and_label_mask(self):
        chosen = case("ramer_target_marked")
        start = copy.deepcopy(chosen.start)
        start[2]["label_mask"] = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0]])

        def value(reference, label, moved, params, buffers, inputs):
            loss = reference.forward(moved, buffers, inputs).loss
            return reference.total(loss) - 2.0 * reference.opt["w_adv"] * loss["adv_C"]

        mark = lambda n: "target_time" in n or n == "personality_unknown"  # noqa: E731
        self.check(chosen.config, start, value, {"marks": mark, "rest": self.groups["rest"]})


class Tailor(unittest.TestCase):
    def case(self, name):
        return next(c for c in tailor_cases.all_cases() if c.name == name)

    def test_finite_differences(self):
        for name in ("tailor_aligned", "tailor_unaligned"):
            chosen = self.case(name)
            reference = tailor.Tailor(chosen.config)
            params, inputs = (ramer.as_tensors(x, torch.float64) for x in (chosen.params, chosen.inputs))
            step = ramer.Step(reference, params, {}, inputs, ramer.BertAdam(chosen.config["optimizer"]))
            generator = torch.Generator().manual_seed(6)
            for d in (True, False):
                names = [n for n in params if ramer.is_discriminator(n) == d]
                direction = {n: torch.randn(params[n].shape, generator=generator, dtype=torch.float64) for n in names}
                sides = []
                for h in (1e-6, -1e-6):
                    moved = {n: p + h * direction[n] if n in direction else p for n, p in params.items()}
                    loss = ramer.evaluate(reference, moved, {}, inputs).loss
                    turned = 0.0 if d else 2.0 * chosen.config["options"]["w_adv"]
                    sides.append(float(reference.total(loss) - turned * loss["adv_C"]))
                exact = sum(float((step.gradients[n] * direction[n]).sum()) for n in names)
                self.assertLess(abs((sides[0] - sides[1]) / 2e-6 - exact), 1e-6 * max(1.0, abs(exact)), name)

    def test_ctc_loss_is_the_sum_over_paths(self):
        """Every labelling of the steps that collapses to 1, 2 (repeats merged, then blanks removed)."""
        logits = torch.randn((3, 4, 3), generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        log_probs = torch.log_softmax(logits, -1)
        total = 0.0
        for b in range(3):
            probability = 0.0
            for path in itertools.product(range(3), repeat=4):
                merged = [s for t, s in enumerate(path) if t == 0 or path[t - 1] != s]
                if [s for s in merged if s != 0] == [1, 2]:
                    probability += float(torch.exp(sum(log_probs[b, t, s] for t, s in enumerate(path))))
            total -= np.log(probability) / 3.0
        chosen = self.case("tailor_unaligned")
        self.assertLess(abs(float(tailor.Tailor(chosen.config).ctc_loss(logits, 2)) - total), 1e-12)

    def test_lstm(self):
        chosen = self.case("tailor_unaligned")
        prefix = "v2t_ctc.pred_output_position_inclu_blank"
        params = {k[len(prefix) + 1 :]: torch.from_numpy(v) for k, v in chosen.params.items() if k.startswith(prefix)}
        x = torch.from_numpy(chosen.inputs["visual"])
        other = torch.nn.LSTM(x.shape[-1], params["weight_hh_l0"].shape[1], num_layers=2, batch_first=True).double()
        other.load_state_dict(params)
        ours = ramer.lstm({f"{prefix}.{k}": v for k, v in params.items()}, prefix, x)
        self.assertLess(worst(ours, other(x)[0]), 1e-14)


class Options(unittest.TestCase):
    def test_fusion_order_permutes_columns(self):
        chosen = case("ramer_fusion_order")
        plain = copy.deepcopy(chosen.config)
        order = plain["options"].pop("fusion_order")
        params, buffers, inputs = copy.deepcopy(chosen.start)
        for m in ramer.modality_names(plain):
            name = ramer.cross_name(plain, m) + ".output.weight"
            parts = dict(zip(order, np.split(params[name], len(order), 1)))
            params[name] = np.concatenate([parts[k] for k in ramer.modality_names(plain)], 1)
        a, b = run(chosen.config, chosen.start), run(plain, (params, buffers, inputs))
        self.assertLess(worst(a.result.loss["total"], b.result.loss["total"]), 1e-12)

    def test_concatenation_of_two_identities_is_the_sum(self):
        chosen = case("ramer_shuffle_concat")
        start = copy.deepcopy(chosen.start)
        eye = np.eye(start[0]["shuffle_input.bias"].shape[0])
        start[0]["shuffle_input.weight"], start[0]["shuffle_input.bias"] = np.concatenate([eye, eye], 1), 0.0 * eye[0]
        plain = case("ramer_no_personality")
        a, b = run(chosen.config, start), run(plain.config, plain.start)
        self.assertLess(worst(a.result.loss["total"], b.result.loss["total"]), 1e-12)

    def test_time_concat(self):
        chosen = case("ramer_time_concat")
        reference = ramer.Reference(chosen.config)
        params, buffers, inputs = tensors(chosen.start)
        before = reference.forward(params, buffers, inputs).mid
        target = int(inputs["target_person"][0])
        for person in range(int(inputs["n_persons"][0])):
            changed = dict(inputs, personality=inputs["personality"].clone())
            changed["personality"][0, person, 0] += 1.0
            after = reference.forward(params, buffers, changed).mid
            # Others reach the target through the personality encoder alone, itself in its own tokens as well.
            self.assertGreater(worst(before["X_alpha.text"][0], after["X_alpha.text"][0]), 1e-3 if person == target else 1e-9)
            self.assertEqual(worst(before["X_alpha.text"][1:], after["X_alpha.text"][1:]), 0.0)
        self.assertTrue(bool((before["label_attention.text"].sum(-1) - 1.0).abs().max() < 1e-12))


class Invariance(unittest.TestCase):
    def test_evaluation_does_not_depend_on_batch_mates(self):
        chosen = case("ramer_four_modalities")
        params, buffers, inputs = tensors(chosen.start)
        reference = ramer.Reference(chosen.config)
        together = ramer.evaluate(reference, params, buffers, inputs).mid["score"]
        for b in range(together.shape[0]):
            slots = int(inputs["n_persons"][b] * inputs["n_segments"][b])
            alone = {}
            for name, value in inputs.items():
                value = value[b : b + 1]
                wide = name in ("exists",) or any(name in (m, m + "_mask") for m in reference.modalities)
                alone[name] = value[:, :slots] if wide else value
            score = ramer.evaluate(reference, params, buffers, alone).mid["score"]
            self.assertLess(worst(score[0], together[b]), 1e-12)

    def test_holes_and_unknown_persons_carry_nothing(self):
        chosen = case("ramer_four_modalities")
        start = copy.deepcopy(chosen.start)
        inputs = start[2]
        for m in ramer.modality_names(chosen.config):
            inputs[m][inputs["exists"] == 0] = 7.0
            inputs[m + "_mask"][inputs["exists"] == 0] = 1
        inputs["personality"][inputs["personality_known"] == 0] = -3.0
        a, b = run(chosen.config, chosen.start), run(chosen.config, start)
        self.assertEqual(float(a.result.loss["total"]), float(b.result.loss["total"]))
        self.assertEqual(worst(a.gradients["personality_unknown"], b.gradients["personality_unknown"]), 0.0)
        self.assertGreater(float(a.gradients["personality_unknown"].abs().max()), 0.0)

    def test_a_mark_of_zero_marks_nothing(self):
        chosen = case("ramer_target_marked")
        start = copy.deepcopy(chosen.start)
        for name in start[0]:
            if ".target_time." in name:
                start[0][name][:] = 0
        marked = run(chosen.config, start)
        plain = case("ramer_target_all")
        self.assertLess(worst(marked.result.loss["total"], run(plain.config, plain.start).result.loss["total"]), 1e-13)

    def test_segment_takes_the_token_of_the_target(self):
        chosen = case("ramer_target_segment")
        r = run(chosen.config, chosen.start).result
        at = torch.from_numpy(chosen.start[2]["target_segment"])
        for m in ramer.modality_names(chosen.config):
            token = r.mid[f"aux_reduced_target.{m}"][torch.arange(4), at]
            self.assertEqual(worst(r.mid[f"X_alpha.{m}"], token[:, None, :].expand(-1, 3, -1)), 0.0)

    def test_masked_cells_count_nowhere(self):
        chosen = case("ramer_label_mask")
        start = copy.deepcopy(chosen.start)
        hidden = start[2]["label_mask"] == 0
        start[2]["labels"][hidden] = 1 - start[2]["labels"][hidden]
        a, b = run(chosen.config, chosen.start), run(chosen.config, start)
        for name, value in a.result.loss.items():
            self.assertEqual(float(value), float(b.result.loss[name]), name)
        for name, value in a.gradients.items():
            self.assertEqual(worst(value, b.gradients[name]), 0.0, name)
        for name, value in a.buffers.items():
            self.assertEqual(worst(value.double(), b.buffers[name].double()), 0.0, name)
        everything = copy.deepcopy(chosen.start)
        everything[2]["label_mask"][:] = 1
        bare = copy.deepcopy(chosen.start)
        del bare[2]["label_mask"]
        self.assertEqual(
            float(run(chosen.config, everything).result.loss["total"]), float(run(chosen.config, bare).result.loss["total"])
        )
        self.assertNotEqual(float(a.result.loss["total"]), float(run(chosen.config, bare).result.loss["total"]))

    def test_alternating_updates_each_group_once(self):
        chosen = case("ramer_alternating")
        step = run(chosen.config, chosen.start)
        params, _, _ = tensors(chosen.start)
        c = chosen.config["optimizer"]
        d = {n: g for n, g in step.gradients.items() if ramer.is_discriminator(n)}
        clipped, _ = ramer.clipped(d)
        for name, g in clipped.items():
            g = g * min(1.0, 1.0 / (float(g.norm()) + 1e-6))
            u = 0.1 * g / (torch.sqrt(0.001 * g * g) + c["e"])
            u = u + (c["weight_decay"] * params[name] if name.endswith("weight") else 0.0)
            self.assertLess(worst(step.after[name], params[name] - c["lr"] * u), 1e-15, name)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()

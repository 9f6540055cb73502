#!/usr/bin/env python3
"""Weights of PyTorch programs as checkpoints, and back. The proof: `before/` of golden files, written as a .pt state_dict and
imported, gives their scores in evaluation through `ramer predict`.

Needs numpy. Skipped, and said so: what needs torch, and what needs the built program (RAMER_BIN_DIR, or build/*/bin).
"""

import glob
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
except ModuleNotFoundError:
    print("[skipped] all tests of weights: numpy is not installed")
    sys.exit(77)
try:
    import torch
except Exception:  # absent, or broken
    torch = None

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
CONVERT = os.path.join(ROOT, "examples", "convert")
sys.dont_write_bytecode = True
sys.path.insert(0, CONVERT)

import ramer_dataset  # noqa: E402
import safe_pickle  # noqa: E402
import weights  # noqa: E402

RECIPE_OF_KIND = {"carat": "carat", "ramer_released": "ramer-released", "ramer_paper": "ramer"}
# Options of ramer_paper that a run of the default recipe can be told, or that change training alone.
SETTING_OF_OPTION = {"missing": "missing", "target_time": "target_time", "proto_eval": "prototypes.evaluation"}
TRAINING_ALONE = {
    "orth", "cml", "rec", "contrast", "temperature", "proto_m", "shuffle", "gather", "k_s", "k_m", "rounds", "labels_follow",
    "grl_c", "adversary", "threshold", "aux", "personality",
}  # fmt: skip
USUAL = {
    "rec_levels": "both", "autoencoder": True, "use_C": True, "use_S": True, "g_input": "top", "f_input": "alpha",
    "shuffle_input": "C+S",
}  # fmt: skip
NAMES = {"alpha": 0.1, "beta": 0.2}


def program():
    folders = [os.environ["RAMER_BIN_DIR"]] if os.environ.get("RAMER_BIN_DIR") else sorted(glob.glob(os.path.join(ROOT, "build", "*", "bin")))
    found = [os.path.join(f, "ramer") for f in folders if os.access(os.path.join(f, "ramer"), os.X_OK)]
    return max(found, key=os.path.getmtime) if found else None


def knows(executable, recipe):
    return subprocess.run([executable, "info", "--recipe", recipe], capture_output=True, check=False).returncode == 0


def golden_files():
    folders = [os.path.join(HERE, os.pardir, "golden", "data")]
    if os.environ.get("RAMER_GOLDEN_DIR"):
        folders.append(os.environ["RAMER_GOLDEN_DIR"])
    return sorted(path for folder in folders for path in glob.glob(os.path.join(folder, "*.safetensors")))


def header(path):
    with open(path, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        return json.loads(stream.read(length))


def read_golden(path):
    """({name: array}, metadata)"""
    dtypes = {"F64": "<f8", "I64": "<i8", "I32": "<i4", "F32": "<f4"}
    entries = header(path)
    about = entries.pop("__metadata__")
    with open(path, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        stream.seek(8 + length)
        data = stream.read()
    tensors = {}
    for name, e in entries.items():
        begin, end = e["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], dtypes[e["dtype"]]).reshape(e["shape"])
    return tensors, about


def group(tensors, prefix):
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


class Golden:
    """A golden file as weights, data set and options of the converter."""

    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)
        self.about = header(path)["__metadata__"]
        self.kind = self.about.get("kind", "")
        self.config = json.loads(self.about.get("config", "{}"))

    @property
    def unaligned(self):
        return self.kind == "carat" and "task" in self.config and not self.config["task"]["aligned"]

    def recipe(self):
        return "carat-unaligned" if self.unaligned else RECIPE_OF_KIND.get(self.kind, "")

    def reason_to_leave_out(self):
        """None if the program can be asked for this file's scores."""
        if self.kind not in RECIPE_OF_KIND:
            return "another kind"
        if "before/param/agg.output.weight" not in header(self.path):
            return "no weights of its own"
        if self.unaligned:
            tensors, _ = read_golden(self.path)
            if not all(tensors[f"in/{m}_mask"].all() for m in ("visual", "audio")):
                return "masks of places that come out of the alignment, which a data set file does not have"
        if self.kind != "ramer_paper":
            return None
        for key, value in self.config["options"].items():
            if key == "aux" and value == "time_concat":
                return "time_concat"
            if key in SETTING_OF_OPTION or key in TRAINING_ALONE or key.startswith("w_") or USUAL.get(key) == value:
                continue
            return f"{key}={value}"
        return None

    def modalities(self):
        return self.config.get("dims", {}).get("modalities", weights.PUBLISHED)

    def read(self):
        tensors, _ = read_golden(self.path)
        self.inputs = group(tensors, "in/")
        self.state = {**group(tensors, "before/param/"), **group(tensors, "before/buffer/")}
        score = "eval_before/predict_scores" if self.kind == "carat" else "eval_before/score"
        self.scores = tensors[score]
        self.threshold = self.config["task"]["binary_threshold"] if "task" in self.config else self.config["options"]["threshold"]

    def options(self):
        heads = self.config["dims"]["heads"] if "dims" in self.config else self.config["heads"]
        out = ["--heads", str(heads), "--recipe", self.recipe(), "--threshold", str(self.threshold)]
        out += ["--modalities", ",".join(self.modalities())]
        for option, key in SETTING_OF_OPTION.items():
            if option in self.config.get("options", {}):
                out += ["--set", f"{key}={self.config['options'][option]}"]
        return out

    def dataset(self, path):
        """`in/` as a data set file, its modalities in another order than the weights'."""
        inputs, tensors = self.inputs, {}
        count = inputs["labels"].shape[0]
        self.comparable = np.ones(count, dtype=bool)
        party = "n_persons" in inputs
        if party:
            persons, segments = inputs["n_persons"], inputs["n_segments"]
            shape = (count, int(persons.max()), int(segments.max()))
        for m in self.modalities():
            x, mask = inputs[m], inputs[f"{m}_mask"].astype(bool)
            if self.unaligned and m != "text":
                mask = np.ones(x.shape[:2], dtype=bool)  # the masks are those of the places that come out
            if party:
                index = np.full(shape, -1, dtype=np.int32)
                rows = []
                for b in range(count):
                    for t in range(int(persons[b] * segments[b])):
                        if mask[b, t]:
                            index[b, t // segments[b], t % segments[b]] = len(rows)
                            rows.append(x[b, t])
                rows = np.array(rows).reshape(-1, x.shape[-1])
            else:
                index = np.full((count, 1, x.shape[1]), -1, dtype=np.int32)
                index[:, 0][mask] = np.arange(mask.sum())
                rows = x[mask]
            tensors[f"{m}.features"], tensors[f"{m}.index"] = rows.astype(np.float32), index
        if party:
            exists = np.zeros(shape, dtype=np.uint8)
            for b in range(count):
                for t in range(int(persons[b] * segments[b])):
                    place = inputs["exists"][b, t] if "exists" in inputs else 1
                    exists[b, t // segments[b], t % segments[b]] = place
            # Times at which nobody exists are no part of a data set: such a sample has other positions there.
            self.comparable = np.array([exists[b, :, : int(segments[b])].any(0).all() for b in range(count)])
            time = inputs.get("target_segment", np.zeros(count))
            tensors["exists"] = exists
            tensors["target"] = np.stack([inputs["target_person"], time], 1).astype(np.int32)
            if "personality" in inputs:
                p = inputs["personality"]
                known = inputs.get("personality_known", np.arange(p.shape[1])[None] < persons[:, None]).astype(bool)
                index = np.full(p.shape[:2], -1, dtype=np.int32)
                index[known] = np.arange(known.sum())
                tensors["personality.features"], tensors["personality.index"] = p[known].astype(np.float32), index
        tensors["labels"] = inputs["labels"].astype(np.uint8)
        tensors["split"] = np.full(count, 2, dtype=np.uint8)
        names = [f"label{j}" for j in range(inputs["labels"].shape[1])]
        ramer_dataset.write(path, tensors, {"name": "golden", "modalities": sorted(self.modalities()), "labels": names})
        ramer_dataset.check(path)


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def script(self, *arguments):
        return subprocess.run(
            [sys.executable, "-B", os.path.join(CONVERT, "weights.py"), *arguments], capture_output=True, text=True, check=False
        )

    def run_script(self, *arguments):
        result = self.script(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def refuses(self, pattern, *arguments):
        result = self.script(*arguments)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertRegex(result.stderr, pattern)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual([f for f in os.listdir(self.folder) if f.startswith("refused")], [])

    def golden(self, name):
        out = Golden(os.path.join(HERE, os.pardir, "golden", "data", name + ".safetensors"))
        out.read()
        return out


class Scores(Base):
    def compare(self, golden, executable):
        golden.read()
        golden.dataset(self.path("data.safetensors"))
        weights.write_state_dict(self.path("state.pt"), golden.state)
        self.run_script(
            "import", self.path("state.pt"), "--data", self.path("data.safetensors"), "--out", self.path("model.safetensors"),
            *golden.options(),
        )  # fmt: skip
        result = subprocess.run(
            [executable, "predict", "--model", self.path("model.safetensors"), "--data", self.path("data.safetensors"),
             "--out", self.path("scores.safetensors")], capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(result.returncode, 0, f"{golden.name}: {result.stderr}")
        written, _ = read_scores(self.path("scores.safetensors"))
        scores = written["scores"]
        self.assertEqual(scores.shape, golden.scores.shape)
        self.assertTrue(golden.comparable.any(), golden.name)
        self.assertLess(float(np.abs(scores - golden.scores)[golden.comparable].max()), 1e-5, golden.name)
        clear = (np.abs(golden.scores - golden.threshold) > 1e-4) & golden.comparable[:, None]
        np.testing.assert_array_equal(written["predicted"][clear], (golden.scores > golden.threshold)[clear])
        report = self.path("report.json")
        result = subprocess.run(
            [executable, "evaluate", "--model", self.path("model.safetensors"), "--data", self.path("data.safetensors"),
             "--report", report], capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(result.returncode, 0, f"{golden.name}: {result.stderr}")
        y, p = golden.inputs["labels"] > 0.5, written["predicted"] > 0
        truth = 2.0 * (y & p).sum() / max(1, y.sum() + p.sum())
        with open(report) as stream:
            self.assertAlmostEqual(json.load(stream)["micro_f1"], truth, 5, golden.name)

    def test_golden_files(self):
        executable = program()
        if executable is None:
            print("[skipped] scores of imported weights: the program is not built")
            self.skipTest("the program is not built")
        known = {recipe: knows(executable, recipe) for recipe in weights.RECIPES}
        seen, left = {}, {}
        for path in golden_files():
            golden = Golden(path)
            reason = golden.reason_to_leave_out()
            recipe = golden.recipe()
            if reason is None and not known[recipe]:
                reason = f"recipe {recipe} is not in the program"
            if reason:
                left[reason] = left.get(reason, 0) + 1
                continue
            with self.subTest(golden.name):
                self.compare(golden, executable)
                seen[recipe] = seen.get(recipe, 0) + 1
        for reason, count in sorted(left.items()):
            if reason not in ("another kind", "no weights of its own"):
                print(f"[skipped] {count} golden files: {reason}")
        print(f"scores compared: {seen}")
        self.assertGreater(sum(seen.values()), 0)


    def test_a_trained_model_goes_and_comes_back(self):
        executable = program()
        if executable is None:
            print("[skipped] a trained model and back: the program is not built")
            self.skipTest("the program is not built")
        run = lambda *a: subprocess.run([executable, *a], capture_output=True, text=True, check=True).stdout  # noqa: E731
        run("synth", "--samples", "24", "--out", self.path("data.safetensors"))
        for recipe in weights.RECIPES:
            if not knows(executable, recipe):
                print(f"[skipped] recipe {recipe} is not in the program")
                continue
            folder = self.path(recipe)
            data = ["--data", self.path("data.safetensors")]
            run("train", *data, "--out", folder, "--recipe", recipe, "--epochs", "1", "--batch", "8",
                "--view", "target" if recipe == "carat-unaligned" else "persons", "--set", "model.encoder.hidden=16")
            trained, scores = os.path.join(folder, "model.safetensors"), []
            told = self.run_script("export", trained, "--out", self.path("weights.pt")).split("no tensor tells: ")[1].split()
            self.run_script("import", self.path("weights.pt"), *data, *told, "--out", self.path("again.safetensors"))
            for model in (trained, self.path("again.safetensors")):
                run("predict", "--model", model, *data, "--split", "all", "--out", self.path("scores.safetensors"))
                scores.append(read_scores(self.path("scores.safetensors"))[0])
            for name in ("scores", "predicted"):
                np.testing.assert_array_equal(np.array(scores[0][name]), np.array(scores[1][name]), recipe)


def read_scores(path):
    return ramer_dataset.read(path)


class RoundTrip(Base):
    def test_every_kind_comes_back(self):
        for name in ("carat_padded", "carat_unaligned", "ramer_released_masked", "ramer_two_modalities", "ramer_four_modalities"):
            golden = self.golden(name)
            original = self.path("original.pt")
            weights.write_state_dict(original, golden.state)
            labels = ",".join(f"l{j}" for j in range(golden.scores.shape[1]))
            out = self.run_script(
                "import", original, "--labels", labels, "--out", self.path("model.safetensors"), *golden.options()
            )
            left = [n for n in golden.state if ".pooler." in n or (golden.kind == "ramer_released" and n.startswith("personality"))]
            if left:
                self.assertIn(left[0], out)
            self.run_script("export", self.path("model.safetensors"), "--out", self.path("back.pt"), "--like", original)
            back = safe_pickle.load(self.path("back.pt"))
            for key, value in golden.state.items():
                if key in weights.QUEUE:
                    continue
                self.assertEqual(back[key].shape, value.shape, key)
                np.testing.assert_array_equal(back[key].astype(np.float64), value, key)
            ids = golden.state.get("queue_ids")
            if ids is None:
                known = golden.state["queue_label"][:, 0]
                ids = np.where(known == np.round(known), known, -1)
            labels = back["queue_label"][:, 0]
            np.testing.assert_array_equal(np.where(labels == np.round(labels), labels, -1), ids)
            fresh = labels[ids < 0]
            self.assertEqual(len(np.unique(fresh)), len(fresh))
            self.assertEqual(int(back["queue_ptr"].reshape(-1)[0]), int(np.asarray(golden.state["queue_ptr"]).reshape(-1)[0]))
            self.run_script("export", self.path("model.safetensors"), "--out", self.path("bare.pt"))
            self.assertEqual(sorted(set(back) - set(safe_pickle.load(self.path("bare.pt")))), sorted(left))

    def test_weights_alone(self):
        """Without buffers: prototypes are zero and the queue is fresh."""
        golden = self.golden("carat_padded")
        state = {k: v for k, v in golden.state.items() if "_protos" not in k and not k.startswith("queue")}
        weights.write_state_dict(self.path("state.pt"), {"module." + k: v for k, v in state.items()})
        out = self.run_script(
            "import", self.path("state.pt"), "--labels", "a,b,c,d", "--out", self.path("m.safetensors"), "--heads", "2", "--queue", "16"
        )
        self.assertIn("no prototypes", out)
        tensors, about = ramer_dataset.read(self.path("m.safetensors"))
        self.assertEqual(about["recipe"], "carat")
        self.assertEqual(float(np.abs(tensors["state.prototypes.text.positive"]).max()), 0.0)
        np.testing.assert_allclose(np.linalg.norm(tensors["state.queue.rows"], axis=1), np.ones(16), rtol=1e-6)
        self.assertEqual(tensors["state.queue.ids"].tolist(), [-1] * 16)
        self.assertEqual(tensors["state.queue.pointer"].shape, ())

    def test_torch_reads_and_writes(self):
        if torch is None:
            print("[skipped] torch reads and writes state_dicts: torch is not installed")
            self.skipTest("torch is not installed")
        golden = self.golden("ramer_released_masked")
        state = {k: torch.from_numpy(np.array(v)) for k, v in golden.state.items()}
        state["text.pooler.dense.weight"] = torch.nn.Parameter(state["text.pooler.dense.weight"])
        common = ["--labels", "a,b,c,d,e", "--heads", "2"]
        outputs = []
        for name, options in (("zip.pt", {}), ("old.pt", {"_use_new_zipfile_serialization": False})):
            torch.save(state, self.path(name), **options)
            self.run_script("import", self.path(name), *common, "--out", self.path(name + ".safetensors"))
            outputs.append(ramer_dataset.read(self.path(name + ".safetensors"))[0])
        weights.write_state_dict(self.path("own.pt"), golden.state)
        self.run_script("import", self.path("own.pt"), *common, "--out", self.path("own.safetensors"))
        outputs.append(ramer_dataset.read(self.path("own.safetensors"))[0])
        for other in outputs[1:]:
            self.assertEqual(sorted(other), sorted(outputs[0]))
            for key, value in outputs[0].items():
                np.testing.assert_array_equal(other[key], value)
        back = torch.load(self.path("own.pt"), weights_only=True)
        self.assertEqual(list(back), list(golden.state))
        for key, value in golden.state.items():
            np.testing.assert_array_equal(back[key].numpy(), value)
        self.run_script("export", self.path("own.safetensors"), "--out", self.path("back.pt"), "--like", self.path("zip.pt"))
        module = torch.load(self.path("back.pt"), weights_only=True)
        self.assertEqual({k: tuple(v.shape) for k, v in module.items()}, {k: tuple(v.shape) for k, v in state.items()})


class Refusals(Base):
    def state(self, change=None, name="carat_padded"):
        golden = self.golden(name)
        state = dict(golden.state)
        if change:
            change(state)
        weights.write_state_dict(self.path("state.pt"), state)
        return ["import", self.path("state.pt"), "--out", self.path("refused.safetensors"), "--heads", "2"]

    def test_what_does_not_map(self):
        labels = ["--labels", "a,b,c,d"]
        one = lambda name, value: (lambda s: s.__setitem__(name, value))  # noqa: E731
        self.refuses("'foo.weight' of shape \\[2, 3\\] has no place in recipe 'carat'", *self.state(one("foo.weight", np.zeros((2, 3)))), *labels)
        self.refuses("'agg.output.bias' is missing", *self.state(lambda s: s.pop("agg.output.bias")), *labels)
        self.refuses(
            "'va2t.output.weight': float64 \\[8, 23\\]; expected numbers \\[8, 24\\]",
            *self.state(one("va2t.output.weight", np.zeros((8, 23)))), *labels,
        )  # fmt: skip
        self.refuses("'score|text_clf_weight' holds a number that is not finite", *self.state(one("text_clf_weight", np.full((4, 8), np.nan))), *labels)
        self.refuses("encoders of audio, text; expected text, visual, audio", *self.state(lambda s: s.pop("visual.embeddings.word_embeddings.weight")), *labels)
        self.refuses("layers \\[1\\]; expected 0, 1", *self.state(lambda s: [s.pop(k) for k in list(s) if k.startswith("text.encoder.layer.0.")]), *labels)
        self.refuses("queue \\[7, 4\\] with 200 labels", *self.state(one("queue", np.zeros((7, 4)))), *labels)
        self.refuses("no tensor '<modality>.embeddings", *self.state(lambda s: [s.pop(k) for k in list(s) if "embeddings" in k]), *labels)
        self.refuses("weights for 4 labels; 2 are named", *self.state(), "--labels", "a,b")
        self.refuses("names of the labels", *self.state())
        self.refuses("does not divide into 3 heads", *self.state()[:-1], "3", *labels)
        self.refuses("'common_.*' of shape .* has no place in recipe 'carat'", *self.state(None, "ramer_released_masked"), "--recipe", "carat", "--labels", "a,b,c,d,e")
        self.refuses("'private_feature_extractor.0.0.weight' is missing", *self.state(), "--recipe", "ramer-released", *labels)

    def test_data_that_does_not_fit(self):
        golden = self.golden("carat_padded")
        golden.inputs["text"] = golden.inputs["text"][:, :, :3]
        golden.dataset(self.path("data.safetensors"))
        self.refuses("modality 'text' has width 3; the weights want width 5", *self.state(), "--data", self.path("data.safetensors"))

    def test_files_that_are_something_else(self):
        with open(self.path("not.pt"), "wb") as stream:
            stream.write(b"nothing of the sort")
        out = ["--out", self.path("refused.safetensors"), "--labels", "a"]
        self.refuses("not a readable pickle", "import", self.path("not.pt"), *out)
        self.refuses("No such file", "import", self.path("nowhere.pt"), *out)
        import pickle

        for value, pattern in (({"a": 1}, "not a state_dict"), (os.system, "which is not a type that data needs"), ([], "not a state_dict")):
            with open(self.path("value.pt"), "wb") as stream:
                pickle.dump(value, stream, protocol=2)
            self.refuses(pattern, "import", self.path("value.pt"), *out)
        golden = self.golden("carat_padded")
        golden.dataset(self.path("data.safetensors"))
        self.refuses("expected 'ramer.checkpoint'", "export", self.path("data.safetensors"), "--out", self.path("refused.pt"))
        self.refuses("would overwrite the source", "export", self.path("data.safetensors"), "--out", self.path("data.safetensors"))


if __name__ == "__main__":
    unittest.main()

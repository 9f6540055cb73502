#!/usr/bin/env python3
"""The converters on tiny files of the published layouts, made here; and files that must be refused.

numpy is needed. The tests that write .pt files with torch itself are skipped, and counted, where torch is not installed.
"""

import argparse
import contextlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

try:
    import numpy as np
except ModuleNotFoundError:
    print("[skipped] all converter tests: numpy is not installed")
    sys.exit(77)
try:
    import torch
except Exception:  # absent, or broken
    torch = None

CONVERT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "examples", "convert")
sys.dont_write_bytecode = True
sys.path.insert(0, CONVERT)

import ramer_dataset  # noqa: E402
import safe_pickle  # noqa: E402

NAMES = {"sad": 5, "happy": 4, "fear": 9, "anger": 6, "surprise": 7, "disgust": 8}
SPECIAL = {"<blank>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}
SIZES = {"train": 6, "valid": 3, "test": 4}
STEPS, WIDTHS = 8, {"text": 5, "visual": 3, "audio": 4}
LENGTHS = {"train": [8, 3, 1, 5, 6, 2], "valid": [4, 8, 2], "test": [7, 1, 3, 5]}


def save_legacy(value, path):
    """The container that torch.save wrote before version 1.6, without torch."""
    with open(path, "wb") as stream:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
            pickle.dump(part, stream, protocol=2)
        pickle.dump(value, stream, protocol=2)
        pickle.dump([], stream, protocol=2)


def save_zip(value, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value, protocol=2))
        archive.writestr("archive/version", "3\n")


def save_pickle(value, path, protocol=2):
    with open(path, "wb") as stream:
        pickle.dump(value, stream, protocol=protocol)


def aligned_content(side="back", seed=1):
    generator = np.random.default_rng(seed)
    content = {"dict": {"src": {"word": 4}, "tgt": {**SPECIAL, **NAMES}}, "settings": argparse.Namespace(max_text_seq_len=8)}
    for split, size in SIZES.items():
        real = np.zeros((size, STEPS, 1))
        for row, length in enumerate(LENGTHS[split]):
            real[row, slice(0, length) if side == "back" else slice(STEPS - length, STEPS)] = 1
        part = {f"src-{m}": (generator.standard_normal((size, STEPS, w)) * real).astype(np.float32) for m, w in WIDTHS.items()}
        part["tgt"] = [[2, *sorted(generator.choice(list(NAMES.values()), row % 4, replace=False).tolist()), 3] for row in range(size)]
        content[split] = part
    return content


def unaligned_content(aligned):
    """Other lengths per modality, zeros in front; the same words, the last 6 of them."""
    generator = np.random.default_rng(2)
    content = {}
    for split, size in SIZES.items():
        text = np.zeros((size, 6, WIDTHS["text"]), dtype=np.float32)
        vision = np.zeros((size, 20, WIDTHS["visual"]), dtype=np.float64)
        audio = np.zeros((size, 25, WIDTHS["audio"]), dtype=np.float64)
        for row in range(size):
            words = aligned[split]["src-text"][row]
            words = words[(words != 0).any(axis=1)][-6:]
            text[row, 6 - len(words) :] = words
            vision[row, 20 - 3 * (row + 1) :] = generator.standard_normal((3 * (row + 1), WIDTHS["visual"]))
            audio[row, 25 - 4 * (row + 1) :] = generator.standard_normal((4 * (row + 1), WIDTHS["audio"]))
        ids = np.array([[f"{split}-video{row // 2}", str(row), str(row + 1)] for row in range(size)], dtype=object)
        content[split] = {
            "text": text, "vision": vision, "audio": audio, "labels": np.zeros((size, 1, 1), np.float32), "id": ids,
        }  # fmt: skip
    return content


def dense(tensors, name, sample):
    """[T, D] with NaN where there is no token."""
    index = tensors[f"{name}.index"][sample, 0]
    out = tensors[f"{name}.features"][np.maximum(index, 0)].astype(np.float64)
    out[index < 0] = np.nan
    return out


class Evil:
    """Would make a file named by its argument."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


class EvilEval(Evil):
    def __reduce__(self):
        return eval, (f"open({self.marker!r}, 'w').close()",)


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_script(self, script, *arguments):
        return subprocess.run(
            [sys.executable, "-B", os.path.join(CONVERT, script), *arguments], capture_output=True, text=True, check=False
        )

    def convert(self, script, *arguments):
        out = self.path("out.safetensors")
        result = self.run_script(script, *arguments, "--out", out, "--verify")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("verified: 13 samples", result.stdout)
        tensors, metadata = ramer_dataset.check(out)
        return tensors, metadata, result

    def refuses(self, pattern, script, *arguments):
        """Exit code 2, one line on stderr, no file left behind."""
        out = self.path("refused.safetensors")
        result = self.run_script(script, *arguments, "--out", out)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertRegex(result.stderr, pattern)
        self.assertNotIn("Traceback", result.stderr)
        self.assertEqual([f for f in os.listdir(self.folder) if f.startswith("refused")], [])
        return result


class Aligned(Base):
    def converted(self, content, *arguments, save=save_legacy):
        save(content, self.path("train_valid_test.pt"))
        return self.convert("mosei_aligned.py", self.path("train_valid_test.pt"), *arguments)

    def check_rows(self, tensors, content, side):
        sample = 0
        for split in SIZES:
            for row, length in enumerate(LENGTHS[split]):
                for m, width in WIDTHS.items():
                    source = content[split][f"src-{m}"][row]
                    source = source[:length] if side == "back" else source[STEPS - length :]
                    stored = dense(tensors, m, sample)
                    np.testing.assert_array_equal(stored[:length], source)
                    self.assertTrue(np.isnan(stored[length:]).all())
                    self.assertEqual(stored.shape, (STEPS, width))
                sample += 1

    def test_padding_behind(self):
        content = aligned_content()
        tensors, metadata, result = self.converted(content)
        self.assertIn("padded at the back", result.stdout)
        self.check_rows(tensors, content, "back")
        self.assertEqual(json.loads(metadata["modalities"]), ["text", "visual", "audio"])
        self.assertEqual(tensors["split"].tolist(), [0] * 6 + [1] * 3 + [2] * 4)
        self.assertEqual(tensors["id"].tolist(), list(range(13)))
        rows = sum(sum(lengths) for lengths in LENGTHS.values())
        self.assertEqual(tensors["text.features"].shape, (rows, WIDTHS["text"]))

    def test_padding_in_front(self):
        content = aligned_content("front")
        tensors, _, result = self.converted(content)
        self.assertIn("padded at the front", result.stdout)
        self.check_rows(tensors, content, "front")

    def test_every_row_may_be_kept(self):
        tensors, _, _ = self.converted(aligned_content(), "--padding", "keep")
        self.assertEqual(tensors["audio.features"].shape[0], 13 * STEPS)

    def test_labels_follow_the_files_own_numbers(self):
        content = aligned_content()
        tensors, metadata, _ = self.converted(content)
        order = ["happy", "sad", "anger", "surprise", "disgust", "fear"]
        self.assertEqual(json.loads(metadata["labels"]), order)
        targets = [t for split in SIZES for t in content[split]["tgt"]]
        for target, row in zip(targets, tensors["labels"]):
            self.assertEqual([NAMES[n] for n, y in zip(order, row) if y], target[1:-1])
        other = aligned_content()
        other["dict"]["tgt"] = {**SPECIAL, "fear": 4, "joy": 5, "anger": 6, "sad": 7, "calm": 8, "disgust": 9}
        _, metadata, _ = self.converted(other)
        self.assertEqual(json.loads(metadata["labels"]), ["fear", "joy", "anger", "sad", "calm", "disgust"])

    def test_zero_rows_between_real_ones(self):
        content = aligned_content()
        content["train"]["src-visual"][0, 2] = 0  # in between: a token
        content["train"]["src-visual"][0, 6:] = 0  # behind its last row, where text goes on: missing
        content["train"]["src-audio"][4] = 0  # missing throughout
        tensors, _, _ = self.converted(content)
        self.assertEqual((tensors["visual.index"][0, 0] >= 0).tolist(), [True] * 6 + [False] * 2)
        self.assertTrue((tensors["text.index"][0, 0] >= 0).all())
        self.assertTrue((tensors["audio.index"][4] < 0).all())
        tensors, _, _ = self.converted(content, "--zero-rows", "absent")
        self.assertEqual((tensors["visual.index"][0, 0] >= 0).tolist(), [True, True, False, True, True, True, False, False])

    def test_a_sample_of_zeros_has_no_token(self):
        content = aligned_content()
        for m in WIDTHS:
            content["test"][f"src-{m}"][2] = 0
        tensors, _, _ = self.converted(content)
        self.assertTrue(all((tensors[f"{m}.index"][11] < 0).all() for m in WIDTHS))

    def test_infinity_and_nan(self):
        content = aligned_content()
        content["train"]["src-audio"][0, 1, 2] = -np.inf
        content["valid"]["src-audio"][1, 0] = -np.inf
        tensors, _, result = self.converted(content)
        self.assertIn("audio: 5 values were -infinity", result.stdout)
        self.assertEqual(dense(tensors, "audio", 0)[1, 2], 0)
        self.assertEqual(dense(tensors, "audio", 7)[0].tolist(), [0] * 4)
        content["test"]["src-text"][0, 1, 1] = np.nan
        save_legacy(content, self.path("nan.pt"))
        self.refuses(r"\['test'\]\['src-text'\]: nan in a token", "mosei_aligned.py", self.path("nan.pt"))
        tensors, _, result = self.converted(content, "--nan", "zero")
        self.assertIn("text: 1 values were NaN", result.stdout)

    def test_containers_and_protocols(self):
        content = aligned_content()
        expected, _, _ = self.converted(content)
        savers = [save_zip] + [lambda v, p, k=k: save_pickle(v, p, k) for k in range(2, pickle.HIGHEST_PROTOCOL + 1)]
        for save in savers:
            tensors, _, _ = self.converted(content, save=save)
            for name, value in expected.items():
                np.testing.assert_array_equal(tensors[name], value)

    def test_lists_of_arrays(self):
        content = aligned_content()
        expected, _, _ = self.converted(content)
        for split in SIZES:
            content[split]["src-text"] = list(content[split]["src-text"])
            content[split]["src-audio"] = np.asfortranarray(content[split]["src-audio"].astype(">f8"))
            content[split]["tgt"] = [np.array(t) for t in content[split]["tgt"]]
        tensors, _, _ = self.converted(content)
        for name, value in expected.items():
            np.testing.assert_array_equal(tensors[name], value)

    def test_refusals(self):
        def broken(change):
            content = aligned_content()
            change(content)
            save_legacy(content, self.path("broken.pt"))
            return "mosei_aligned.py", self.path("broken.pt")

        self.refuses(r"\['dict'\] is missing", *broken(lambda c: c.pop("dict")))
        self.refuses(r"\['valid'\]\['src-audio'\] is missing", *broken(lambda c: c["valid"].pop("src-audio")))
        self.refuses(r"label 11 is not in", *broken(lambda c: c["test"]["tgt"].__setitem__(1, [2, 11, 3])))
        self.refuses(r"row 0: \[4, 5\]", *broken(lambda c: c["train"]["tgt"].__setitem__(0, [4, 5])))
        self.refuses(r"samples and steps differ", *broken(lambda c: c["test"].update({"src-text": np.zeros((4, 9, 5), "f4")})))
        self.refuses(r"5 rows for 6 samples", *broken(lambda c: c["train"]["tgt"].pop()))
        self.refuses(r"two labels share", *broken(lambda c: c["dict"]["tgt"].update(calm=4)))
        self.refuses(r"width 6, other splits", *broken(lambda c: c["test"].update({"src-text": np.ones((4, 8, 6), "f4")})))
        self.refuses(r"expected numbers", *broken(lambda c: c["test"].update({"src-text": np.ones((4, 8), "f4")})))
        self.refuses(r"No such file", "mosei_aligned.py", self.path("nowhere.pt"))
        result = self.run_script("mosei_aligned.py", *broken(lambda c: None)[1:], "--out", self.path("no/such/folder"))
        self.assertEqual(result.returncode, 2)
        result = self.run_script("mosei_aligned.py", self.path("broken.pt"), "--out", self.path("broken.pt"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("would overwrite the source", result.stderr)

    def test_usage(self):
        for script in ("mosei_aligned.py", "mosei_unaligned.py", "ramer_dataset.py"):
            result = self.run_script(script, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn("usage:", result.stdout)
            self.assertEqual(self.run_script(script).returncode, 2)

    def test_a_truncated_file_is_refused_at_any_length(self):
        save_legacy(aligned_content(), self.path("whole.pt"))
        with open(self.path("whole.pt"), "rb") as stream:
            whole = stream.read()
        for share in range(20):
            with open(self.path("part.pt"), "wb") as stream:
                stream.write(whole[: len(whole) * share // 20])
            with self.assertRaises(safe_pickle.Refused):
                safe_pickle.load(self.path("part.pt"))
        self.refuses("not a readable pickle", "mosei_aligned.py", self.path("part.pt"))


class Unaligned(Base):
    def setUp(self):
        super().setUp()
        self.aligned = aligned_content()
        self.content = unaligned_content(self.aligned)

    def arguments(self):
        save_legacy(self.aligned, self.path("train_valid_test.pt"))
        save_pickle(self.content, self.path("noalign.pkl"))
        return "mosei_unaligned.py", self.path("noalign.pkl"), "--labels", self.path("train_valid_test.pt")

    def test_every_modality_keeps_its_own_steps(self):
        tensors, metadata, result = self.convert(*self.arguments())
        self.assertEqual(result.stderr, "")
        self.assertIn("the text of all 6 rows agrees", result.stdout)
        self.assertEqual([tensors[f"{m}.index"].shape[2] for m in ("text", "visual", "audio")], [6, 18, 24])
        sample = 0
        for split, size in SIZES.items():
            for row in range(size):
                for m, key, steps, count in (("visual", "vision", 20, 3), ("audio", "audio", 25, 4)):
                    stored = dense(tensors, m, sample)
                    length = count * (row + 1)
                    source = self.content[split][key][row, steps - length :].astype(np.float32)
                    np.testing.assert_array_equal(stored[:length], source)
                    self.assertTrue(np.isnan(stored[length:]).all())
                sample += 1
        expected, _, _ = self.convert("mosei_aligned.py", self.path("train_valid_test.pt"))
        np.testing.assert_array_equal(tensors["labels"], expected["labels"])
        self.assertEqual(tensors["group"].tolist(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6])

    def test_other_words_are_reported(self):
        text = self.content["train"]["text"]
        text[[1, 4]] = text[[4, 1]]
        _, _, result = self.convert(*self.arguments())
        self.assertRegex(result.stderr, r"warning: train: the text of 2 of 6 rows differs .*first: 1, 4")
        self.refuses("2 rows hold other words", *self.arguments(), "--strict")

    def test_a_zero_row_is_an_unknown_word(self):
        self.aligned["train"]["src-text"][0, 3] = 0
        self.content = unaligned_content(self.aligned)
        _, _, result = self.convert(*self.arguments())
        self.assertEqual(result.stderr, "")

    def test_other_counts_are_refused(self):
        for key in ("text", "vision", "audio"):
            self.content["valid"][key] = self.content["valid"][key][:2]
        self.refuses(r"\['valid'\] has 2 samples, .* has 3", *self.arguments())

    def test_videos_that_straddle_splits_give_no_groups(self):
        self.content["test"]["id"][0, 0] = "train-video0"
        tensors, _, result = self.convert(*self.arguments())
        self.assertNotIn("group", tensors)
        self.assertIn("1 videos lie in more than one split", result.stderr)

    def test_ids_as_bytes_and_text_arrays(self):
        for kind in ("S", "U"):
            for split in SIZES:
                self.content[split]["id"] = self.content[split]["id"].astype(kind)
            tensors, _, _ = self.convert(*self.arguments())
            self.assertEqual(tensors["group"].tolist(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6])


class Safety(Base):
    def check_refused(self, value, pattern):
        marker = self.path("marker")
        for k, save in enumerate((save_pickle, save_legacy, save_zip)):
            path = self.path(f"evil{k}.pt")
            save(value(marker), path)
            self.refuses(pattern, "mosei_aligned.py", path)
            self.refuses(pattern, "mosei_unaligned.py", path, "--labels", path)
        self.assertFalse(os.path.exists(marker), "the file was run")

    def test_code_is_not_run(self):
        system = f"{os.system.__module__}.system"
        self.check_refused(Evil, f"refused: the file asks for {system}")
        self.check_refused(EvilEval, "refused: the file asks for (builtins|__builtin__).eval")
        self.check_refused(lambda m: {"train": {"tgt": [Evil(m)]}}, f"asks for {system}")

    def test_code_inside_an_array_of_objects_is_not_run(self):
        def nested(marker):
            out = np.empty(2, dtype=object)
            out[1] = Evil(marker)
            return out

        self.check_refused(nested, "refused: the file asks for")

    def test_the_evil_files_are_evil(self):
        marker = self.path("marker")
        with contextlib.redirect_stdout(io.StringIO()):
            pickle.loads(pickle.dumps(EvilEval(marker)))
        self.assertTrue(os.path.exists(marker))

    def test_other_types_are_named(self):
        import collections
        import datetime

        for value, name in (
            (datetime.date(2020, 1, 1), "datetime.date"), (collections.Counter("ab"), "collections.Counter"),
            (np.random.RandomState, "RandomState"), (len, "len"),
        ):  # fmt: skip
            save_pickle({"a": value}, self.path("other.pkl"))
            with self.assertRaisesRegex(safe_pickle.Refused, f"refused: the file asks for .*{name.split('.')[-1]}"):
                safe_pickle.load(self.path("other.pkl"))

    def test_arrays_that_lie_about_their_size(self):
        raw = pickle.dumps(np.arange(4, dtype=np.float64), protocol=2)
        self.assertIn(b"K\x04\x85", raw)
        with open(self.path("lie.pkl"), "wb") as stream:
            stream.write(raw.replace(b"K\x04\x85", b"K\x40\x85"))
        with self.assertRaisesRegex(safe_pickle.Refused, "whose data has another size"):
            safe_pickle.load(self.path("lie.pkl"))

    def test_what_data_needs_is_read(self):
        shared = np.arange(6, dtype=np.int16).reshape(2, 3)
        value = {
            "arrays": [shared, shared, np.float32(1.5), np.array(7), np.zeros((0, 3)), np.array(["a", "bc"]), np.array([True, False])],
            "objects": np.array([[1, "x"], [None, 2.5]], dtype=object),
            "plain": (1, -2.5, "text", b"bytes", b"", None, True, {1, 2}, frozenset({3}), 1 + 2j, 2**70),
            "settings": argparse.Namespace(a=1, b=[2]),
        }
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            save_pickle(value, self.path("plain.pkl"), protocol)
            read = safe_pickle.load(self.path("plain.pkl"))
            for mine, theirs in zip(read["arrays"], value["arrays"]):
                np.testing.assert_array_equal(mine, theirs)
            np.testing.assert_array_equal(read["objects"], value["objects"])
            self.assertEqual(read["plain"], value["plain"])
            self.assertEqual(read["settings"], {"a": 1, "b": [2]})


class DatasetFile(Base):
    def example(self):
        generator = np.random.default_rng(3)
        tensors = {
            "a.features": generator.standard_normal((5, 2)).astype(np.float32),
            "a.index": np.array([[[0, 1, -1]], [[2, 3, 4]]], dtype=np.int32),
            "b.features": generator.standard_normal((3, 4)).astype(np.float32),
            "b.index": np.array([[[0, -1, -1]], [[1, 2, -1]]], dtype=np.int32),
            "exists": np.array([[[1, 1, 0]], [[1, 1, 1]]], dtype=np.uint8),
            "labels": np.array([[0, 1], [1, 1]], dtype=np.uint8),
            "split": np.array([0, 2], dtype=np.uint8),
            "id": np.array([7, 9], dtype=np.int64),
            "group": np.array([1, 2], dtype=np.int32),
            "target": np.array([[0, 1], [0, 2]], dtype=np.int32),
        }
        return tensors, {"name": "example", "modalities": ["a", "b"], "labels": ["x", "y"]}

    def test_round_trip(self):
        tensors, metadata = self.example()
        path = self.path("file.safetensors")
        ramer_dataset.write(path, tensors, metadata)
        read, texts = ramer_dataset.check(path)
        for name, value in tensors.items():
            np.testing.assert_array_equal(read[name], value)
            self.assertEqual(read[name].dtype, value.dtype)
        self.assertEqual(texts["version"], "1")
        result = self.run_script("ramer_dataset.py", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("a: 5 rows of 2", result.stdout)

    def test_chunks_are_joined(self):
        tensors, metadata = self.example()
        one, two = self.path("one.safetensors"), self.path("two.safetensors")
        ramer_dataset.write(one, tensors, metadata)
        ramer_dataset.write(two, {k: [v[:1], v[1:1], v[1:]] for k, v in tensors.items()}, metadata)
        with open(one, "rb") as a, open(two, "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_what_the_format_forbids(self):
        def change(name, value):
            tensors, metadata = self.example()
            if value is None:
                del tensors[name]
            else:
                tensors[name] = value
            return tensors, metadata

        def at(name, place, value):
            tensors, _ = self.example()
            out = tensors[name].copy()
            out[place] = value
            return change(name, out)

        tensors, metadata = self.example()
        cases = [
            (r"a.index at \[1, 0, 2\]: 5, expected -1 to 4", at("a.index", (1, 0, 2), 5)),
            (r"b.index at \[0, 0, 1\]: -2", at("b.index", (0, 0, 1), -2)),
            (r"a.features at \[3, 1\]: not a finite number", at("a.features", (3, 1), np.nan)),
            (r"labels at \[0, 0\]: 2", at("labels", (0, 0), 2)),
            (r"split at \[1\]: 3", at("split", 1, 3)),
            (r"target at \[1, 0\]: 3, expected 0 to 2", at("target", (1, 1), 3)),
            (r"group: group 1 straddles", at("group", 1, 1)),
            (r"exists at \[0, 0, 1\]: 0, but a.index", at("exists", (0, 0, 1), 0)),
            (r"b.features is missing", change("b.features", None)),
            (r"labels: U8 \[2, 3\], expected U8 \[2, 2\]", change("labels", np.zeros((2, 3), np.uint8))),
            (r"split: I64 \[2\], expected U8", change("split", np.zeros(2, np.int64))),
            (r"b.index: I32 \[3, 1, 3\]", change("b.index", np.zeros((3, 1, 3), np.int32))),
            (r"exists needs the same number of times", change("b.index", np.zeros((2, 1, 4), np.int32))),
            (r"c.features belongs to no modality", change("c.features", np.zeros((1, 1), np.float32))),
            (r"metadata labels", (tensors, {**metadata, "labels": ["x", "x"]})),
            (r"expected 'ramer.dataset' version '1'", (tensors, {**metadata, "version": "2"})),
        ]
        for pattern, (tensors, metadata) in cases:
            path = self.path("bad.safetensors")
            ramer_dataset.write(path, tensors, metadata)
            with self.assertRaisesRegex(ramer_dataset.UserError, pattern):
                ramer_dataset.check(path)
            self.assertEqual(self.run_script("ramer_dataset.py", path).returncode, 2)

    def test_broken_containers(self):
        def container(header, data=b"\0" * 16, length=None):
            text = header if isinstance(header, bytes) else json.dumps(header).encode()
            with open(self.path("raw.safetensors"), "wb") as stream:
                stream.write(struct.pack("<Q", len(text) if length is None else length) + text + data)
            with self.assertRaises(ramer_dataset.UserError) as caught:
                ramer_dataset.read(self.path("raw.safetensors"))
            return str(caught.exception)

        entry = lambda begin, end, shape, dtype="F32": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}  # noqa: E731
        self.assertIn("outside the data", container({"x": entry(0, 20, [5])}))
        self.assertIn("overlap", container({"x": entry(0, 8, [2]), "y": entry(4, 12, [2])}))
        self.assertIn("not a multiple of 4", container({"x": entry(2, 6, [1])}))
        self.assertIn("does not fill", container({"x": entry(0, 8, [3])}))
        self.assertIn("type F16", container({"x": entry(0, 8, [4], "F16")}))
        self.assertIn("header of 999999 bytes", container({}, length=999999))
        self.assertIn("header is not", container(b"{not json"))
        self.assertIn("header is not", container(b"[1, 2]"))

    def test_a_failed_write_leaves_the_old_file(self):
        tensors, metadata = self.example()
        path = self.path("file.safetensors")
        ramer_dataset.write(path, tensors, metadata)
        with open(path, "rb") as stream:
            before = stream.read()
        original = os.replace
        try:
            os.replace = lambda *_: (_ for _ in ()).throw(OSError("disk"))
            with self.assertRaises(OSError):
                ramer_dataset.write(path, tensors, {**metadata, "name": "other"})
        finally:
            os.replace = original
        with open(path, "rb") as stream:
            self.assertEqual(stream.read(), before)
        self.assertEqual(os.listdir(self.folder), ["file.safetensors"])


@unittest.skipIf(torch is None, "torch is not installed")
class Torch(Base):
    def test_files_that_torch_wrote(self):
        content = aligned_content()
        save_legacy(content, self.path("plain.pt"))
        expected, _, _ = self.convert("mosei_aligned.py", self.path("plain.pt"))
        for as_tensors in (False, True):
            for new_format in (False, True):
                value = dict(content)
                if as_tensors:
                    for split in SIZES:
                        value[split] = {
                            k: torch.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in content[split].items()
                        }
                torch.save(value, self.path("torch.pt"), _use_new_zipfile_serialization=new_format)
                tensors, _, _ = self.convert("mosei_aligned.py", self.path("torch.pt"))
                for name, array in expected.items():
                    np.testing.assert_array_equal(tensors[name], array)

    def test_strides_offsets_and_types(self):
        base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
        value = {
            "transposed": base.T, "slice": base[1:3, 2:], "long": torch.arange(3), "bool": torch.tensor([True, False]),
            "half": torch.ones(2, dtype=torch.float16), "empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5),
        }  # fmt: skip
        for new_format in (False, True):
            torch.save(value, self.path("views.pt"), _use_new_zipfile_serialization=new_format)
            read = safe_pickle.load(self.path("views.pt"))
            for name, tensor in value.items():
                np.testing.assert_array_equal(read[name], tensor.numpy())

    def test_modules_are_refused(self):
        for new_format in (False, True):
            torch.save(torch.nn.Linear(2, 2), self.path("module.pt"), _use_new_zipfile_serialization=new_format)
            self.refuses("refused: the file asks for torch.nn.modules", "mosei_aligned.py", self.path("module.pt"))


def main():
    program = unittest.main(exit=False)
    skipped = len(program.result.skipped)
    if skipped:
        print(f"[skipped] {skipped} converter tests: {program.result.skipped[0][1]}")
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

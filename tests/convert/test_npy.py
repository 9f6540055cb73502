"""Arrays that NumPy wrote train a model: ramer_train_xtensor."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np

PROGRAM = pathlib.Path(os.environ.get("RAMER_BIN_DIR", "")) / "ramer_train_xtensor"


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
class NpyTest(unittest.TestCase):
    def run_on(self, change=lambda name, array: array):
        random = np.random.default_rng(1)
        n, t, d = 300, 2, 3
        text, audio = random.normal(size=(2, n, 1, t, d)).astype(np.float32)
        heard = random.random((n, 1, t)) < 0.8
        audio[~heard] = np.nan  # what stands where nothing is available does not matter
        arrays = {
            "text": text,
            "text_mask": np.ones((n, 1, t), np.int64),
            "audio": audio,
            "audio_mask": heard.astype(np.int64),
            "labels": (text.mean(axis=(1, 2))[:, :2] > 0).astype(np.int64),
        }
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, array in arrays.items():
                files.append(os.path.join(folder, name + ".npy"))
                np.save(files[-1], change(name, array))
            return subprocess.run([PROGRAM, *files], capture_output=True, text=True, timeout=120)

    def test_arrays_train_a_model(self):
        result = self.run_on()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreater(float(result.stdout.split()[-1]), 0.7)

    def test_a_mask_that_does_not_fit_is_named(self):
        result = self.run_on(lambda name, array: array[:10] if name == "audio_mask" else array)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("'audio': availability is (10, 1, 2), features are (300, 1, 2, 3)", result.stderr)


if __name__ == "__main__":
    unittest.main()

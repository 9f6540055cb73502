#!/usr/bin/env python3
"""Plants violations in small projects and expects check_layering.py to find each of them, and nothing else."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "check_layering.py"

CLEAN = {
    "fwd.hpp": "#pragma once\nnamespace ramer {\nstruct Cpu;\ntemplate <class T, int R>\nclass Tensor;\nusing DefaultBackend = Cpu;\n}\n",
    "ramer.hpp": '// Everything.\n#pragma once\n#include "ramer/core/a.hpp"\n#include "ramer/train/a.hpp"\n',
    "core/a.hpp": "#pragma once\n#include <vector>\n",
    "core/types.hpp": "#if defined(__CUDACC__)\n#define RAMER_HD __host__ __device__\n#else\n#define RAMER_HD\n#endif\n",
    "io/json.hpp": '#include <nlohmann/json.hpp>\n#include "ramer/core/a.hpp"\nusing Json = nlohmann::json;\n',
    "data/a.hpp": '#include "ramer/core/a.hpp"\n',
    "data/xtensor_adapter.hpp": "#include <xtensor/xarray.hpp>\nusing X = xt::xarray<float>;\n",
    "eval/a.hpp": '#include "ramer/core/a.hpp"\n',
    "baseline/a.hpp": '#include "ramer/core/a.hpp"\n',
    "backend/cpu.hpp": "#include <Eigen/Core>\n#include <tbb/parallel_for.h>\nusing M = Eigen::MatrixXf;\n",
    "backend/detail/cpu_gemm.hpp": "#include <Eigen/Core>\n",
    "backend/cuda.cuh": '#include <cuda_runtime.h>\n#include "ramer/core/a.hpp"\n__global__ void k();\n',
    "autodiff/a.hpp": '#include "ramer/backend/cpu.hpp"\n#include "ramer/fwd.hpp"\n',
    "nn/a.hpp": '#include "ramer/autodiff/a.hpp"\n#include "ramer/core/a.hpp"\n',
    "encoder/a.hpp": '#include "ramer/nn/a.hpp"\n#include "ramer/encoder/detail/a.hpp"\n',
    "encoder/detail/a.hpp": "// Eigen::Matrix and <<< in a comment, as in tbb::parallel_for\n/* #include <Eigen/Core>\n */\n",
    "loss/a.hpp": 'inline const char* kText = "Eigen::Matrix // not a comment";  // xt::xarray\nint n = 1\'000\'000;\n',
    "model/a.hpp": '#include "ramer/encoder/a.hpp"\n#include "ramer/loss/a.hpp"\n',
    "train/a.hpp": '#include "ramer/model/a.hpp"\n#include "ramer/data/a.hpp"\n#include "ramer/eval/a.hpp"\n'
                   '#include "ramer/baseline/a.hpp"\n',
    "app/a.hpp": '#include <CLI/CLI.hpp>\n#include "ramer/train/a.hpp"\n#include "ramer/io/json.hpp"\n',
}


class Layering(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = Path(root, "include", "ramer", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, str(SCRIPT), root], capture_output=True, text=True, check=False)
            self.assertEqual(done.stderr, "")
            return done.returncode, done.stdout.splitlines()[:-1]

    def expect(self, name, text, line, *words):
        """Exactly one violation, in `name` at `line`, whose message has all `words`."""
        code, found = self.run_on({**CLEAN, name: text})
        self.assertEqual(code, 1, "nothing was found")
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"include/ramer/{name}:{line}: "), found[0])
        for word in words:
            self.assertIn(word, found[0])

    def test_a_clean_house_passes(self):
        self.assertEqual(self.run_on(CLEAN), (0, []))

    def test_an_empty_house_fails(self):
        with tempfile.TemporaryDirectory() as root:
            done = subprocess.run([sys.executable, str(SCRIPT), root], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)

    def test_upward_and_sideways_includes(self):
        pairs = [
            ("core", "backend/cpu.hpp"), ("core", "io/json.hpp"), ("io", "data/a.hpp"), ("data", "eval/a.hpp"),
            ("data", "backend/cpu.hpp"), ("eval", "io/json.hpp"), ("eval", "baseline/a.hpp"), ("baseline", "eval/a.hpp"),
            ("baseline", "data/a.hpp"), ("backend", "autodiff/a.hpp"), ("backend", "io/json.hpp"), ("autodiff", "nn/a.hpp"),
            ("nn", "encoder/a.hpp"), ("encoder", "loss/a.hpp"), ("loss", "encoder/a.hpp"), ("contrast", "shuffle/a.hpp"),
            ("encoder", "model/a.hpp"), ("model", "data/a.hpp"), ("model", "train/a.hpp"), ("model", "eval/a.hpp"),
            ("train", "app/a.hpp"),
        ]
        for layer, target in pairs:
            with self.subTest(layer=layer, target=target):
                name = f"{layer}/planted.hpp"
                files = {**CLEAN, "shuffle/a.hpp": "#pragma once\n", name: f'#pragma once\n\n  #  include "ramer/{target}"  // why\n'}
                code, found = self.run_on(files)
                self.assertEqual(code, 1)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f'include/ramer/{name}:3: includes "ramer/{target}"'), found[0])
                self.assertIn(f"not {target.split('/')[0]}/", found[0])

    def test_angle_brackets_are_no_way_around(self):
        self.expect("core/b.hpp", "#include <ramer/nn/a.hpp>\n", 1, "core/ may include no other folder")

    def test_relative_includes(self):
        self.expect("core/b.hpp", '#include "../nn/a.hpp"\n', 1, "../nn/a.hpp", "included as")
        self.expect("core/b.hpp", '#include "a.hpp"\n', 1, "included as")

    def test_missing_header(self):
        self.expect("nn/b.hpp", '#include "ramer/core/absent.hpp"\n', 1, "does not exist")

    def test_umbrella_included_by_a_layer(self):
        self.expect("core/b.hpp", '#include "ramer/ramer.hpp"\n', 1, "umbrella")

    def test_unknown_folder(self):
        self.expect("misc/a.hpp", "#pragma once\n", 1, "misc/", "no place")

    def test_other_libraries(self):
        for name, text, word in [
            ("nn/b.hpp", "#include <Eigen/Dense>\n", "Eigen"),
            ("backend/reference.hpp", "\nusing M = Eigen::MatrixXf;\n", "Eigen"),
            ("core/b.hpp", "#include <unsupported/Eigen/SpecialFunctions>\n", "Eigen"),
            ("nn/b.hpp", "#include <oneapi/tbb.h>\n", "oneTBB"),
            ("train/b.hpp", "\n\ntbb::task_arena arena;\n", "oneTBB"),
            ("data/b.hpp", "#include <xtensor/xtensor.hpp>\n", "xtensor"),
            ("data/b.hpp", "xt::xtensor<float, 2> x;\n", "xtensor"),
            ("train/b.hpp", "#include <nlohmann/json.hpp>\n", "nlohmann"),
            ("io/safetensors.hpp", "nlohmann::json j;\n", "nlohmann"),
            ("train/b.hpp", '#include "CLI/CLI.hpp"\n', "CLI11"),
            ("model/b.hpp", "CLI::App app;\n", "CLI11"),
        ]:
            with self.subTest(name=name, text=text):
                self.expect(name, text, text.count("\n"), word, "only")

    def test_nvcc_in_hpp(self):
        for text in [
            "#include <cuda_runtime.h>\n", "#include <cublasLt.h>\n", "__global__ void f();\n", "__device__ int g();\n",
            "void h() { k<<<1, 2>>>(); }\n", "int i() { return threadIdx.x; }\n", "cudaStream_t stream;\n",
            '#include "ramer/backend/cuda.cuh"\n', "#if !defined(__CUDACC__)\n__device__ int g();\n#endif\n",
            "#ifdef __CUDACC__\n#else\n__device__ int g();\n#endif\n",
        ]:
            with self.subTest(text=text):
                line = next(i for i, part in enumerate(text.split("\n"), 1) if not part.startswith(("#if", "#else")))
                self.expect("backend/b.hpp", text, line, "an .hpp never needs nvcc")

    def test_the_cpu_backend_is_named_by_its_instruction_set(self):
        self.expect("backend/cpu/b.hpp", "namespace ramer::backend::cpu {\n}\n", 1, "RAMER_INSTRUCTION_SET")
        clean = {**CLEAN, "backend/cpu/b.hpp": "namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {\n}\n"}
        self.assertEqual(self.run_on(clean), (0, []))

    def test_a_guest_leaves_the_house_alone(self):
        for text, word in [
            ("void f() { std::cout << 1; }\n", "prints"), ("void f() { printf(\"x\"); }\n", "prints"),
            ("void f() { std::exit(1); }\n", "ends the process"), ("void f() { ::abort(); }\n", "ends the process"),
            ("void f() { ::signal(2, g); }\n", "handles signals"), ("void f() { omp_set_num_threads(2); }\n", "whole process"),
        ]:
            with self.subTest(text=text):
                self.expect("train/b.hpp", text, 1, word, "guest")
                self.assertEqual(self.run_on({**CLEAN, "app/b.hpp": text}), (0, []))
        self.assertEqual(self.run_on({**CLEAN, "core/b.hpp": "int f(char* t) { return std::snprintf(t, 1, t); }\n"}), (0, []))

    def test_length(self):
        self.expect("core/b.hpp", "// x\n" * 501, 501, "501 lines")
        self.assertEqual(self.run_on({**CLEAN, "core/b.hpp": "// x\n" * 500}), (0, []))

    def test_code_in_an_umbrella(self):
        self.expect("train.hpp", '#pragma once\n#include "ramer/train/a.hpp"\ninline int x = 1;\n', 3, "no code")
        self.expect("fwd.hpp", CLEAN["fwd.hpp"] + "struct Defined { int x; };\n", 8, "defines nothing")

    def test_json_in_the_umbrella(self):
        self.expect("ramer.hpp", '#include "ramer/io/json.hpp"\n', 1, "io/json.hpp", "comes with ramer.hpp")
        code, found = self.run_on({**CLEAN, "data/a.hpp": '#include "ramer/io/json.hpp"\n'})
        self.assertEqual((code, len(found)), (1, 1), found)
        self.assertIn("ramer.hpp:4: brings in io/json.hpp (ramer.hpp -> train/a.hpp -> data/a.hpp -> io/json.hpp)", found[0])


if __name__ == "__main__":
    unittest.main()

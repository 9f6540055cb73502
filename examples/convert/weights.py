#!/usr/bin/env python3
"""Turns a PyTorch state_dict of CARAT or RAMer into a checkpoint for `ramer evaluate` and `ramer predict`, and back.

    python3 weights.py import best_model.pt --data mosei.safetensors --out model.safetensors
    python3 weights.py export model.safetensors --out weights.pt [--like best_model.pt]

Names are mapped by rule, sizes are read off the tensors. Needs numpy alone: .pt files are read by safe_pickle.py and written here.
"""

import argparse
import io
import json
import os
import pickle
import re
import sys
import zipfile

import ramer_dataset
import safe_pickle
from ramer_dataset import UserError

import numpy as np

PUBLISHED = ["text", "visual", "audio"]
CROSS = {"text": "va2t", "visual": "ta2v", "audio": "tv2a"}  # g^m
RECIPES = ("carat", "carat-unaligned", "ramer-released", "ramer")
REFERENCE = "text"  # what the CTC modules align the others to
# Inside an encoder's layer: theirs, ours.
LAYER = [
    ("attention.self.query", "attention.query"), ("attention.self.key", "attention.key"),
    ("attention.self.value", "attention.value"), ("attention.output.dense", "attention.output"),
    ("attention.output.LayerNorm", "attention.norm"), ("intermediate.dense", "feed_forward.inner"),
    ("output.dense", "feed_forward.outer"), ("output.LayerNorm", "feed_forward.norm"),
]  # fmt: skip
LSTM = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
# What the published modules hold and nothing in them reads: the encoders' poolers, and the release's personality encoder.
UNREAD = re.compile(r"^[^.]+\.pooler\.dense\.(weight|bias)$")
UNREAD_RELEASED = re.compile(r"^(personality(_attention|_norm)?\.|[va]2t_ctc\.)")
THRESHOLD = 0.25  # of both published scripts


# -- names ---------------------------------------------------------------------------------------------------------


def encoder_names(theirs, ours, layers):
    pairs = [
        (f"{theirs}_norm.norm2d", f"{ours}.input_norm"), (f"{theirs}.embeddings.word_embeddings", f"{ours}.input"),
        (f"{theirs}.embeddings.LayerNorm", f"{ours}.norm"),
    ]  # fmt: skip
    for i in range(layers):
        pairs += [(f"{theirs}.encoder.layer.{i}.{a}", f"{ours}.layer.{i}.{b}") for a, b in LAYER]
    table = {f"{a}.{part}": f"{b}.{part}" for a, b in pairs for part in ("weight", "bias")}
    table[f"{theirs}.embeddings.position_embeddings.weight"] = f"{ours}.position"
    return table


def names(model):
    """{their name: our name} of everything that the described model has."""
    table, modules = {}, []
    for k, m in enumerate(model.modalities):
        table.update(encoder_names(m, f"encoder.{m}", model.layers[m]))
        if model.marked:
            table[f"{m}.embeddings.target_time.weight"] = f"encoder.{m}.target_time"
        table[f"{m}_attention.attention.weight"] = f"label_attention.{m}.weight"
        table[f"{m}_clf_weight"] = f"score.{m}"
        cross = CROSS[m] if model.modalities == PUBLISHED else f"cross_{m}"
        modules.append((f"{cross}.output", f"reconstruction.{m}.cross"))
        for theirs, ours in (("proj", "encoder"), ("de_proj", "decoder")):
            modules.append((f"{theirs}_{m}.linear.0", f"reconstruction.{m}.{ours}.0"))
            modules.append((f"{theirs}_{m}.output", f"reconstruction.{m}.{ours}.1"))
        if model.subspaces:
            modules.append((f"private_feature_extractor.{k}.0", f"specificity.{m}"))
        if model.aligned and m != REFERENCE:
            for layer in range(model.aligned[1]):
                for part in LSTM:
                    theirs = f"{m[0]}2t_ctc.pred_output_position_inclu_blank.{part}_l{layer}"
                    table[theirs] = f"alignment.{m}.position.layer.{layer}.{part}"
        if model.personality_width:
            modules.append((f"aux_reduce_{m}", f"auxiliary.{m}.reduce"))
        for side, word in (("pos", "positive"), ("neg", "negative")):
            table[f"{m}_{side}_protos"] = f"state.prototypes.{m}.{word}"
    if model.subspaces:
        modules += [
            ("common_feature_extractor.0", "commonality"), ("common_classfier.0", "common_semantic"),
            ("modal_discriminator.0", "discriminator.inner"), ("modal_discriminator.3", "discriminator.outer"),
        ]  # fmt: skip
    if model.personality_width:
        table.update(encoder_names("personality", "personality", model.layers["personality"]))
        table["personality_unknown"] = "personality.unknown"
    modules += [("agg.linear.0", "aggregation.0"), ("agg.output", "aggregation.1")]
    table.update({f"{a}.{part}": f"{b}.{part}" for a, b in modules for part in ("weight", "bias")})
    return table


def shapes(model):
    """{our name: shape} of the same."""
    h, k, c, many = model.hidden, model.latent, model.labels, len(model.modalities)
    out = {}

    def linear(name, rows, columns):
        out[f"{name}.weight"], out[f"{name}.bias"] = (rows, columns), (rows,)

    def norm(name, width):
        out[f"{name}.weight"], out[f"{name}.bias"] = (width,), (width,)

    def encoder(ours, theirs, width):
        norm(f"{ours}.input_norm", width)
        linear(f"{ours}.input", h, width)
        out[f"{ours}.position"] = (model.positions[theirs], h)
        norm(f"{ours}.norm", h)
        for i in range(model.layers[theirs]):
            for part in ("query", "key", "value", "output"):
                linear(f"{ours}.layer.{i}.attention.{part}", h, h)
            linear(f"{ours}.layer.{i}.feed_forward.inner", model.inner, h)
            linear(f"{ours}.layer.{i}.feed_forward.outer", h, model.inner)
            norm(f"{ours}.layer.{i}.attention.norm", h)
            norm(f"{ours}.layer.{i}.feed_forward.norm", h)

    for m in model.modalities:
        encoder(f"encoder.{m}", m, model.widths[m])
        out[f"encoder.{m}.target_time"] = (1, h)
        out[f"label_attention.{m}.weight"] = out[f"score.{m}"] = (c, h)
        linear(f"reconstruction.{m}.cross", h, many * h)
        linear(f"reconstruction.{m}.encoder.0", h // 2, h)
        linear(f"reconstruction.{m}.encoder.1", k, h // 2)
        linear(f"reconstruction.{m}.decoder.0", h // 2, k)
        linear(f"reconstruction.{m}.decoder.1", h, h // 2)
        linear(f"specificity.{m}", h, h)
        linear(f"auxiliary.{m}.reduce", h, 2 * h)
        if model.aligned:
            w = model.aligned[0] + 1  # a place for "blank"
            for layer in range(model.aligned[1]):
                for part, shape in zip(LSTM, ((4 * w, w if layer else model.widths[m]), (4 * w, w), (4 * w,), (4 * w,))):
                    out[f"alignment.{m}.position.layer.{layer}.{part}"] = shape
        for word in ("positive", "negative"):
            out[f"state.prototypes.{m}.{word}"] = (c, k)
    if model.personality_width:
        encoder("personality", "personality", model.personality_width)
    out["personality.unknown"] = (1, h)
    linear("commonality", h, h)
    linear("common_semantic", c, h)
    linear("discriminator.inner", h // 2, h)
    linear("discriminator.outer", many, h // 2)
    linear("aggregation.0", h, c * h)
    linear("aggregation.1", c, h)
    return out


# -- what a state_dict describes -----------------------------------------------------------------------------------


def read_state_dict(path):
    """{name: array}, without the prefix of DataParallel; a checkpoint that holds one under a usual key is opened."""
    try:
        content = safe_pickle.load(path)
    except safe_pickle.Refused as error:
        raise UserError(f"{path}: {error}") from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, np.ndarray) for v in content.values()):
        raise UserError(f"{path}: not a state_dict, which holds tensors by name alone")
    if not all(isinstance(name, str) for name in content):
        raise UserError(f"{path}: not a state_dict, whose names are text")
    if all(name.startswith("module.") for name in content):
        content = {name[len("module.") :]: value for name, value in content.items()}
    return content


class Model:
    """Recipe, names and sizes, read off the tensors."""

    def __init__(self, path, state, options):
        self.path = path
        found = [n.removesuffix(".embeddings.word_embeddings.weight") for n in state if n.endswith(".embeddings.word_embeddings.weight")]
        found = [m for m in found if m != "personality"]
        if not found:
            raise UserError(f"{path}: no tensor '<modality>.embeddings.word_embeddings.weight'; not weights of CARAT or RAMer")
        self.modalities = options.modalities.split(",") if options.modalities else PUBLISHED
        if sorted(found) != sorted(self.modalities):
            hint = "" if options.modalities else "; --modalities tells their order"
            raise UserError(f"{path}: encoders of {', '.join(sorted(found))}; expected {', '.join(self.modalities)}{hint}")
        # The published modules have poolers that nothing reads; this library's own RAMer has none.
        guess = "ramer-released" if any(UNREAD.match(n) for n in state) else "ramer"
        if "common_feature_extractor.0.weight" not in state:
            guess = "carat-unaligned" if any("2t_ctc." in n for n in state) else "carat"
        self.recipe = options.recipe or guess
        size = lambda name, axis: self.tensor(state, name, 2).shape[axis]  # noqa: E731
        first = self.modalities[0]
        self.hidden = size(f"{first}.embeddings.word_embeddings.weight", 0)
        self.latent = size(f"proj_{first}.output.weight", 0)
        self.labels = size(f"{first}_clf_weight", 0)
        self.personality_width = 0
        if f"aux_reduce_{first}.weight" in state:  # otherwise nothing reads a personality encoder
            self.personality_width = size("personality.embeddings.word_embeddings.weight", 1)
        self.marked = any(".target_time." in n for n in state)
        self.aligned = None  # (places, layers of the LSTM)
        if self.recipe == "carat-unaligned":
            others = [m for m in self.modalities if m != REFERENCE]
            if len(others) + 1 != len(self.modalities) or len({m[0] for m in others}) != len(others):
                raise UserError(f"{path}: encoders of {', '.join(self.modalities)}; CTC modules align the others to '{REFERENCE}', one letter names each")
            at = f"{others[0][0]}2t_ctc.pred_output_position_inclu_blank.weight_hh_l"
            count = sum(n.startswith(at) for n in state)
            self.aligned = (size(f"{at}0", 1) - 1, max(count, 1))
        self.widths, self.positions, self.layers = {}, {}, {}
        for m in self.modalities + (["personality"] if self.personality_width else []):
            self.widths[m] = size(f"{m}.embeddings.word_embeddings.weight", 1)
            self.positions[m] = size(f"{m}.embeddings.position_embeddings.weight", 0)
            numbers = {int(k[1]) for k in (re.match(rf"{re.escape(m)}\.encoder\.layer\.(\d+)\.", n) for n in state) if k}
            if not numbers or numbers != set(range(len(numbers))):
                raise UserError(f"{path}: encoder '{m}' has layers {sorted(numbers)}; expected 0, 1, ...")
            self.layers[m] = len(numbers)
        self.inner = size(f"{first}.encoder.layer.0.intermediate.dense.weight", 0)

    def tensor(self, state, name, rank):
        if name not in state:
            raise UserError(f"{self.path}: tensor '{name}' is missing")
        if state[name].ndim != rank:
            raise UserError(f"{self.path}: tensor '{name}' of shape {list(state[name].shape)}; expected {rank} axes")
        return state[name]

    @property
    def subspaces(self):
        """CARAT has no G, no f_m and no discriminator."""
        return not self.recipe.startswith("carat")

    def unread(self, name):
        released = self.recipe == "ramer-released" and not self.personality_width
        return bool(UNREAD.match(name)) or (released and bool(UNREAD_RELEASED.match(name)))


def queue_state(model, state, queue, seed):
    """The contrast queue: theirs, or one that was never written (unit rows, id -1). Evaluation does not read it."""
    if "queue" in state:
        rows = model.tensor(state, "queue", 2).astype(np.float32)
        if "queue_ids" in state:
            ids = state["queue_ids"].reshape(-1).astype(np.int64)
        else:  # a label that is no class number matches nothing
            labels = model.tensor(state, "queue_label", 2).reshape(-1).astype(np.float64)
            classes = 2 * len(model.modalities) * model.labels
            known = np.isfinite(labels) & (labels == np.round(labels)) & (labels >= 0) & (labels < classes)
            ids = np.where(known, labels, -1).astype(np.int64)
        pointer = int(np.asarray(state.get("queue_ptr", 0)).reshape(-1)[0])
        if rows.shape[1] != model.latent or ids.shape != (rows.shape[0],) or not 0 <= pointer < max(1, rows.shape[0]):
            raise UserError(
                f"{model.path}: queue {list(rows.shape)} with {ids.size} labels and pointer {pointer}; "
                f"expected rows of width {model.latent}, a label for each, and a pointer among them"
            )
    else:
        rows = np.random.default_rng(seed).standard_normal((queue, model.latent))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        ids, pointer = np.full(queue, -1, dtype=np.int64), 0
    return {"state.queue.rows": rows, "state.queue.ids": ids, "state.queue.pointer": np.array(pointer, dtype=np.int64)}


QUEUE = ("queue", "queue_label", "queue_ids", "queue_ptr")


def imported(model, state, queue, seed):
    """Our tensors; refuses what does not map. Returns (tensors, names that nothing reads)."""
    table, expected = names(model), shapes(model)
    left = [n for n in state if n not in table and n not in QUEUE]
    unread = [n for n in left if model.unread(n)]
    strange = [n for n in left if not model.unread(n)]
    if strange:
        raise UserError(
            f"{model.path}: tensor '{strange[0]}' of shape {list(state[strange[0]].shape)} has no place in recipe '{model.recipe}'"
        )
    tensors = {}
    for theirs, ours in table.items():
        shape = expected[ours]
        if theirs not in state:
            if ours.startswith("state.prototypes."):
                tensors[ours] = np.zeros(shape, dtype=np.float32)
                continue
            if ours == "personality.unknown":
                tensors[ours] = np.zeros(shape, dtype=np.float32)
                continue
            raise UserError(f"{model.path}: tensor '{theirs}' is missing; recipe '{model.recipe}' needs it")
        value = state[theirs]
        flat = ours == "personality.unknown" and value.shape == shape[1:]
        if value.dtype.kind != "f" or (value.shape != shape and not flat):
            raise UserError(f"{model.path}: tensor '{theirs}': {value.dtype} {list(value.shape)}; expected numbers {list(shape)}")
        with np.errstate(over="ignore"):
            tensors[ours] = value.astype(np.float32).reshape(shape)
        if not np.isfinite(tensors[ours]).all():
            raise UserError(f"{model.path}: tensor '{theirs}' holds a number that is not finite")
    tensors.update(queue_state(model, state, queue, seed))
    return tensors, unread


def setting(text):
    """'encoder.heads=4' -> (["encoder", "heads"], 4)"""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--set {text}: expected KEY=VALUE")
    try:
        return key.split("."), json.loads(value)
    except ValueError:
        return key.split("."), value


def import_weights(options):
    state = read_state_dict(options.state)
    model = Model(options.state, state, options)
    if model.hidden % options.heads:
        raise UserError(f"{options.state}: width {model.hidden} does not divide into {options.heads} heads; --heads tells how many")
    has_target, labels = bool(model.personality_width or model.marked), None
    if options.data:
        data, about = ramer_dataset.read(options.data)
        labels = json.loads(about.get("labels", "null"))
        has_target = "target" in data and options.view == "persons"
        for m in model.modalities:
            width = data[f"{m}.features"].shape[1] if f"{m}.features" in data else None
            if width != model.widths[m]:
                found = "is not there" if width is None else f"has width {width}"
                raise UserError(f"{options.data}: modality '{m}' {found}; the weights want width {model.widths[m]}")
    if options.labels:
        labels = options.labels.split(",")
    if not isinstance(labels, list):
        raise UserError("the names of the labels: --data FILE or --labels A,B,... tells them")
    if len(labels) != model.labels:
        raise UserError(f"{options.state}: weights for {model.labels} labels; {len(labels)} are named ({', '.join(labels)})")
    tensors, unread = imported(model, state, options.queue, options.seed)
    threshold = THRESHOLD if options.threshold is None else options.threshold
    config = {
        "encoder": {
            "hidden": model.hidden, "heads": options.heads, "inner": model.inner,
            "layers": [model.layers[m] for m in model.modalities],
        },
        "reconstruction": {"latent": model.latent}, "contrast": {"queue": int(tensors["state.queue.ids"].size)},
        "threshold": threshold, "target_time": "marked" if model.marked else "all",
    }  # fmt: skip
    schema = {
        "modalities": [{"name": m, "width": model.widths[m], "positions": model.positions[m]} for m in model.modalities],
        "labels": labels, "has_target": has_target, "personality_width": model.personality_width,
        "personality_positions": model.positions.get("personality", 0),
    }  # fmt: skip
    if model.aligned:
        config["alignment"] = {"length": model.aligned[0], "layers": model.aligned[1], "reference": REFERENCE}
    if model.personality_width:
        config["encoder"]["personality_layers"] = model.layers["personality"]
    for path, value in (setting(text) for text in options.set):
        place = config
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
    ramer_dataset.write(options.out, tensors, {
        "format": "ramer.checkpoint", "version": "1", "kind": "model", "recipe": model.recipe, "precision": "float",
        "config": json.dumps(config), "schema": json.dumps(schema),
        "run": json.dumps({"threshold": threshold, "view": options.view}), "imported": os.path.basename(options.state),
    })  # fmt: skip
    print(f"{options.out}: recipe {model.recipe}, {len(tensors)} tensors, width {model.hidden}, {options.heads} heads, threshold {threshold}")
    if unread:
        print(f"left out, since nothing reads them: {', '.join(unread)}")
    if not any(f"{m}_pos_protos" in state for m in model.modalities):
        print("the file holds no prototypes: they are zero, as in a fresh model")
    return 0


# -- back ----------------------------------------------------------------------------------------------------------


def write_state_dict(path, tensors):
    """A .pt file as torch.save writes a state_dict: {name: tensor} in a zip archive. Atomic."""
    kinds = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage"}
    out = io.BytesIO()

    def text(value):
        raw = value.encode()
        out.write(b"X" + len(raw).to_bytes(4, "little") + raw)

    def number(value):
        out.write(pickle.dumps(int(value), protocol=2)[2:-1])

    def numbers(values):
        out.write(b"(")
        for value in values:
            number(value)
        out.write(b"t")

    def fresh_dict():
        out.write(b"ccollections\nOrderedDict\n)R")

    out.write(b"\x80\x02")
    fresh_dict()
    out.write(b"(")
    for key, (name, value) in enumerate(tensors.items()):
        text(name)
        out.write(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        text("storage")
        out.write(f"ctorch\n{kinds[value.dtype.str[1:]]}\n".encode())
        text(str(key))
        text("cpu")
        number(value.size)
        out.write(b"tQ")
        number(0)
        numbers(value.shape)
        numbers([int(np.prod(value.shape[axis + 1 :])) for axis in range(value.ndim)])
        out.write(b"\x89")  # no gradient
        fresh_dict()
        out.write(b"tR")
    out.write(b"u.")
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", out.getvalue())
            archive.writestr("archive/byteorder", "little")
            for key, value in enumerate(tensors.values()):
                little = value.astype(value.dtype.newbyteorder("<"), copy=False)
                archive.writestr(f"archive/data/{key}", np.ascontiguousarray(little).tobytes())
            archive.writestr("archive/version", "3\n")
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def told_by_metadata(about):
    """What an import of these weights has to be told, as far as the checkpoint says it."""
    config = json.loads(about.get("config", "{}"))
    out = [f"--heads {config['encoder']['heads']}"] if "heads" in config.get("encoder", {}) else []
    run = json.loads(about.get("run", "{}"))
    return " ".join(out + [f"--{key} {run[key]}" for key in ("threshold", "view") if key in run])


def export_weights(options):
    tensors, about = ramer_dataset.read(options.model)
    if about.get("format") != "ramer.checkpoint" or about.get("version") != "1":
        raise UserError(f"{options.model}: format is {about.get('format')!r}; expected 'ramer.checkpoint' version '1'")
    recipe = about.get("recipe")
    if recipe not in RECIPES:
        raise UserError(f"{options.model}: recipe '{recipe}' has no published names; expected one of {', '.join(RECIPES)}")
    try:
        schema = json.loads(about["schema"])
        model = Model.__new__(Model)
        model.path, model.recipe = options.model, recipe
        model.modalities = [m["name"] for m in schema["modalities"]]
        model.personality_width = schema["personality_width"] if "personality.position" in tensors else 0
        model.marked = any(name.endswith(".target_time") for name in tensors)
        lstm = [n for n in tensors if n.startswith("alignment.") and n.endswith(".weight_hh")]
        aligned = {n.split(".")[1] for n in lstm}
        if recipe == "carat-unaligned" and aligned != set(model.modalities) - {REFERENCE}:
            raise UserError(f"{options.model}: aligned are {', '.join(sorted(aligned))}; the published names align all but '{REFERENCE}'")
        model.aligned = (tensors[lstm[0]].shape[1] - 1, len(lstm) // len(aligned)) if lstm else None
        model.layers = {
            m: 1 + max(int(n.split(".")[at + 1]) for n in tensors if n.startswith(f"{ours}.layer."))
            for m, ours, at in [(m, f"encoder.{m}", 2) for m in model.modalities] + [("personality", "personality", 1)] * bool(model.personality_width)
        }  # fmt: skip
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{options.model}: metadata or tensors are not those of a checkpoint ({error})") from error
    out = {}
    for theirs, ours in names(model).items():
        if ours not in tensors:
            raise UserError(f"{options.model}: tensor '{ours}' is missing; recipe '{recipe}' has it")
        out[theirs] = tensors[ours].reshape(-1) if ours == "personality.unknown" else tensors[ours]
    if "state.queue.rows" in tensors:
        ids = tensors["state.queue.ids"]
        # Places that were never written: labels that differ from each other and are no whole numbers.
        fresh = -(np.arange(ids.size) + 0.5) / ids.size
        out["queue"] = tensors["state.queue.rows"]
        out["queue_label"] = np.where(ids < 0, fresh, ids).astype(np.float32)[:, None]
        out["queue_ptr"] = tensors["state.queue.pointer"].reshape(1)
    added = []
    if options.like:
        model_file = read_state_dict(options.like)
        for name, value in model_file.items():
            if name in out:
                if value.size != out[name].size:
                    raise UserError(f"{options.like}: tensor '{name}' of shape {list(value.shape)}; the checkpoint has {list(out[name].shape)}")
                out[name] = out[name].reshape(value.shape)
            elif name not in QUEUE:
                out[name] = np.array(value)
                added.append(name)
        out = {name: out[name] for name in model_file if name in out} | out
    write_state_dict(options.out, out)
    print(f"{options.out}: recipe {recipe}, {len(out)} tensors")
    print(f"no tensor tells: --recipe {recipe} --modalities {','.join(model.modalities)} {told_by_metadata(about)}")
    if added:
        print(f"taken from {options.like}: {', '.join(added)}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("import", help="state_dict -> checkpoint")
    load.add_argument("state", help=".pt file with a state_dict")
    load.add_argument("--out", required=True, help="checkpoint to write")
    load.add_argument("--data", help="data set file: names of the labels, and whether a target is asked about")
    load.add_argument("--labels", help="names of the labels instead, in the order of the weights: A,B,...")
    load.add_argument("--recipe", choices=RECIPES, help="default: told by the names")
    load.add_argument("--modalities", help="their order in the weights, where they are not text,visual,audio")
    load.add_argument("--heads", type=int, default=8, help="attention heads, which no tensor tells (default: 8)")
    load.add_argument("--threshold", type=float, help="a label is predicted where its score is above (default: 0.25)")
    load.add_argument("--view", choices=("persons", "target", "moment", "all"), default="persons", help="what the model is shown of several people")
    load.add_argument("--queue", type=int, default=8192, help="places of a fresh contrast queue, where the file has none")
    load.add_argument("--seed", type=int, default=1, help="of its rows")
    load.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the model. Repeatable")
    save = commands.add_parser("export", help="checkpoint -> state_dict")
    save.add_argument("model", help="checkpoint")
    save.add_argument("--out", required=True, help=".pt file to write")
    save.add_argument("--like", help="state_dict that gives what the checkpoint does not hold (poolers), shapes and order")
    options = parser.parse_args()
    if options.command == "import" and options.heads < 1:
        raise UserError(f"--heads {options.heads}: expected at least 1")
    source = options.state if options.command == "import" else options.model
    if os.path.exists(options.out) and os.path.samefile(source, options.out):
        raise UserError(f"{options.out}: would overwrite the source")
    return import_weights(options) if options.command == "import" else export_weights(options)


if __name__ == "__main__":
    sys.exit(ramer_dataset.run(main))

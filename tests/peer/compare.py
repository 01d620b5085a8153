"""Our binaries against transformers on the same folders and inputs; scripts/compare-transformers runs it and says what it is for.

usage: compare.py BUILD WORK CLIP-VOCABULARY [SIZE ...]
Exits 4 when something lies outside its bound.
"""
import json
import math
import os
import shutil
import subprocess
import sys

import numpy
import sentencepiece
import tokenizers.processors
import torch
from PIL import Image
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, CLIPImageProcessor, CLIPModel, CLIPTokenizer, GemmaForCausalLM

import folders

try:  # since transformers 5 the class without "Pil" resizes with torchvision
    from transformers import CLIPImageProcessorPil
except ImportError:
    CLIPImageProcessorPil = CLIPImageProcessor

DISTANCE = 1e-5   # cosine distance of embeddings and hidden states
RELATIVE = 1e-3   # of log-probabilities
PIXELS = 1e-5     # for at least 99.9 % of pixel values; the others within one step of 8 bits
GRADIENT = 1e-4   # |ours - theirs| / |theirs| of each parameter's gradient; see `gradients` for those that are zero
STEP = 1 / 255 / 0.26130258 * 1.001  # one step of 8 bits after the division by CLIP's smallest standard deviation


class Table:
    def __init__(self):
        self.missed = 0
        print(f"{'folder':<23} {'what':<31} {'n':>9}  {'bound':<10} {'seen':<10} {'':<6} remark")

    def row(self, folder, what, n, bound, seen, remark=""):
        """Within the bound: n > 0, seen a number of at most the bound."""
        good = n > 0 and seen <= bound
        self.missed += not good
        print(f"{folder:<23} {what:<31} {n:>9}  {bound:<10.3g} {seen:<10.3g} {'ok' if good else 'MISSED':<6} {remark}", flush=True)


def distances(a, b):
    a, b = numpy.asarray(a, "float64"), numpy.asarray(b, "float64")
    return 1 - (a * b).sum(-1) / numpy.linalg.norm(a, axis=-1) / numpy.linalg.norm(b, axis=-1)


def spread(rows):
    """How far different inputs lie apart: what a distance to the other implementation is to be held against."""
    rows = numpy.unique(numpy.asarray(rows, "float64"), axis=0)
    unit = rows / numpy.linalg.norm(rows, axis=1, keepdims=True)
    apart = (1 - unit @ unit.T)[numpy.triu_indices(len(rows), 1)]
    return f"different inputs: {apart.min():.2g} at least, {numpy.median(apart):.2g} in the middle"


def relative(ours, theirs):
    return float(numpy.max(numpy.abs(ours - theirs) / numpy.maximum(numpy.abs(theirs), 1e-30)))


def load(cls, folder, **more):
    """A model in float32, and the number of tensors that are missing, unexpected or misshapen."""
    model, info = cls.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **more)
    return model.eval(), sum(len(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def weight(n):
    return torch.tensor([math.cos(0.37 * i) for i in range(n)], dtype=torch.float32)


def sentencepiece_ids(folder):
    library = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    return lambda text: [library.bos_id(), *library.encode(text)]


def transformers_ids(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return lambda text: tokenizer(text)["input_ids"]


def gemma_tokenizer(folder):
    """Without tokenizer_config.json transformers neither begins with <bos> nor knows the user-defined pieces."""
    return transformers_ids(folder) if os.path.exists(os.path.join(folder, "tokenizer_config.json")) else sentencepiece_ids(folder)


class Peer:
    """Both sides on the same inputs. ours(): what peer.c and pasta-embed make of a folder."""

    def __init__(self, build, work, table):
        self.build, self.work, self.table = build, work, table
        self.inputs = folders.inputs(work)
        self.image_list = os.path.join(work, "images.txt")
        with open(self.image_list, "w") as f:
            f.write("".join(path + "\n" for path in self.inputs["images"]))
        self.prompt_list = os.path.join(work, "prompts.jsonl")
        with open(self.prompt_list, "w") as f:
            f.write("".join(json.dumps({"text": text}) + "\n" for text in self.inputs["prompts"]))

    def run(self, program, *arguments):
        subprocess.run([os.path.join(self.build, program), *arguments], check=True, stdout=subprocess.DEVNULL)

    def peer(self, folder, *options, prompts=None):
        inputs, out = os.path.join(self.work, "inputs.json"), os.path.join(self.work, "peer.safetensors")
        with open(inputs, "w") as f:
            json.dump(self.inputs if prompts is None else {"prompts": prompts, "images": []}, f)
        self.run("peer", folder, inputs, out, *options)
        return load_file(out)

    def embed(self, folder, images=True):
        out = os.path.join(self.work, "embed.safetensors")
        pictures = ("--images", self.image_list) if images else ()
        self.run("pasta-embed", "--quiet", "--force", "--model", folder, "--prompts", self.prompt_list, *pictures, "--out", out)
        return load_file(out)

    def gradients(self, name, ours, model, loss):
        """The gradient of a key's bias is zero, for softmax does not see it: what is left of it on both sides is rounding. So a
        gradient's size counts as at least a thousandth of that of all parameters together."""
        model.zero_grad()
        loss.backward()
        self.table.row(name, "gradients: loss, relative", 1, GRADIENT, relative(ours["loss"], float(loss.detach())))
        theirs = {key: p.grad.numpy().astype("float64") for key, p in model.named_parameters()}
        unshared = {"grad." + key for key in theirs} ^ {key for key in ours if key.startswith("grad.")}
        self.table.row(name, "gradients: parameters not shared", len(theirs), 0, len(unshared))
        floor = 1e-3 * math.sqrt(sum((g ** 2).sum() for g in theirs.values()))
        off = {key: numpy.linalg.norm(ours["grad." + key].reshape(g.shape) - g) / max(numpy.linalg.norm(g), floor)
               for key, g in theirs.items()}
        worst = max(off, key=off.get)
        tiny = sum(numpy.linalg.norm(g) < floor for g in theirs.values())
        self.table.row(name, "gradients: relative, worst", len(off), GRADIENT, float(off[worst]), f"{worst}; {tiny} of no size")

    def pixels(self, name, folder, images, ours):
        """Pillow's processor is the reference. Where transformers has torchvision's too, we are no farther from it than Pillow's is."""
        def values(cls):
            return torch.cat([cls.from_pretrained(folder)(image, return_tensors="pt")["pixel_values"] for image in images])
        pixels = values(CLIPImageProcessorPil)
        off = numpy.abs(ours - pixels.numpy())
        self.table.row(name, "pixel values beyond 1e-5, share", off.size, 1e-3, float((off > PIXELS).mean()))
        self.table.row(name, "pixel values, worst", off.size, STEP, float(off.max()))
        if CLIPImageProcessor is not CLIPImageProcessorPil:
            other = values(CLIPImageProcessor).numpy()
            apart = numpy.abs(pixels.numpy() - other)
            self.table.row(name, "pixel values, farther than theirs", off.size, PIXELS, float((numpy.abs(ours - other) - apart).max()),
                           f"from torchvision's; theirs: {(apart > PIXELS).mean():.1e} differ, by {apart.max():.2g} at most")
        return pixels

    def clip(self, name, folder, gradients=False):
        model, keys = load(CLIPModel, folder)
        self.table.row(name, "keys that do not fit", len(list(model.parameters())), 0, keys)
        ours, embeds = self.peer(folder, *(["--gradients"] if gradients else [])), self.embed(folder)
        context = model.config.text_config.max_position_embeddings
        tokens = CLIPTokenizer.from_pretrained(folder)(self.inputs["prompts"], padding="max_length", truncation=True, max_length=context,
                                                       return_tensors="pt")
        wrong = ours["input_ids"] != tokens["input_ids"].numpy()
        self.table.row(name, "token ids that differ", wrong.size, 0, int(wrong.sum()))
        images = [Image.open(path).convert("RGB") for path in self.inputs["images"]]
        pixels = self.pixels(name, folder, images, ours["pixel_values"])
        with torch.set_grad_enabled(gradients):
            theirs = model(pixel_values=pixels, **tokens)
        for kind in ("text_embeds", "image_embeds"):
            rows = getattr(theirs, kind).detach().numpy()
            self.table.row(name, kind + ", cosine distance", len(rows), DISTANCE, float(distances(embeds[kind], rows).max()), spread(rows))
        if gradients:
            parts = [(weight(e.numel()) * e.reshape(-1)).sum() for e in (theirs.text_embeds, theirs.image_embeds)]
            self.gradients(name, ours, model, model.logit_scale.exp() * sum(parts))

    def gemma(self, name, folder, cls=GemmaForCausalLM, gradients=False):
        model, keys = load(cls, folder)
        self.table.row(name, "keys that do not fit", len(list(model.parameters())), 0, keys)
        ours, embeds = self.peer(folder), self.embed(folder, images=False)
        rows = [row[row >= 0] for row in ours["input_ids"]]
        tokenizer = gemma_tokenizer(folder)
        wrong = sum(list(row) != tokenizer(text) for row, text in zip(rows, self.inputs["prompts"]))
        self.table.row(name, "texts whose token ids differ", len(rows), 0, wrong, tokenizer.__qualname__.split(".")[0])
        hidden, log_prob, scores = [], [], []
        with torch.no_grad():
            for row in rows:
                ids = torch.tensor(row)[None]
                hidden.append(model.model(input_ids=ids).last_hidden_state[0, -1].numpy())
                if cls is GemmaForCausalLM:
                    log_p = model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
                    log_prob.append(float(log_p[torch.arange(len(row) - 1), ids[0, 1:]].sum()))
                else:
                    scores.append(float(model(input_ids=ids).logits))
        self.table.row(name, "last_token_hidden, cosine dist.", len(hidden), DISTANCE,
                       float(distances(embeds["last_token_hidden"], hidden).max()), spread(hidden))
        if log_prob:
            several = [i for i, row in enumerate(rows) if len(row) > 1]
            per_token = numpy.array([log_prob[i] / (len(rows[i]) - 1) for i in several])
            self.table.row(name, "sequence_log_prob, relative", len(several), RELATIVE,
                           relative(embeds["sequence_log_prob"][several], numpy.array(log_prob)[several]),
                           f"{per_token.min():.2f} to {per_token.max():.2f} a token")
        if scores:
            mine = embeds["last_token_hidden"].astype("float64") @ model.score.weight.detach().numpy()[0].astype("float64")
            self.table.row(name, "score, of the largest", len(scores), 1e-4, float(numpy.abs(mine - scores).max() / numpy.abs(scores).max()),
                           f"{min(scores):.3g} to {max(scores):.3g}")
        if gradients:
            logits = [model(input_ids=torch.tensor(row)[None]).logits.reshape(-1) for row in rows]
            self.gradients(name, self.peer(folder, "--gradients"), model, sum((weight(l.numel()) * l).sum() for l in logits))


def mend_tokenizers():
    """tokenizers 0.23 has another name for RobertaProcessing's `cls`, by which transformers 5.12 calls it: no CLIPTokenizer is made."""
    original = tokenizers.processors.RobertaProcessing
    try:
        original(sep=("a", 0), cls=("b", 1))
    except TypeError:
        tokenizers.processors.RobertaProcessing = lambda sep, cls, **more: original(sep, cls, **more)


def mend_pillow():
    """Up to version 12 Pillow resizes along rows first, and so do we: the published encoders saw such images. Version 13 begins with the
    columns of some tall images, which changes an eighth of such an image's values by one step of 8 bits."""
    original = Image.Image.resize

    def resize(image, size, resample=None, box=None, reducing_gap=None):
        rows = image if box or reducing_gap else original(image, (size[0], image.height), resample)
        return original(rows, size, resample, box, reducing_gap)
    Image.Image.resize = resize


# --- what is compared -----------------------------------------------------------------------------------------------------------

def again(peer, folder, tokenizer=False):
    """The folder as our own writers write it."""
    out = folder + "-again"
    peer.peer(folder, "--save", out, prompts=["a"])
    if tokenizer:
        shutil.copy(os.path.join(folder, "tokenizer.model"), out)
    return out


def small(peer, vocabulary, tokenizer):
    for name, act in (("small-quick", "quick_gelu"), ("small-gelu", "gelu")):
        folder = os.path.join(peer.work, name)
        folders.clip(folder, vocabulary, (64, 2, 4), (96, 3, 3, 56, 14), 48, act, published_ids=act == "gelu")
        peer.clip(name, folder, gradients=True)
        peer.clip(name + ", rewritten", again(peer, folder))
    folder = os.path.join(peer.work, "small-gemma")
    folders.gemma(folder, tokenizer, vocab=3072, width=96, mlp=256, layers=3, heads=4, kv=2, head_dim=32)
    peer.gemma("small-gemma", folder, gradients=True)
    peer.gemma("small-gemma, rewritten", again(peer, folder, tokenizer=True))


def own(peer, vocabulary, tokenizer):
    """Folders that we ship and that our training writes."""
    data, work = os.path.dirname(os.path.dirname(tokenizer)), peer.work
    peer.clip("data/clip-sketch", os.path.join(data, "clip-sketch"))
    peer.gemma("data/gemma-sketch", os.path.join(data, "gemma-sketch"), AutoModelForSequenceClassification)
    peer.run("pasta-train-clip", "--quiet", "--config", "configs/clip-sketch.json", "--set", "clip.train.steps=3",
             "--out", os.path.join(work, "train-clip"))
    peer.clip("pasta-train-clip", os.path.join(work, "train-clip"))
    peer.run("pasta-collect", "--quiet", "--config", "tests/tiny.json", "--seed", "5", "--out", os.path.join(work, "collect"))
    peer.run("pasta-train-pasta", "--quiet", "--config", "tests/tiny.json", "--sessions", os.path.join(work, "collect", "sessions.jsonl"),
             "--out", os.path.join(work, "train-pasta"))
    for half in ("f", "v"):
        peer.gemma("pasta-train-pasta " + half, os.path.join(work, "train-pasta", half), AutoModelForSequenceClassification)


def clip_size(name, **shape):
    def compare(peer, vocabulary, tokenizer):
        folder = os.path.join(peer.work, name)
        folders.clip(folder, vocabulary, **shape)
        peer.clip(name, folder)
        shutil.rmtree(folder)
    return compare


def gemma_2b(peer, vocabulary, tokenizer):
    folder = os.path.join(peer.work, "gemma-2b")
    folders.gemma(folder, tokenizer, vocab=256000, width=2048, mlp=16384, layers=2, heads=8, kv=1, head_dim=256)
    peer.gemma("gemma-2b, 2 layers", folder)
    shutil.rmtree(folder)


SIZES = {
    "small": small,
    "own": own,
    "vit-b-32": clip_size("vit-b-32", text=(512, 12, 8), vision=(768, 12, 12, 224, 32), projection=512),
    "vit-l-14": clip_size("vit-l-14", text=(768, 12, 12), vision=(1024, 24, 16, 224, 14), projection=768, dtype=torch.float16,
                          published_ids=True),
    "gemma-2b": gemma_2b,
}


def main(build, work, vocabulary, *sizes):
    unknown = [size for size in sizes if size not in SIZES]
    if unknown:
        print(f"compare-transformers: --sizes: expected some of {', '.join(SIZES)}, found '{unknown[0]}'", file=sys.stderr)
        return 2
    mend_tokenizers()
    mend_pillow()
    peer = Peer(build, work, Table())
    for size in sizes or SIZES:
        SIZES[size](peer, vocabulary, os.path.abspath("data/models/gemma-sketch/tokenizer.model"))
    print(f"{peer.table.missed} outside their bounds" if peer.table.missed else "all within their bounds")
    return 4 if peer.table.missed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

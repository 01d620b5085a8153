"""Model folders in the published layout with random weights, and the inputs that they are fed with.

A network straight from transformers' initialisation maps all inputs to nearly the same embedding: then nothing could be told from a small
distance. Here every matrix keeps the size of what goes through it, queries and keys are larger, so that attention chooses, and biases and
norms are no longer 0 and 1. Then different inputs lie far apart, and compare.py prints how far.
"""
import json
import math
import os
import shutil

import numpy
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, GemmaConfig, GemmaForCausalLM

CONTEXT = 77
PROMPTS = [
    "a photo of a cat", "two owls on a branch, ink", "a red house by the sea at night, oil painting, low depth of field",
    "8k 4k 1920x1080!!!", "it's the king's dog", "  leading and   repeated\tspaces  ", "two lines\nand\n\nthree more", "",
    "naïve café Ærøskøbing ΣΊΣΥΦΟΣ", "cafe\u0301, a combining accent", "日本語の絵 🦊🍝 pasta", "a fox, old wood engraving",
    "12345 67,890 3.14", "style subject prompt: yes no ~ ?", "ALL CAPITALS, <|endoftext|> inside", "a very long prompt " * 30,
]


def inputs(work):
    """Images of several sizes, shapes and formats in WORK/images; {"prompts": texts, "images": paths}."""
    folder = os.path.join(work, "images")
    os.makedirs(folder, exist_ok=True)
    rng = numpy.random.default_rng(1)

    def picture(width, height):
        y, x = numpy.mgrid[0:height, 0:width] / max(width, height)
        waves = [numpy.sin(rng.uniform(3, 40) * x + rng.uniform(3, 40) * y + rng.uniform(0, 6)) for _ in range(9)]
        pixels = numpy.stack([sum(waves[3 * c:3 * c + 3]) for c in range(3)], -1) * rng.uniform(15, 50)
        return Image.fromarray((pixels + rng.normal(rng.uniform(60, 190), 12, pixels.shape)).clip(0, 255).astype("uint8"))

    pictures = {
        "large.png": picture(640, 480), "tall.png": picture(333, 1000), "small.png": picture(97, 61), "exact.png": picture(224, 224),
        "grey.png": picture(300, 301).convert("L"), "palette.png": picture(256, 300).quantize(64),
        "alpha.png": picture(225, 400).convert("RGBA"), "photo.jpg": picture(511, 382), "photo.webp": picture(400, 600),
    }
    for name, image in pictures.items():
        image.save(os.path.join(folder, name))
    return {"prompts": PROMPTS, "images": [os.path.join(folder, name) for name in pictures]}


def fill(model, seed):
    generator = torch.Generator().manual_seed(seed)
    gemma = isinstance(model, GemmaForCausalLM)
    for name, p in model.named_parameters():
        if name == "logit_scale":
            size, centre = 0.0, math.log(100)
        elif "norm" in name or "layrnorm" in name:
            size, centre = 0.2, 0.0 if gemma or name.endswith("bias") else 1.0
        elif name.endswith("bias"):
            size, centre = 0.1, 0.0
        elif "embed_tokens" in name:
            size, centre = 1 / math.sqrt(p.shape[1]), 0.0
        elif "o_proj" in name or "down_proj" in name:  # else the tied head would hardly see more than each token's own embedding
            size, centre = 3 / math.sqrt(p.shape[1]), 0.0
        elif "token_embedding" in name or "class_embedding" in name:
            size, centre = 0.5, 0.0
        elif "position_embedding" in name:
            size, centre = 0.2, 0.0
        else:
            size, centre = (1.5 if "q_proj" in name or "k_proj" in name else 1.0) / math.sqrt(p[0].numel()), 0.0
        with torch.no_grad():
            p.copy_(torch.randn(p.shape, generator=generator) * size + centre)
    return model


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=1)


def clip(folder, vocabulary, text, vision, projection, act="quick_gelu", dtype=torch.float32, published_ids=False, seed=1):
    """text: (width, layers, heads); vision: (width, layers, heads, image side, patch side). published_ids: config.json names the wrong
    ids that the published files name."""
    os.makedirs(folder)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(os.path.join(vocabulary, name), folder)
    with open(os.path.join(vocabulary, "vocab.json")) as f:
        ids = json.load(f)
    first, end = (0, 2) if published_ids else (ids["<|startoftext|>"], ids["<|endoftext|>"])
    config = CLIPConfig(
        text_config=dict(hidden_size=text[0], intermediate_size=4 * text[0], num_hidden_layers=text[1], num_attention_heads=text[2],
                         hidden_act=act, vocab_size=max(ids.values()) + 1, max_position_embeddings=CONTEXT, bos_token_id=first,
                         eos_token_id=end, pad_token_id=end, projection_dim=projection),
        vision_config=dict(hidden_size=vision[0], intermediate_size=4 * vision[0], num_hidden_layers=vision[1],
                           num_attention_heads=vision[2], hidden_act=act, image_size=vision[3], patch_size=vision[4],
                           projection_dim=projection),
        projection_dim=projection)
    fill(CLIPModel(config), seed).to(dtype).save_pretrained(folder)
    write_json(folder, "preprocessor_config.json", {
        "crop_size": vision[3], "do_center_crop": True, "do_normalize": True, "do_resize": True, "resample": 3, "size": vision[3],
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711]})
    write_json(folder, "tokenizer_config.json", {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": CONTEXT, "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"})


def gemma(folder, tokenizer, vocab, width, mlp, layers, heads, kv, head_dim, dtype=torch.bfloat16, seed=1):
    os.makedirs(folder)
    config = GemmaConfig(vocab_size=vocab, hidden_size=width, intermediate_size=mlp, num_hidden_layers=layers, num_attention_heads=heads,
                         num_key_value_heads=kv, head_dim=head_dim, max_position_embeddings=512, pad_token_id=0, eos_token_id=1,
                         bos_token_id=2)
    fill(GemmaForCausalLM(config), seed).to(dtype).save_pretrained(folder, max_shard_size="1GB")
    shutil.copy(tokenizer, os.path.join(folder, "tokenizer.model"))

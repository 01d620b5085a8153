"""The PyTorch twin of a network: the same sizes, random weights, written as one writes it in PyTorch.

usage: twin.py '{"twin": "vision", "threads": 2, ...}'      (tests/bench/bench_twins.c)

Says "torch VERSION, N threads", then answers every line with "SECONDS BYTES": the time of one run, and the memory that the first run took
at its peak beyond what was in use. "threads": 0 leaves the number as installed.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F


def attention(q, k, v, bias, scale):
    """[B,h,T,d], through the fused operation where this PyTorch has one."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
    scores = q @ k.transpose(-1, -2) * scale
    return (scores if bias is None else scores + bias).softmax(-1) @ v


def linear(n_in, n_out, bias):
    layer = torch.nn.Linear(n_in, n_out, bias=bias)
    torch.nn.init.normal_(layer.weight, std=n_in**-0.5)
    return layer


class VisionBlock(torch.nn.Module):
    def __init__(self, s):
        super().__init__()
        width, mlp = s["width"], s["mlp"]
        self.heads = s["heads"]
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (linear(width, width, True) for _ in range(4))
        self.fc1, self.fc2 = linear(width, mlp, True), linear(mlp, width, True)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x):
        h = self.norm1(x)
        q, k, v = self.split(self.q(h)), self.split(self.k(h)), self.split(self.v(h))
        a = attention(q, k, v, None, q.shape[-1] ** -0.5)
        x = x + self.out(a.transpose(1, 2).reshape(x.shape))
        h = self.fc1(self.norm2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


class Vision(torch.nn.Module):
    def __init__(self, s):
        super().__init__()
        width, side = s["width"], s["size"] // s["patch"]
        self.patches = torch.nn.Conv2d(3, width, s["patch"], s["patch"], bias=False)
        self.first = torch.nn.Parameter(torch.randn(width))
        self.position = torch.nn.Parameter(torch.randn(side * side + 1, width))
        self.pre, self.post = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.blocks = torch.nn.Sequential(*[VisionBlock(s) for _ in range(s["layers"])])
        self.projection = linear(width, s["projection"], False)
        self.pixels = torch.randn(s["images"], 3, s["size"], s["size"])

    def forward(self):
        x = self.patches(self.pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], 1, -1), x], 1) + self.position
        return self.projection(self.post(self.blocks(self.pre(x))[:, 0]))


class GemmaBlock(torch.nn.Module):
    def __init__(self, s):
        super().__init__()
        width, self.d, self.h, self.g = s["width"], s["head"], s["heads"], s["key_heads"]
        self.q, self.k, self.v = linear(width, self.h * self.d, False), linear(width, self.g * self.d, False), linear(width, self.g * self.d, False)
        self.o = linear(self.h * self.d, width, False)
        self.gate, self.up, self.down = linear(width, s["mlp"], False), linear(width, s["mlp"], False), linear(s["mlp"], width, False)
        self.norm1, self.norm2 = torch.nn.Parameter(torch.zeros(width)), torch.nn.Parameter(torch.zeros(width))

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], -1, self.d).transpose(1, 2)

    def forward(self, x, cos, sin, bias):
        h = rms_norm(x, self.norm1)
        q, k, v = self.split(self.q(h)), self.split(self.k(h)), self.split(self.v(h))
        q, k = q * cos + rotated(q) * sin, k * cos + rotated(k) * sin
        k, v = (t.repeat_interleave(self.h // self.g, 1) for t in (k, v))
        a = attention(q, k, v, bias, self.d**-0.5)
        x = x + self.o(a.transpose(1, 2).flatten(2))
        h = rms_norm(x, self.norm2)
        return x + self.down(F.gelu(self.gate(h), approximate="tanh") * self.up(h))


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + weight)


def rotated(x):
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


class Gemma(torch.nn.Module):
    """Last hidden states of whole sequences: "together" of them in a pass."""

    def __init__(self, s):
        super().__init__()
        tokens, d = s["tokens"], s["head"]
        self.embed = torch.nn.Embedding(s["vocab"], s["width"])
        self.blocks = torch.nn.ModuleList([GemmaBlock(s) for _ in range(s["layers"])])
        self.norm = torch.nn.Parameter(torch.zeros(s["width"]))
        self.ids = torch.randint(s["vocab"], (s["sequences"], tokens))
        self.together = s["together"]
        angles = torch.arange(tokens)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
        self.cos, self.sin = (torch.cat([f(angles)] * 2, -1) for f in (torch.cos, torch.sin))
        self.bias = torch.full((tokens, tokens), float("-inf")).triu(1)

    def forward(self):
        last = []
        for ids in self.ids.split(self.together):
            x = self.embed(ids) * self.embed.embedding_dim**0.5
            for block in self.blocks:
                x = block(x, self.cos, self.sin, self.bias)
            last.append(rms_norm(x[:, -1], self.norm))
        return torch.cat(last)


def memory(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))


def forget_peak():
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")


def main():
    s = json.loads(sys.argv[1])
    if s["threads"]:
        torch.set_num_threads(s["threads"])
    with torch.inference_mode():
        network = {"vision": Vision, "gemma": Gemma}[s["twin"]](s).eval()
        forget_peak()
        before = memory("VmRSS")
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
        peak = None
        for _ in sys.stdin:
            begin = time.perf_counter()
            network()
            seconds = time.perf_counter() - begin
            peak = memory("VmHWM") - before if peak is None else peak
            print(seconds, peak, flush=True)


main()

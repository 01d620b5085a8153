"""The PyTorch twin of a network: the same sizes, random weights, written as one writes it in PyTorch.

usage: twin.py '{"twin": "vision", "threads": 2, ...}'      (tests/bench/bench_twins.c)

Says "torch VERSION, N threads", then answers every line with "SECONDS BYTES": the time of one run, and the memory that the first run took
at its peak beyond what was in use ("simulate", "evaluate": the whole process). "threads": 0 leaves the number as installed.
"""
import json
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit()  # says nothing: there is no twin here


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


class UserStep(torch.nn.Module):
    """A step of the user model on pairs: scores under target and online parameters, gradients, AdamW.

    score = scale cos(a, b) + <w, e>, a = e + silu(e V') U, b likewise, for each of K types. "form": "einsum" spells the types out, "matmul" makes
    one product of all types' matrices; both form a and b, [K,N,D]. "inner" needs only inner products, in the adapters' width.
    """

    def __init__(self, s):
        super().__init__()
        K, D, W, n = s["types"], s["dim"], s["adapter"], s["pairs"]
        self.form = s["form"]
        self.online = torch.nn.ParameterList([torch.randn(*shape) * std for shape, std in
                                              (((K, W, D), 1.0), ((K, W, D), 0.003), ((K, W, D), 1.0), ((K, W, D), 0.003), ((K, D), 1.0), ((1,), 1.0))])
        self.target = [p.detach().clone() for p in self.online]
        self.image, self.text = (F.normalize(torch.randn(rows, D), dim=1) for rows in (2 * n, n))
        self.label = torch.rand(n)
        self.optimiser = torch.optim.AdamW(self.online, lr=3e-4, weight_decay=1e-4)

    def adapted(self, e, v, u):
        if self.form == "einsum":
            h = F.silu(torch.einsum("nd,kwd->knw", e, v))
            return e + torch.einsum("knw,kwd->knd", h, u)
        K, W, D = v.shape
        h = F.silu((e @ v.view(K * W, D).t()).view(-1, K, W).transpose(0, 1))
        return e + torch.bmm(h, u)

    def scores(self, p):
        va, ua, vb, ub, w, scale = p
        if self.form == "inner":
            return self.inner_scores(*p)
        a = self.adapted(self.image, va, ua)
        b = self.adapted(self.text, vb, ub).repeat_interleave(2, 1)
        return scale * F.cosine_similarity(a, b, dim=-1) + w @ self.image.t()

    def inner_scores(self, va, ua, vb, ub, w, scale):
        K, W, D = va.shape
        def project(e, m):
            return (e @ m.reshape(K * W, D).t()).view(-1, K, W).transpose(0, 1)
        def square(e, h, z, u):
            return (e * e).sum(-1) + 2 * (h * z).sum(-1) + ((h @ (u @ u.transpose(1, 2))) * h).sum(-1)
        ha, hb = F.silu(project(self.image, va)), F.silu(project(self.text, vb))
        aa = square(self.image, ha, project(self.image, ua), ua)
        bb = square(self.text, hb, project(self.text, ub), ub).repeat_interleave(2, 1)
        hb2 = hb.repeat_interleave(2, 1)
        dot = (self.image * self.text.repeat_interleave(2, 0)).sum(-1) + (ha * project(self.text, ua).repeat_interleave(2, 1)).sum(-1)
        dot = dot + (hb2 * project(self.image, ub)).sum(-1) + ((ha @ (ua @ ub.transpose(1, 2))) * hb2).sum(-1)
        return scale * dot * torch.rsqrt(aa * bb) + w @ self.image.t()

    def losses(self, p):
        s = self.scores(p)
        d = s[:, 0::2] - s[:, 1::2]
        return F.softplus(d) - d * self.label

    def forward(self):
        with torch.no_grad():
            gamma = torch.softmax(-self.losses(self.target), 0)
        self.optimiser.zero_grad()
        (gamma * self.losses(list(self.online))).sum(0).mean().backward()
        self.optimiser.step()


class Simulate(torch.nn.Module):
    """Sessions of simulated users: a type from the prior, then in each turn a choice, a rating, and better, same or worse. "batch": sessions at
    once, which share products by type; without it one at a time, turn by turn."""

    def __init__(self, s):
        super().__init__()
        K, D, W = s["types"], s["dim"], s["adapter"]
        self.s = s
        self.v, self.u, self.vt, self.ut = torch.randn(K, W, D), torch.randn(K, W, D) * 1e-3, torch.randn(K, W, D), torch.randn(K, W, D) * 1e-3
        self.taste = torch.randn(K, D)
        images = s["turns"] * s["columns"] * s["images"]
        self.image, self.text = F.normalize(torch.randn(100, images, D), dim=-1), F.normalize(torch.randn(100, D), dim=-1)

    def utilities(self, k, image, text):
        """image [n,I,D], text [n,D] of one type: [n,I]"""
        a = image + F.silu(image @ self.v[k].t()) @ self.u[k]
        b = text + F.silu(text @ self.vt[k].t()) @ self.ut[k]
        return F.cosine_similarity(a, b[:, None], dim=-1) + image @ self.taste[k]

    def answers(self, utility, before):
        """utility [n,L] of a turn's columns"""
        choice = torch.distributions.Categorical(logits=utility).sample()
        now = utility.gather(1, choice[:, None])[:, 0]
        rating = (10 * torch.sigmoid(now + torch.randn_like(now))).round()
        d = now - before if before is not None else torch.zeros_like(now)
        p = torch.stack([torch.sigmoid(-d - 0.5), torch.sigmoid(d + 0.5) - torch.sigmoid(d - 0.5), torch.sigmoid(d - 0.5)], 1)
        return now, rating, torch.distributions.Categorical(probs=p).sample()

    def forward(self):
        s, batch = self.s, self.s.get("batch", 1)
        for first in range(0, s["sessions"], batch):
            which = torch.arange(first, min(first + batch, s["sessions"])) % 100
            kind = torch.randint(s["types"], (len(which),))
            for k in kind.unique().tolist() if batch > 1 else kind.tolist():
                of = which[kind == k]
                image, text, before = self.image[of].view(len(of), s["turns"], -1, s["dim"]), self.text[of], None
                for t in range(s["turns"]):
                    u = self.utilities(k, image[:, t], text).view(len(of), s["columns"], s["images"]).mean(-1)
                    before, _, _ = self.answers(u, before)


class Evaluate(torch.nn.Module):
    """Pairs of people, each predicted from that person's earlier ones; accuracy under three rules for ties, resampled by people in one product."""

    def __init__(self, s):
        super().__init__()
        self.s, self.step = s, UserStep({**s, "form": "matmul"})
        self.user = torch.arange(s["pairs"]) % s["users"]
        self.label = (torch.rand(s["pairs"]) > 0.5).float()

    def forward(self):
        s = self.s
        with torch.no_grad():
            score = torch.cat([self.chunk(i) for i in range(0, s["pairs"], 2048)], 1)
        d = score[:, 0::2] - score[:, 1::2]
        ll = F.logsigmoid(d * (2 * self.label - 1)).view(s["types"], -1, s["users"])
        before = torch.cat([torch.zeros_like(ll[:, :1]), ll.cumsum(1)[:, :-1]], 1).view(s["types"], -1)
        p = (torch.softmax(before, 0) * torch.sigmoid(d)).sum(0)
        right = ((p > 0.5) == (self.label > 0.5)).double()
        tied = ((p - 0.5).abs() < 0.05).double()
        people = torch.zeros(s["users"], 6, dtype=torch.double)
        rows = torch.stack([right, torch.ones_like(right), right * (1 - tied), 1 - tied, right * (1 - tied) + tied / 2, torch.ones_like(right)], 1)
        people.index_add_(0, self.user, rows)
        drawn = torch.randint(s["users"], (s["resamples"], s["users"]))
        weight = torch.zeros(s["resamples"], s["users"], dtype=torch.double).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.double))
        sums = weight @ people
        return torch.quantile(sums[:, 0::2] / sums[:, 1::2], torch.tensor([0.025, 0.975], dtype=torch.double), dim=0)

    def chunk(self, first):
        m = self.step
        va, ua, vb, ub, w, scale = m.target
        image, text = m.image[2 * first:2 * first + 4096], m.text[first:first + 2048]
        a, b = m.adapted(image, va, ua), m.adapted(text, vb, ub).repeat_interleave(2, 1)
        return scale * F.cosine_similarity(a, b, dim=-1) + w @ image.t()


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
    network = {"vision": Vision, "gemma": Gemma, "user": UserStep, "simulate": Simulate, "evaluate": Evaluate}[s["twin"]](s)
    with torch.enable_grad() if s["twin"] == "user" else torch.inference_mode():
        forget_peak()
        before = 0 if s["twin"] in ("simulate", "evaluate") else memory("VmRSS")  # beside whole commands: the whole process
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
        peak = None
        for _ in sys.stdin:
            begin = time.perf_counter()
            network()
            seconds = time.perf_counter() - begin
            peak = memory("VmHWM") - before if peak is None else peak
            print(seconds, peak, flush=True)


main()

# scripts/convert-checkpoint: the embedded encoder as a pickle in OpenCLIP's layout becomes a folder that gives the same embeddings; a
# pickle that would run code is refused. Skipped where no Python has PyTorch.
. tests/lib.sh
for python in python3 /usr/bin/python3; do "$python" -c 'import torch, numpy' 2>/dev/null && break; python=; done
[ -n "$python" ] || { echo "no python3 with PyTorch and NumPy"; exit 77; }

"$python" - "$work" <<'PYTHON' || fail "no checkpoint was made"
import json, os, pickle, re, struct, sys
import numpy, torch

def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    return {name: torch.from_numpy(numpy.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], numpy.float16).copy()).reshape(t["shape"])
            for name, t in header.items() if name != "__metadata__"}

plain = [("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
         ("text_model.encoder.layers", "transformer.resblocks"), ("vision_model.encoder.layers", "visual.transformer.resblocks"),
         ("text_model.embeddings.token_embedding", "token_embedding"), ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
         ("text_model.final_layer_norm", "ln_final"), ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
         ("vision_model.embeddings.patch_embedding", "visual.conv1"), ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
         ("vision_model.pre_layrnorm", "visual.ln_pre"), ("vision_model.post_layernorm", "visual.ln_post")]
out, sketch = {}, tensors("data/models/clip-sketch/model.safetensors")
for name, t in sketch.items():
    for theirs, ours in plain:
        name = name.replace(theirs, ours)
    joined = re.fullmatch(r"(.*)self_attn\.([qkv])_proj\.(\w+)", name)
    if joined:
        parts = out.setdefault(f"{joined[1]}attn.in_proj_{joined[3]}", [None] * 3)
        parts["qkv".index(joined[2])] = t
    elif name in ("text_projection.weight", "visual_projection.weight"):
        out[{"t": "text_projection", "v": "visual.proj"}[name[0]]] = t.t() # a view: saved as it is strided
    else:
        out[name] = t
out = {f"module.{name}": torch.cat(t) if isinstance(t, list) else t for name, t in out.items()}
torch.save({"epoch": 3, "state_dict": out}, os.path.join(sys.argv[1], "hps.pt"))
torch.save({name: t for name, t in out.items() if "visual" in name}, os.path.join(sys.argv[1], "part1.pt"))
torch.save({name: t for name, t in out.items() if "visual" not in name}, os.path.join(sys.argv[1], "part2.pt"))
torch.save({"state_dict": torch.zeros(2)}, os.path.join(sys.argv[1], "bare.pt"))
torch.save({0: torch.zeros(2)}, os.path.join(sys.argv[1], "numbered.pt"))
torch.save({"odd": torch.zeros(2, dtype=torch.complex64)}, os.path.join(sys.argv[1], "odd.pt"))

class Evil:
    def __reduce__(self):
        return os.system, (f"touch {sys.argv[1]}/evil",)
torch.save({"state_dict": {"a": Evil()}}, os.path.join(sys.argv[1], "evil.pt"))
PYTHON
convert() { "$python" scripts/convert-checkpoint "$@" --like data/models/clip-sketch; }

printf 'a red fox\na house at night\n' >"$work/prompts.txt"
run 0 "$bin/pasta-embed" --prompts "$work/prompts.txt" --out "$work/expected"
run 0 convert "$work/hps.pt" --out "$work/hps"
grep -q "hps: 74 tensors" "$work/stdout" || { fail "number of tensors"; cat "$work/stdout"; }
run 0 convert "$work/part1.pt" "$work/part2.pt" --out "$work/parts"
for folder in hps parts; do
    run 0 "$bin/pasta-embed" --model "$work/$folder" --prompts "$work/prompts.txt" --out "$work/found"
    cmp -s <(tail -c 512 "$work/expected") <(tail -c 512 "$work/found") || fail "$folder: other embeddings"
    rm -f "$work/found"
done
cmp -s "$work/hps/model.safetensors" "$work/parts/model.safetensors" || fail "a checkpoint in parts gives another file"
run 1 convert "$work/evil.pt" --out "$work/none"
grep -q "evil.pt': expected a checkpoint of tensors alone" "$work/stderr" || { fail "an evil pickle"; cat "$work/stderr"; }
[ ! -e "$work/evil" ] && [ ! -e "$work/none" ] || fail "an evil pickle was run"
for name in bare numbered; do
    run 1 convert "$work/$name.pt" --out "$work/none"
    grep -q "error: .*$name.pt': expected named tensors" "$work/stderr" || { fail "$name"; tail -1 "$work/stderr"; }
done
run 1 convert "$work/odd.pt" --out "$work/none"
[ ! -e "$work/none" ] || fail "what cannot be written leaves a folder"
run 1 convert "$work/hps.pt" --out "$work/hps"
run 1 convert "$work/part1.pt" "$work/hps.pt" --out "$work/none"
grep -q "found it twice" "$work/stderr" || fail "a name that two parts have"
run 0 python3 scripts/convert-checkpoint --help
finish

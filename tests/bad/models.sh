# Model folders that are not what they say: exit code 3, one line on stderr that names the file and the tensor or key, nothing written.
. tests/lib.sh
export LC_ALL=C
printf 'a red fox\n' >"$work/prompts.txt"
run 0 "$bin/pasta-collect" --config tests/tiny.json --seed 1 --out "$work/good"
m=$work/m

# refused PATTERN COMMAND...: one error line that names a file of the model and matches PATTERN; nothing is left behind
refused() {
    local pattern=$1; shift
    rm -rf "$work/out"
    run 3 "$@" --out "$work/out"
    [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE "error: .*/m/?.*$pattern" "$work/stderr" ||
        { fail "not one line with '$pattern': $*"; sed 's/^/    /' "$work/stderr"; }
    [ -z "$(find "$work/out" -type f 2>/dev/null)" ] || fail "left behind: $(find "$work/out" -type f)"
}
# A new copy of a model, in which a file is then spoilt: edit FILE SED-SCRIPT keeps the length where a header counts it
copy() { rm -rf "$m"; cp -R "data/models/$1" "$m"; }
edit() { sed -i "$2" "$m/$1"; }
clip() { refused "$1" "$bin/pasta-embed" --model "$m" --prompts "$work/prompts.txt"; }
gemma() { refused "$1" "$bin/pasta-embed" --model "$m" --prompts "$work/prompts.txt"; }
start() { refused "$1" "$bin/pasta-train-pasta" --config tests/tiny.json --sessions "$work/good/sessions.jsonl" --set value.model="$m"; }
# as above, of a copy with one edit
clip_edit() { copy clip-sketch; edit "$1" "$2"; cmp -s "$m/$1" "data/models/clip-sketch/$1" && fail "no edit: $2"; clip "$3"; }
gemma_edit() { copy gemma-sketch; edit "$1" "$2"; cmp -s "$m/$1" "data/models/gemma-sketch/$1" && fail "no edit: $2"; gemma "$3"; }
# what pasta-info says of a folder that is broken without asking what model it is
info() {
    run 3 "$bin/pasta-info" "$m"
    [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE "error: .*/m/?.*$1" "$work/stderr" || { fail "pasta-info: '$1'"; cat "$work/stderr"; }
}
# the names of a file's tensors, one a line
names() { head -c 20000 "$1" | tail -c +9 | grep -aoE '"[a-z_0-9.]+":\{"dtype"' | sed 's/:.*//; s/"//g'; }

# --- CLIP: weights
copy clip-sketch; truncate -s -1000 "$m/model.safetensors"; clip 'model.safetensors: .*truncated'; info 'model.safetensors: .*truncated'
copy clip-sketch; truncate -s 500 "$m/model.safetensors"; clip 'model.safetensors: header: .*truncated'; info 'model.safetensors: header: .*truncated'
copy clip-sketch; : >"$m/model.safetensors"; clip 'model.safetensors: .*found 0'
copy clip-sketch; printf 'version https://git-lfs.github.com/spec/v1\n' >"$m/model.safetensors"; clip 'model.safetensors: header: .*is this a safetensors file'
copy clip-sketch; rm "$m/model.safetensors"; clip 'expected model.safetensors'
clip_edit model.safetensors 's/"text_model.final_layer_norm.bias"/"text_model.final_layer_norm.biaz"/' "model.safetensors.*'text_model.final_layer_norm.bias'.*no such tensor"
clip_edit model.safetensors 's/\("visual_projection.weight":{"dtype":"F16","shape":\)\[64,96\]/\1[96,64]/' "model.safetensors.*'visual_projection.weight': expected shape \[64,96\], found \[96,64\]"
clip_edit model.safetensors 's/"logit_scale":{"dtype":"F16"/"logit_scale":{"dtype":"I16"/' "model.safetensors.*'logit_scale'.*found I16"
clip_edit model.safetensors 's/\("data_offsets":\[0,2\]\)/"data_offsets":[0,3]/' "model.safetensors: tensor '"

# --- CLIP: config.json against the weights
clip_edit config.json 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' "model.safetensors.*'text_model.encoder.layers.2.*no such tensor"
clip_edit config.json 's/"num_hidden_layers": 3/"num_hidden_layers": 2/' "model.safetensors.*'vision_model.encoder.layers.2.*config.json"
clip_edit config.json 's/"projection_dim": 64/"projection_dim": 32/' "model.safetensors.*'visual_projection.weight'"
clip_edit config.json 's/"patch_size": 8/"patch_size": 16/' "model.safetensors.*'vision_model.embeddings"
clip_edit config.json 's/"num_attention_heads": 6/"num_attention_heads": 7/' "config.json: vision tower: .*heads"
clip_edit config.json 's/"hidden_act": "quick_gelu"/"hidden_act": "relu"/' "config.json: text_config: hidden_act: .*'relu'"
clip_edit config.json 's/"patch_size": 8/"patch_size": "8"/' 'config.json: vision_config: patch_size: .*a string'
clip_edit config.json 's/"model_type": "clip",/"model_type": "siglip",/' "config.json: model_type: .*siglip"
clip_edit config.json 's/"CLIPModel"/"CLIPTextModelWithProjection"/' "config.json: architectures: .*CLIPTextModelWithProjection"
clip_edit config.json '/"model_type": "clip",/d' 'config.json: model_type: '
clip_edit config.json '$d' 'config.json:[0-9]*: broken JSON'
copy clip-sketch; rm "$m/config.json"; clip 'config.json'

# --- CLIP: tokenizer
clip_edit config.json 's/"vocab_size": 2048/"vocab_size": 2047/' 'config.json: eos_token_id'
clip_edit config.json 's/"vocab_size": 2048/"vocab_size": 2049/' "model.safetensors.*'text_model.embeddings.token_embedding.weight'"
clip_edit vocab.json 's/}$/,"<zzz>":2048}/' 'vocab.json: .*vocab_size 2048'
clip_edit vocab.json 's/"<|endoftext|>":2047/"<|endoftext|>":2045/' 'vocab.json: id 2045: given to both'
clip_edit config.json 's/"eos_token_id": 2047/"eos_token_id": 2040/' 'vocab.json: .*eos_token_id 2040'
clip_edit vocab.json 's/,"<|endoftext|>":2047//' 'vocab.json: .*<.endoftext.>'
clip_edit vocab.json 's/"th":/"tq":/' "merges.txt: merge [0-9]*: 'th' is not in the vocabulary"
clip_edit vocab.json 's/}$//' 'vocab.json:1: broken JSON'
clip_edit merges.txt '4s/ //' 'merges.txt: merge 3: expected two symbols'
clip_edit merges.txt '900,$d' "merges.txt: .*no merge"
copy clip-sketch; rm "$m/merges.txt"; clip 'merges.txt'
copy clip-sketch; rm "$m/vocab.json"; clip 'vocab.json'
copy clip-sketch; rm "$m/vocab.json" "$m/merges.txt"; echo '{"model": {"vocab": {}}' >"$m/tokenizer.json"; clip 'tokenizer.json:[0-9]*: broken JSON'
copy clip-sketch; rm "$m/vocab.json" "$m/merges.txt"; echo '{"model": {"type": "BPE", "end_of_word_suffix": "", "vocab": {}}}' >"$m/tokenizer.json"; clip 'tokenizer.json: end_of_word_suffix'

# --- CLIP: preprocessor_config.json
clip_edit preprocessor_config.json 's/"crop_size": .*/"crop_size": 224,/' 'preprocessor_config.json: crop_size: .*64, found 224 x 224'
clip_edit preprocessor_config.json 's/"size": .*/"size": "big",/' 'preprocessor_config.json: size'
clip_edit preprocessor_config.json 's/"resample": 3/"resample": 9/' 'preprocessor_config.json: resample'
clip_edit preprocessor_config.json 's/"image_std": .*/"image_std": [1, 0, 1]/' 'preprocessor_config.json: image_std'
clip_edit preprocessor_config.json '1d' 'preprocessor_config.json'
copy clip-sketch; rm "$m/preprocessor_config.json"; clip 'preprocessor_config.json'

# --- CLIP: shards. All tensors in one shard, then the index is spoilt.
shards() {
    copy clip-sketch; mv "$m/model.safetensors" "$m/model-00001-of-00001.safetensors"
    { printf '{"metadata": {}, "weight_map": {'; names "$m/model-00001-of-00001.safetensors" | sed 's/.*/"&": "model-00001-of-00001.safetensors"/' | paste -sd,; echo '}}'; } >"$m/model.safetensors.index.json"
}
index=model.safetensors.index.json
shards; run 0 "$bin/pasta-embed" --model "$m" --prompts "$work/prompts.txt" --out "$work/sharded"
run 0 "$bin/pasta-embed" --prompts "$work/prompts.txt" --out "$work/whole"
cmp -s <(tail -c 256 "$work/sharded") <(tail -c 256 "$work/whole") || fail "a sharded model gives other embeddings"
run 0 "$bin/pasta-embed" --model "$m" --sessions "$work/good/sessions.jsonl" --image-root "$work/good" --out "$work/pack"
run 0 "$bin/pasta-info" "$m"; [ "$(grep -c '^  F16' "$work/stdout")" -eq 94 ] || fail "pasta-info of shards"
shards; sed 's/"logit_scale": "model-00001/"logit_scale": "model-00002/' -i "$m/$index"; clip 'model-00002-of-00001.safetensors'; info 'model-00002-of-00001.safetensors'
shards; edit $index 's/"logit_scale": /"logit_scale": "model-00001-of-00001.safetensors", &/'; clip "$index: logit_scale: .*twice"; info "$index: logit_scale: .*twice"
shards; edit $index 's/"logit_scale": /"logit_scales": "model-00001-of-00001.safetensors", &/'; clip "$index: weight_map: logit_scales: .*no such tensor"; info 'logit_scales'
shards; edit $index 's/"logit_scale": "model-00001-of-00001.safetensors",//'; clip "logit_scale.*$index"; info 'logit_scale'
shards; edit $index 's/"logit_scale": "/&..\//'; clip "$index: weight_map: logit_scale: .*a path"
shards; truncate -s -1 "$m/model-00001-of-00001.safetensors"; clip 'model-00001-of-00001.safetensors: .*truncated'
shards; echo '{"metadata": {}}' >"$m/$index"; clip "$index: weight_map"; info "$index: weight_map"

# Tensors that old files have beside their weights are no disagreement.
copy clip-sketch
header=$(head -c 20000 "$m/model.safetensors" | tail -c +9 | head -1 | sed 's/}} *\([^ ].*\)*$/}}/')
end=$(grep -oE '[0-9]+\]\}' <<<"$header" | tr -d ']}' | sort -n | tail -1)
longer="${header%\}},\"text_model.embeddings.position_ids\":{\"dtype\":\"I64\",\"shape\":[1,2],\"data_offsets\":[$end,$((end + 16))]}}"
{ printf "$(printf '\\%03o' $((${#longer} % 256)) $((${#longer} / 256)) 0 0 0 0 0 0)"; printf '%s' "$longer"; tail -c "$end" "$m/model.safetensors"; head -c 16 /dev/zero; } >"$work/old"
mv "$work/old" "$m/model.safetensors"
run 0 "$bin/pasta-embed" --model "$m" --prompts "$work/prompts.txt" --out "$work/old"
cmp -s <(tail -c 256 "$work/old") <(tail -c 256 "$work/whole") || fail "position_ids change embeddings"
edit model.safetensors 's/text_model.embeddings.position_ids/text_model.embeddings.position_idz/'; clip "model.safetensors.*'text_model.embeddings.position_idz'.*config.json"

# --- Gemma
copy gemma-sketch; truncate -s -1000 "$m/model.safetensors"; gemma 'model.safetensors: .*truncated'; info 'model.safetensors: .*truncated'
gemma_edit model.safetensors 's/"model.norm.weight"/"model.gnom.weight"/' "model.safetensors.*'model.norm.weight'.*no such tensor"
gemma_edit model.safetensors 's/\("model.layers.0.mlp.up_proj.weight":{"dtype":"F32","shape":\)\[128,64\]/\1[64,128]/' "model.safetensors.*'model.layers.0.mlp.up_proj.weight': expected shape \[128,64\], found \[64,128\]"
gemma_edit config.json 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' "model.safetensors.*'model.layers.2.*no such tensor"
gemma_edit config.json 's/"num_hidden_layers": 2/"num_hidden_layers": 1/' "model.safetensors.*'model.layers.1.*config.json"
gemma_edit config.json 's/"head_dim": 32/"head_dim": 16/' "model.safetensors.*'model.layers.0.self_attn.q_proj.weight'"
gemma_edit config.json 's/"head_dim": 32/"head_dim": 31/' 'config.json: head_dim'
gemma_edit config.json 's/"num_key_value_heads": 1/"num_key_value_heads": 3/' 'config.json: num_key_value_heads'
gemma_edit config.json 's/"model_type": "gemma"/"model_type": "llama"/' 'config.json: model_type: .*llama'
gemma_edit config.json 's/"GemmaForSequenceClassification"/"LlamaForCausalLM"/' 'config.json: architectures: .*LlamaForCausalLM'
gemma_edit config.json 's/"hidden_activation": "[a-z_]*"/"hidden_activation": "relu"/' "config.json: hidden_activation: .*relu"
gemma_edit config.json 's/"tie_word_embeddings": true/"tie_word_embeddings": false/' 'config.json: tie_word_embeddings'
gemma_edit config.json 's/"vocab_size": 3072/"vocab_size": 3071/' "model.safetensors.*'model.embed_tokens.weight'"
gemma_edit config.json 's/"bos_token_id": 2/"bos_token_id": 5/' 'tokenizer.model.*bos_token_id'
copy gemma-sketch; rm "$m/tokenizer.model"; gemma 'tokenizer.model'
copy gemma-sketch; : >"$m/tokenizer.model"; gemma 'tokenizer.model'
copy gemma-sketch; truncate -s 30000 "$m/tokenizer.model"; gemma 'tokenizer.model'
copy gemma-sketch; printf 'not a model' >"$m/tokenizer.model"; gemma 'tokenizer.model'

# --- Gemma as the start of value functions
start 'tokenizer.model'
copy gemma-sketch; edit config.json 's/"num_hidden_layers": 2/"num_hidden_layers": 1/'; start "model.safetensors.*'model.layers.1.*config.json"
copy gemma-sketch; edit model.safetensors 's/"score.weight":{"dtype":"F32","shape":\[1,64\]/"score.weight":{"dtype":"F32","shape":[64,1]/'; start "model.safetensors.*'score.weight': expected shape \[1,64\], found \[64,1\]"
finish

#include "pasta/base/config.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"

enum type { INT, NUM, BOOL, TEXT };

struct key {
    const char *name;
    enum type type;
    size_t offset;
    const char *fallback;  /* default, as text */
    double min, max;       /* of INT and NUM */
    const char *words;     /* of TEXT: the values allowed, "a|b"; NULL: any */
    char source;           /* P the paper, S second-hand, O our decision, - not a matter of the paper */
    const char *help;
};

#define I(name, field, fallback, lo, hi, source, help) \
    {name, INT, offsetof(struct pasta_config, field), fallback, lo, hi, NULL, source, help}
#define N(name, field, fallback, lo, hi, source, help) \
    {name, NUM, offsetof(struct pasta_config, field), fallback, lo, hi, NULL, source, help}
#define B(name, field, fallback, source, help) \
    {name, BOOL, offsetof(struct pasta_config, field), fallback, 0, 0, NULL, source, help}
#define T(name, field, fallback, words, source, help) \
    {name, TEXT, offsetof(struct pasta_config, field), fallback, 0, 0, words, source, help}
#define TRAIN(name, field, steps_, batch_, rate, cosine, wd, clip, source, clip_source)                                             \
    I(name ".steps", field.steps, steps_, 1, 1e9, source, "optimiser steps"),                                          \
    I(name ".batch", field.batch, batch_, 1, 1e7, source, "examples a step"),                                          \
    N(name ".learning_rate", field.learning_rate, rate, 0, 10, source, "learning rate at its peak"),                   \
    I(name ".cosine_period", field.cosine_period, cosine, 0, 1e9, source,                                              \
      "T of cosine annealing: half a wave, so the rate rises again after T; 0: constant"),                             \
    I(name ".warmup", field.warmup, "0", 0, 1e9, 'O', "steps of linear warm-up"),                                      \
    N(name ".weight_decay", field.weight_decay, wd, 0, 10, source, "decoupled weight decay"),                          \
    N(name ".clip_norm", field.clip_norm, clip, 0, 1e9, clip_source, "bound on the global gradient norm; 0: none"),         \
    I(name ".checkpoint_every", field.checkpoint_every, "1000", 1, 1e9, '-', "steps between checkpoints")

static const struct key keys[] = {
    I("seed", seed, "1", 0, 9007199254740991., '-', "the run's random seed"),
    I("threads", threads, "0", 0, 1024, '-', "worker threads; 0: one for each processor"),
    T("device", device, "cpu", NULL, '-', "cpu or cuda:N"),

    T("world.lexicon", world.lexicon, "", NULL, 'O', "lexicon of the sketch world; empty: the embedded one"),
    T("world.raters", world.raters, "", NULL, 'O', "population of raters of the sketch world; empty: the embedded one"),
    I("world.image_size", world.image_size, "64", 64, 256, 'O', "pixels of an image's side"),
    N("world.miss_rate", world.miss_rate, "0.08", 0, 1, 'O', "probability that a stated attribute is drawn otherwise"),
    I("world.rater_types", world.rater_types, "8", 1, 64, 'O', "hidden types in the rater population"),
    N("world.personal_deviation", world.personal_deviation, "0.25", 0, 10, 'O', "s.d. of a rater's own taste around the type's"),
    N("world.choice_noise", world.choice_noise, "0.25", 0, 100, 'O', "scale of the Gumbel noise on column utilities"),
    N("world.lapse_rate", world.lapse_rate, "0.02", 0, 1, 'O', "probability of a choice at random"),
    N("world.position_bias", world.position_bias, "0.05", 0, 10, 'O', "utility bonus of the leftmost column"),
    N("world.rating_noise", world.rating_noise, "0.5", 0, 10, 'O', "s.d. of a rating's noise, in points of 1..10"),

    I("agent.horizon", agent.horizon, "5", 1, 64, 'P', "H, turns of a session"),
    I("agent.slate", agent.slate, "4", 1, 16, 'P', "L, columns of a slate"),
    I("agent.images", agent.images, "4", 1, 16, 'P', "M, images of a column"),
    I("agent.candidates", agent.candidates, "25", 5, 500, 'P', "L_C, candidate prompts a turn; a multiple of 5"),
    I("agent.max_words", agent.max_words, "62", 1, 1000, 'P', "longest prompt, in words"),
    N("agent.epsilon", agent.epsilon, "0", 0, 1, 'O', "probability of a slate at random"),
    N("agent.temperature", agent.temperature, "0", 0, 1e6, 'O',
      "exploration: Gumbel noise of this size joins the scores, so a slate is drawn as from a softmax of them"),
    I("agent.previews", agent.previews, "0", 0, 64, 'O',
      "images of each candidate that a myopic agent draws and looks at; 0: the prompt's own embedding stands for them"),

    I("collect.raters", collect.raters, "200", 1, 1e6, 'O', "raters who answer"),
    I("collect.first_rater", collect.first_rater, "0", 0, 1e9, 'O', "index of the first rater; disjoint ranges are disjoint people"),
    I("collect.sessions", collect.sessions, "7000", 0, 1e9, 'S', "multi-turn sessions"),
    I("collect.pairs", collect.pairs, "0", 0, 1e9, 'O', "single-turn preferences"),
    I("collect.ratings", collect.ratings, "0", 0, 1e9, 'O', "single-turn ratings"),
    T("collect.agent", collect.agent, "baseline", "baseline|random", 'P', "who proposes the slates"),
    B("collect.save_images", collect.save_images, "true", '-', "write the PNG files"),

    T("generator.kind", generator.kind, "sketch", "sketch|openai|library", 'O',
      "who writes the candidates: the sketch world, a chat service (the paper: Gemini 1.5 Flash), the image library"),
    T("generator.url", generator.url, "", NULL, '-', "of an OpenAI-compatible service, up to /v1; empty: OPENAI_BASE_URL, else OpenAI's"),
    T("generator.model", generator.model, "", NULL, '-', "the service's name of the language model"),
    T("generator.template", generator.prompt_template, "configs/candidates-1.txt", NULL, 'O', "what the language model is asked"),
    T("generator.reply", generator.reply, "schema", "schema|object|text", 'O',
      "structured output: by JSON schema, as any JSON object, not at all"),
    N("generator.temperature", generator.temperature, "1", 0, 10, 'O', "of the language model"),
    I("generator.max_tokens", generator.max_tokens, "8192", 0, 1e7, 'O',
      "of one reply; 0: not said (OpenAI's reasoning models refuse the field)"),
    B("generator.seed", generator.seed, "true", 'O',
      "whether the service is sent a seed (Gemini's refuses the field); sessions are told apart without it too"),
    I("generator.images", generator.images, "0", 0, 16, 'O', "images of each chosen column that a multimodal model sees; 0: none"),
    I("generator.attempts", generator.attempts, "4", 1, 100, 'O', "replies to ask for before a turn without enough candidates fails"),

    T("t2i.kind", t2i.kind, "sketch", "sketch|openai|automatic1111|sdcpp|library", 'O', "who draws (the paper: SDXL)"),
    T("t2i.url", t2i.url, "", NULL, '-',
      "of the service: openai up to /v1 (empty: OPENAI_BASE_URL, else OpenAI's), the others up to the port"),
    T("t2i.model", t2i.model, "", NULL, '-', "the service's name of the image model; empty: the one that it has loaded"),
    I("t2i.size", t2i.size, "512", 16, 8192, 'O', "pixels of an image's side that the service is asked for"),
    I("t2i.steps", t2i.steps, "0", 0, 1000, 'O', "denoising steps; 0: the service's own"),
    N("t2i.guidance", t2i.guidance, "0", 0, 100, 'O', "classifier-free guidance; 0: the service's own"),
    T("t2i.sampler", t2i.sampler, "", NULL, 'O', "empty: the service's own"),
    T("t2i.negative_prompt", t2i.negative_prompt, "", NULL, 'O', "what not to draw"),
    T("t2i.quality", t2i.quality, "", NULL, 'O', "of openai: low, medium, high; empty: not said"),
    T("library", library, "", NULL, '-', "JSONL index of an image library"),

    N("http.timeout", http.timeout, "120", 0.1, 86400, '-', "seconds for one attempt at a request"),
    I("http.retries", http.retries, "5", 0, 100, '-', "further attempts after a failure that may pass"),
    N("http.backoff", http.backoff, "1", 0, 3600, '-', "seconds before the first of them; doubles"),
    N("http.wait_max", http.wait_max, "300", 0, 86400, '-',
      "seconds that a service may ask to wait; if it asks for more, the run stops, resumable"),
    I("http.in_flight", http.in_flight, "4", 1, 1024, '-', "requests at once, to each service"),
    N("http.per_minute", http.per_minute, "0", 0, 1e6, '-', "requests begun a minute, to each service; 0: any number"),
    I("http.budget", http.budget, "0", 0, 1e9, '-', "requests of this run; when they are spent it stops, resumable; 0: any number"),
    I("http.reply_max", http.reply_max, "64", 1, 2047, '-', "MiB of a reply"),
    T("http.cache", http.cache, "", NULL, '-', "folder where replies are kept; empty: cache/ in the run's folder"),

    I("study.sessions_per_rater", study.sessions_per_rater, "1", 1, 1e4, 'O', "sessions that a person may play"),
    T("study.consent", study.consent, "", NULL, 'O', "file of the text that raters agree to; empty: the embedded data/study/consent.txt"),
    T("study.completion", study.completion, "", NULL, 'O', "shown at the end: a code for whoever pays, say"),
    B("study.show_prompts", study.show_prompts, "false", 'P', "whether raters see the prompts of the columns"),
    B("study.rating", study.rating, "true", 'O', "whether a rating from 1 to 10 is asked for"),
    B("study.critique", study.critique, "true", 'O', "whether a few words are asked for"),
    B("study.none", study.none, "false", 'O', "whether a turn may be answered with none of the columns"),
    N("study.attention_rate", study.attention_rate, "0.1", 0, 1, 'O', "attention checks after a turn, on average"),
    N("study.repeat_rate", study.repeat_rate, "0.1", 0, 1, 'O', "slates shown once more after a turn, on average"),
    N("study.idle_minutes", study.idle_minutes, "60", 0.01, 1e6, 'O', "without an answer, until a session's place is given to another"),
    I("study.preparers", study.preparers, "2", 1, 256, '-', "slates prepared at once"),
    I("study.connections", study.connections, "1024", 1, 65536, '-', "connections open at once"),
    N("study.requests_per_minute", study.requests_per_minute, "1200", 1, 1e9, '-', "of one rater, images included"),
    T("study.public_url", study.public_url, "", NULL, '-',
      "where raters find the server when it is behind another; empty: its own address"),

    T("embed.model", embed.model, "", NULL, 'O', "CLIP or Gemma folder; empty: the embedded CLIP"),
    I("embed.batch", embed.batch, "32", 1, 4096, '-', "images or texts encoded at once"),
    I("embed.window", embed.window, "1024", 1, 1e6, '-', "rows of a list held, sorted by length and written at once"),
    T("embed.dtype", embed.dtype, "f32", "f32|bf16", '-', "what the model's weights and activations are held in; results are f32"),

    I("user_model.types", user_model.types, "8", 1, 1024, 'P', "K, user types"),
    T("user_model.aggregate", user_model.aggregate, "mean", "mean|max|logsumexp", 'O', "from a column's images to its utility"),
    I("user_model.adapter_width", user_model.adapter_width, "128", 1, 8192, 'O', "hidden width of the adapters a_k, b_k"),
    T("user_model.start", user_model.start, "clusters", "clusters|random", 'O',
      "the types' tastes at the start: from a clustering of the users, or random"),
    N("user_model.temperature_max", user_model.temperature_max, "3", 1e-3, 1e3, 'P', "tau_max, bound on the learned choice temperature"),
    I("user_model.target_every", user_model.target_every, "256", 1, 1e9, 'P', "steps between copies into the target parameters"),
    N("user_model.prior_momentum", user_model.prior_momentum, "0.999", 0, 1, 'P', "alpha_prior"),
    T("user_model.responsibilities", user_model.responsibilities, "user", "user|sample", 'O', "whose observations share a type"),
    N("user_model.kappa_rating", user_model.kappa_rating, "1", 0, 1e6, 'P', "k1, weight of ratings in the main loss"),
    N("user_model.kappa_rehearsal", user_model.kappa_rehearsal, "0.01", 0, 1e6, 'P', "k2, weight of the main loss in fine-tuning"),
    N("user_model.kappa_choice", user_model.kappa_choice, "1", 0, 1e6, 'P', "k3, weight of choices"),
    N("user_model.kappa_cross_turn", user_model.kappa_cross_turn, "0.1", 0, 1e6, 'P', "k4, weight of better/same/worse answers"),
    T("user_model.towers", user_model.towers, "frozen", "frozen|trained", 'O',
      "trained: the encoder learns too, from images decoded anew for every batch"),
    N("user_model.towers_rate", user_model.towers_rate, "0.01", 0, 1e3, 'O', "learning rate of trained towers, times the phase's"),
    N("user_model.held_out", user_model.held_out, "0.1", 0, 0.9, 'O', "share of users whose likelihood is reported, not trained on"),
    N("user_model.held_out_prompts", user_model.held_out_prompts, "0", 0, 0.9, 'O',
      "share of prompts whose records are passed over, for an evaluation by prompt"),
    I("user_model.restarts", user_model.restarts, "1", 1, 1000, 'O',
      "fits from different random numbers; the best held-out likelihood wins"),
    I("user_model.reseed", user_model.reseed, "0", 0, 1e6, 'O', "dead or duplicate types started anew in a fit, at most"),
    N("user_model.dead", user_model.dead, "0.1", 0, 1, 'O', "a type is dead whose share of the users is below this part of 1/K"),
    N("user_model.duplicate", user_model.duplicate, "0.05", 0, 1, 'O',
      "types are duplicates whose probabilities of the training answers differ by less than this on average"),
    I("user_model.least_users", user_model.least_users, "5", 0, 1e9, 'O', "a type with fewer users in training is warned of"),
    TRAIN("user_model.main", user_model.main, "50000", "2048", "3e-4", "10000", "1e-4", "0", 'P', 'O'),
    TRAIN("user_model.fine", user_model.fine, "50000", "8", "3e-7", "10000", "1e-2", "0.5", 'P', 'P'),

    I("simulate.sessions", simulate.sessions, "30000", 1, 1e9, 'S', "simulated trajectories"),
    T("simulate.agent", simulate.agent, "baseline", "baseline|random", 'P', "who proposes the slates"),
    B("simulate.save_images", simulate.save_images, "false", '-', "write the PNG files"),

    T("value.model", value.model, "", NULL, 'P', "Gemma folder to start from; empty: the embedded small one"),
    T("value.reward", value.reward, "rating", "rating|versus", 'O',
      "a turn's reward: its rating, or the answer better, same or worse; where that was not given, the other"),
    N("value.expectile", value.expectile, "0.7", 0.01, 0.99, 'P', "alpha of the V loss"),
    N("value.discount", value.discount, "1", 0, 1, 'O', "gamma; the horizon is finite"),
    N("value.polyak", value.polyak, "0.005", 0, 1, 'O', "rate at which the target Q follows"),
    I("value.max_tokens_q", value.max_tokens_q, "651", 8, 1e6, 'P', "l_q, input length of f"),
    I("value.max_tokens_v", value.max_tokens_v, "651", 8, 1e6, 'P', "l_v, input length of V"),
    B("value.shared_trunk", value.shared_trunk, "false", 'O', "one trunk with two heads instead of two trunks"),
    I("value.choice_steps", value.choice_steps, "0", 0, 1e9, 'O',
      "steps in which f learns the users' choices before IQL; for small models"),
    N("value.choice_rate", value.choice_rate, "3e-3", 0, 10, 'O', "learning rate of those steps at its peak, along one cosine half-wave"),
    N("value.choice_weight", value.choice_weight, "0", 0, 1e6, 'O', "weight of the same loss beside the Q loss"),
    TRAIN("value.train", value.train, "10000", "128", "1e-5", "0", "1e-2", "1", 'P', 'P'),

    I("evaluate.raters", evaluate.raters, "500", 1, 1e6, 'O', "fresh sketch raters, the same for every agent"),
    I("evaluate.first_rater", evaluate.first_rater, "1000000", 0, 1e9, 'O', "index of the first of them"),
    N("evaluate.ridge", evaluate.ridge, "0.01", 0, 1e6, 'O', "of fitted Q evaluation, as a share of the features' mean square"),
    I("evaluate.weight_turns", evaluate.weight_turns, "0", 0, 1000, 'O',
      "turns whose importance weights count for a reward, its own the last of them; 0: all. 1 takes histories as they were logged"),
    I("evaluate.bootstrap", evaluate.bootstrap, "10000", 100, 1e7, 'O', "bootstrap resamples"),
    I("evaluate.strips", evaluate.strips, "2", 0, 100, '-', "sessions of each agent shown as images"),
    T("evaluate.split", evaluate.split, "people", "people|prompts|both|none", 'O',
      "answers left out of the evaluation of user models: of people, or on prompts, that one of them was trained on"),
    T("evaluate.clusters", evaluate.clusters, "people", "people|prompts", 'O', "what the intervals of user models resample"),

    N("raters.alpha", raters.alpha, "0.01", 1e-9, 0.5, 'O', "probability that the tests call anybody honest suspicious, of all raters"),
    I("raters.attention_failed", raters.attention_failed, "2", 1, 1e6, 'O', "suspicious: attention checks failed, at least this many and"),
    N("raters.attention_share", raters.attention_share, "0.5", 0, 1, 'O', "at least this share of those shown"),
    N("raters.position_excess", raters.position_excess, "0.3", 0, 1, 'O',
      "suspicious: at least this share of choices beyond an even spread, or beyond chance as some turns before, where a test says so"),
    N("raters.run_share", raters.run_share, "0.75", 0, 1, 'O',
      "suspicious: at least this share of the ratings, or of better, same and worse, in one run, where a test says long"),
    I("raters.same_rating", raters.same_rating, "10", 2, 1e6, 'O', "suspicious: at least this many ratings, all the same"),
    N("raters.fast_seconds", raters.fast_seconds, "2", 0, 1e6, 'O', "a turn in less is fast"),
    N("raters.fast_share", raters.fast_share, "0.5", 0, 1, 'O', "suspicious: at least this share of turns fast"),
    N("raters.speed", raters.speed, "3.5", 0, 1e6, 'O',
      "suspicious: log of the median time so many robust standard deviations below the raters' median, and at most half the time"),

    I("clip.vocab", clip.vocab, "2048", 514, 49408, 'O', "byte-pair vocabulary of a new encoder"),
    I("clip.context", clip.context, "48", 8, 512, 'O', "text positions"),
    I("clip.patch", clip.patch, "8", 4, 64, 'O', "pixels of a patch's side"),
    I("clip.text_width", clip.text_width, "128", 16, 4096, 'O', "hidden size of the text tower"),
    I("clip.text_layers", clip.text_layers, "3", 1, 64, 'O', "layers of the text tower"),
    I("clip.text_heads", clip.text_heads, "4", 1, 64, 'O', "heads of the text tower"),
    I("clip.vision_width", clip.vision_width, "128", 16, 4096, 'O', "hidden size of the image tower"),
    I("clip.vision_layers", clip.vision_layers, "4", 1, 64, 'O', "layers of the image tower"),
    I("clip.vision_heads", clip.vision_heads, "4", 1, 64, 'O', "heads of the image tower"),
    I("clip.projection", clip.projection, "64", 8, 4096, 'O', "D, width of the shared space"),
    TRAIN("clip.train", clip.train, "4000", "256", "1e-3", "4000", "0.1", "1", 'O', 'O'),
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static const struct key *find(const char *name)
{
    for (int i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* The key that needs the fewest single-letter edits, for the hint; NULL if none is near. */
static const char *nearest(const char *name)
{
    const char *best = NULL;
    int best_cost = 4;
    size_t n = strlen(name);
    for (int i = 0; i < N_KEYS; i++) {
        size_t m = strlen(keys[i].name);
        if (m > 60 || n > 60)
            continue;
        int row[64];
        for (size_t b = 0; b <= m; b++)
            row[b] = (int)b;
        for (size_t a = 1; a <= n; a++) {
            int diagonal = row[0];
            row[0] = (int)a;
            for (size_t b = 1; b <= m; b++) {
                int cost = diagonal + (name[a - 1] != keys[i].name[b - 1]);
                diagonal = row[b];
                cost = row[b] + 1 < cost ? row[b] + 1 : cost;
                row[b] = row[b - 1] + 1 < cost ? row[b - 1] + 1 : cost;
            }
        }
        if (row[m] < best_cost) {
            best_cost = row[m];
            best = keys[i].name;
        }
    }
    return best;
}

static pasta_status unknown(const char *where, const char *name, struct pasta_err *err)
{
    const char *hint = nearest(name);
    return pasta_fail(err, PASTA_ERR_USAGE, "%s: unknown config key '%s'%s%s%s", where, name,
                      hint ? ", did you mean '" : "; --help-config lists them", hint ? hint : "", hint ? "'?" : "");
}

static bool allowed_word(const char *words, const char *value)
{
    size_t n = strlen(value);
    for (const char *w = words; *w; w += strcspn(w, "|"), w += *w == '|')
        if (strcspn(w, "|") == n && memcmp(w, value, n) == 0)
            return true;
    return false;
}

static void expectation(const struct key *key, char *text, size_t size)
{
    if (key->type == BOOL)
        snprintf(text, size, "true or false");
    else if (key->type == TEXT)
        snprintf(text, size, key->words ? "one of %s" : "a text", key->words);
    else
        snprintf(text, size, key->type == INT ? "a whole number from %.16g to %.16g" : "a number from %.16g to %.16g",
                 key->min, key->max);
}

static pasta_status refuse(const char *where, const struct key *key, const char *found, struct pasta_err *err)
{
    char expected[200];
    expectation(key, expected, sizeof expected);
    return pasta_fail(err, PASTA_ERR_USAGE, "%s: %s: expected %s, found %s", where, key->name, expected, found);
}

static pasta_status set_number(struct pasta_config *config, const struct key *key, double value, const char *where,
                               struct pasta_err *err)
{
    void *field = (char *)config + key->offset;
    if (!(value >= key->min && value <= key->max) || (key->type == INT && value != floor(value))) {
        char found[40];
        snprintf(found, sizeof found, "%.17g", value);
        return refuse(where, key, found, err);
    }
    if (key->type == INT)
        *(int64_t *)field = (int64_t)value;
    else
        *(double *)field = value;
    return PASTA_OK;
}

static pasta_status set_text(struct pasta_config *config, const struct key *key, const char *value, const char *where,
                             struct pasta_err *err)
{
    if (key->words && !allowed_word(key->words, value)) {
        char found[200];
        snprintf(found, sizeof found, "'%.150s'", value);
        return refuse(where, key, found, err);
    }
    *(const char **)((char *)config + key->offset) = pasta_arena_strdup(&config->arena, value);
    return PASTA_OK;
}

static pasta_status set_from(struct pasta_config *config, const struct key *key, const char *value, const char *where,
                             struct pasta_err *err)
{
    char found[200];
    snprintf(found, sizeof found, "'%.150s'", value);
    if (key->type == TEXT)
        return set_text(config, key, value, where, err);
    if (key->type == BOOL) {
        bool on = strcmp(value, "true") == 0;
        if (!on && strcmp(value, "false") != 0)
            return refuse(where, key, found, err);
        *(bool *)((char *)config + key->offset) = on;
        return PASTA_OK;
    }
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end)
        return refuse(where, key, found, err);
    return set_number(config, key, number, where, err);
}

void pasta_config_init(struct pasta_config *config)
{
    *config = (struct pasta_config){0};
    for (int i = 0; i < N_KEYS; i++)
        if (set_from(config, &keys[i], keys[i].fallback, "default", NULL) != PASTA_OK)
            abort(); /* a default outside its own range is a bug in the table */
}

void pasta_config_release(struct pasta_config *config)
{
    pasta_arena_release(&config->arena);
}

pasta_status pasta_config_set(struct pasta_config *config, const char *name, const char *value, struct pasta_err *err)
{
    const struct key *key = find(name);
    if (!key)
        return unknown("--set", name, err);
    return set_from(config, key, value, "--set", err);
}

static pasta_status read_object(struct pasta_config *config, const cJSON *object, const char *prefix, const char *path,
                                struct pasta_err *err)
{
    const cJSON *child;
    cJSON_ArrayForEach(child, object) {
        char name[200];
        snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", child->string);
        if (strcmp(child->string, "//") == 0)
            continue;
        const struct key *key = find(name);
        pasta_status status;
        if (!key && cJSON_IsObject(child)) {
            status = read_object(config, child, name, path, err);
        } else if (!key) {
            status = unknown(path, name, err);
        } else if (key->type == BOOL && cJSON_IsBool(child)) {
            *(bool *)((char *)config + key->offset) = cJSON_IsTrue(child);
            status = PASTA_OK;
        } else if (key->type == TEXT && cJSON_IsString(child)) {
            status = set_text(config, key, child->valuestring, path, err);
        } else if ((key->type == INT || key->type == NUM) && cJSON_IsNumber(child)) {
            status = set_number(config, key, child->valuedouble, path, err);
        } else {
            status = refuse(path, key, pasta_json_type_name(child), err);
        }
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

pasta_status pasta_config_read(struct pasta_config *config, const char *path, struct pasta_err *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return pasta_fail(err, PASTA_ERR_INPUT, "cannot open config '%s': %s", path, strerror(errno));
    struct pasta_str text = {0};
    char block[8192];
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        pasta_str_addn(&text, block, n);
    bool failed = ferror(file);
    fclose(file);
    if (failed) {
        pasta_str_release(&text);
        return pasta_fail_errno(err, "cannot read config '%s'", path);
    }
    cJSON *tree;
    pasta_status status = pasta_json_parse(text.data ? text.data : "", text.length, path, &tree, err);
    pasta_str_release(&text);
    if (status != PASTA_OK)
        return status;
    if (cJSON_IsObject(tree))
        status = read_object(config, tree, "", path, err);
    else
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a JSON object, found %s", path, pasta_json_type_name(tree));
    cJSON_Delete(tree);
    return status;
}

static void print_value(const struct pasta_config *config, const struct key *key, struct pasta_str *out)
{
    const void *field = (const char *)config + key->offset;
    switch (key->type) {
    case INT: pasta_json_put_num(out, (double)*(const int64_t *)field); break;
    case NUM: pasta_json_put_num(out, *(const double *)field); break;
    case BOOL: pasta_str_add(out, *(const bool *)field ? "true" : "false"); break;
    case TEXT: pasta_json_put_str(out, *(const char *const *)field); break;
    }
}

/* Cuts a dotted name into its parts; returns how many sections come before the key itself: 2 of "user_model.main.steps". */
static int cut_name(const char *name, const char *start[4], size_t length[4])
{
    int n = 0;
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        start[n] = name;
        length[n++] = (size_t)(dot - name);
    }
    start[n] = name;
    length[n] = strlen(name);
    return n;
}

void pasta_config_print(const struct pasta_config *config, struct pasta_str *out)
{
    const char *open[4], *part[4];
    size_t open_length[4], part_length[4];
    int depth = 0;
    pasta_str_add(out, "{");
    bool first = true;
    for (int i = 0; i < N_KEYS; i++) {
        int n = cut_name(keys[i].name, part, part_length), same = 0;
        while (same < depth && same < n && part_length[same] == open_length[same] &&
               memcmp(part[same], open[same], part_length[same]) == 0)
            same++;
        for (; depth > same; depth--)
            pasta_str_printf(out, "\n%*s}", 2 * depth, "");
        for (; depth < n; depth++) {
            open[depth] = part[depth];
            open_length[depth] = part_length[depth];
            pasta_str_printf(out, "%s\n%*s\"%.*s\": {", first ? "" : ",", 2 * depth + 2, "", (int)part_length[depth], part[depth]);
            first = true;
        }
        pasta_str_printf(out, "%s\n%*s\"%s\": ", first ? "" : ",", 2 * depth + 2, "", part[n]);
        print_value(config, &keys[i], out);
        first = false;
    }
    for (; depth > 0; depth--)
        pasta_str_printf(out, "\n%*s}", 2 * depth, "");
    pasta_str_add(out, "\n}\n");
}

void pasta_config_help(struct pasta_str *out)
{
    pasta_str_add(out, "Config keys: nested in a --config file, or --set KEY=VALUE. Source: P the paper, S second-hand,\n"
                       "O our decision.\n\n");
    for (int i = 0; i < N_KEYS; i++) {
        char expected[200];
        expectation(&keys[i], expected, sizeof expected);
        pasta_str_printf(out, "  %-34s %c  %s; %s; default %s\n", keys[i].name, keys[i].source, keys[i].help, expected,
                         *keys[i].fallback ? keys[i].fallback : "\"\"");
    }
}

/* config.h: every hyper-parameter of the project, in one struct and one table.
 *
 * A run's configuration is this struct filled from, in rising precedence: the defaults in config.c,
 * the file given with --config, the environment (PASTA_SEED, PASTA_THREADS, PASTA_DEVICE), --set
 * KEY=VALUE, and flags. The table in config.c gives every key's dotted name, type, range, default
 * and source: [P] the paper, [S] second-hand, [O] our decision. Unknown keys are errors.
 *
 * Strings are owned by the config's arena. Legend of dimension letters: dims.h.
 */
#ifndef PASTA_BASE_CONFIG_H
#define PASTA_BASE_CONFIG_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/mem.h"
#include "pasta/base/str.h"

/* One training phase's optimiser settings; used by every training stage. */
struct pasta_train_settings {
    int64_t steps;
    int64_t batch;             /* examples a step */
    double learning_rate;
    int64_t cosine_period;     /* T, steps of half a cosine wave (PyTorch's T_max); 0: constant rate */
    int64_t warmup;            /* steps of linear warm-up; 0: none */
    double weight_decay;
    double clip_norm;          /* global gradient norm; 0: no clipping */
    int64_t checkpoint_every;  /* steps */
};

struct pasta_world_settings {      /* the sketch world */
    const char *lexicon;           /* path; "" = the embedded data/sketch/lexicon.json */
    const char *raters;            /* path; "" = the embedded data/sketch/raters.json */
    int64_t image_size;            /* pixels, 64..256 */
    double miss_rate;              /* probability that a stated attribute is drawn otherwise */
    int64_t rater_types;           /* number of hidden types in the population */
    double personal_deviation;     /* s.d. of a rater's own taste around the type's */
    double choice_noise;           /* scale of the Gumbel noise on column utilities */
    double lapse_rate;             /* probability of a choice at random */
    double position_bias;          /* utility bonus of the leftmost column, falling linearly to 0 */
    double rating_noise;           /* s.d. on the 1..10 scale */
};

struct pasta_agent_settings {
    int64_t horizon;               /* H turns */
    int64_t slate;                 /* L columns */
    int64_t images;                /* M images a column */
    int64_t candidates;            /* L_C prompts a turn, a multiple of the number of categories (5) */
    int64_t max_words;             /* longest prompt */
    double epsilon;                /* probability of a uniformly random slate */
    double temperature;            /* of Gumbel noise added to scores before a slate is selected; 0: none */
    int64_t previews;              /* images of a candidate that myopic agents look at; 0: its prompt's embedding */
};

struct pasta_collect_settings {
    int64_t raters;                /* raters who answer */
    int64_t first_rater;           /* index of the first one: disjoint ranges are disjoint people */
    int64_t sessions;              /* multi-turn sessions */
    int64_t pairs;                 /* single-turn preferences */
    int64_t ratings;               /* single-turn ratings */
    const char *agent;             /* baseline | random */
    bool save_images;
};

struct pasta_http_settings {       /* services that are asked over HTTP; limits hold for the generator and for the image model apart */
    double timeout;                /* seconds, of one attempt */
    int64_t retries;               /* further attempts after a failure that may pass */
    double backoff;                /* seconds before the first of them; doubles, with jitter, unless the service says when */
    double wait_max;               /* seconds that a service may ask to wait before the run stops instead, resumable */
    int64_t in_flight;             /* requests at once */
    double per_minute;             /* requests begun a minute; 0: any number */
    int64_t budget;                /* requests of this run, of both services together; 0: any number */
    int64_t reply_max;             /* MiB of a reply */
    const char *cache;             /* folder of replies; "" = cache/ in the run's folder */
};

struct pasta_generator_settings {  /* who writes the candidates */
    const char *kind;              /* sketch | openai | library */
    const char *url;               /* "" = OPENAI_BASE_URL, else OpenAI's own */
    const char *model;
    const char *prompt_template;   /* file */
    const char *reply;             /* schema | object | text: how the reply's form is asked for */
    double temperature;
    int64_t max_tokens;            /* 0: not said */
    bool seed;                     /* whether the service is sent one */
    int64_t images;                /* of each chosen column that are shown to a multimodal model; 0: none */
    int64_t attempts;              /* replies asked for a turn before it fails: the first, a repair, and for what is missing */
};

struct pasta_t2i_settings {        /* who draws */
    const char *kind;              /* sketch | openai | automatic1111 | sdcpp | library */
    const char *url;               /* of openai: "" = OPENAI_BASE_URL, else OpenAI's own */
    const char *model;             /* "" = the one that the service has loaded */
    int64_t size;                  /* pixels of an image's side */
    int64_t steps;                 /* 0: the service's own number */
    double guidance;               /* 0: the service's own */
    const char *sampler;           /* "": the service's own */
    const char *negative_prompt;
    const char *quality;           /* of openai; "": not said */
};

struct pasta_study_settings {      /* people who answer on the rater's page */
    int64_t sessions_per_rater;
    const char *consent;           /* file of the text that a rater agrees to; "" = the embedded data/study/consent.txt */
    const char *completion;        /* what a rater reads at the end: a code for whoever pays, say */
    bool show_prompts;
    bool rating;                   /* asked for */
    bool critique;                 /* asked for */
    bool none;                     /* a turn may be answered with none of the columns */
    double attention_rate;         /* attention checks after a turn, on average */
    double repeat_rate;            /* repeated slates after a turn, on average */
    double idle_minutes;           /* without an answer until a session counts as abandoned and its place is given to another */
    int64_t preparers;             /* slates prepared at once */
    int64_t connections;           /* open at once */
    double requests_per_minute;    /* of one rater */
    const char *public_url;        /* where raters find the server, when it is behind another: "https://study.example.org" */
};

struct pasta_embed_settings {
    const char *model;             /* path; "" = the embedded data/models/clip-sketch */
    int64_t batch;
    int64_t window;                /* rows of a list held and written at once */
    const char *dtype;             /* f32 | bf16 */
};

struct pasta_user_model_settings {
    int64_t types;                 /* K */
    const char *aggregate;         /* mean | max | logsumexp over a column's images */
    int64_t adapter_width;         /* hidden width of the residual adapters a_k, b_k */
    const char *start;             /* clusters | random: where the types' tastes start */
    double temperature_max;        /* tau_max */
    int64_t target_every;          /* steps between copies of the online into the target parameters */
    double prior_momentum;         /* alpha_prior */
    const char *responsibilities;  /* user | sample */
    double kappa_rating;           /* k1 */
    double kappa_rehearsal;        /* k2 */
    double kappa_choice;           /* k3 */
    double kappa_cross_turn;       /* k4 */
    const char *towers;            /* frozen | trained */
    double towers_rate;            /* learning rate of trained towers, times the phase's */
    double held_out;               /* share of users held out for the reported likelihood */
    double held_out_prompts;       /* share of prompts whose records are passed over */
    int64_t restarts;              /* fits with random numbers of their own */
    int64_t reseed;                /* dead or duplicate types that a fit may start anew */
    double dead;                   /* part of 1/K below which a type's share of the users is dead */
    double duplicate;              /* mean difference of probabilities below which two types are one */
    int64_t least_users;           /* a type with fewer users is warned of */
    struct pasta_train_settings main, fine;
};

struct pasta_simulate_settings {
    int64_t sessions;
    const char *agent;             /* baseline | random */
    bool save_images;
};

struct pasta_value_settings {
    const char *model;             /* Gemma folder to start from; without weights: initialised at
                                      random from config.json; "" = data/models/gemma-sketch */
    const char *reward;            /* rating | versus: what a turn is rewarded by, where it was given */
    double expectile;              /* alpha of the V loss */
    double discount;               /* gamma */
    double polyak;                 /* target Q update rate */
    int64_t max_tokens_q;          /* l_q */
    int64_t max_tokens_v;          /* l_v */
    bool shared_trunk;             /* one trunk with two heads instead of two trunks */
    int64_t choice_steps;          /* steps of learning the users' choices before IQL */
    double choice_rate;            /* their learning rate, over one cosine half-wave */
    double choice_weight;          /* weight of the same loss beside the Q loss */
    struct pasta_train_settings train;
};

struct pasta_evaluate_settings {
    int64_t raters;                /* fresh sketch raters, the same for every agent */
    int64_t first_rater;
    double ridge;                  /* of fitted Q evaluation, a share of the features' mean square */
    int64_t weight_turns;          /* whose importance weights count for a reward; 0: all up to its own */
    int64_t bootstrap;             /* resamples */
    int64_t strips;                /* sessions shown as image strips for each agent */
    const char *split;             /* people | prompts | both | none: what no user model may have been trained on */
    const char *clusters;          /* people | prompts: what the intervals of user models resample */
};

struct pasta_raters_settings {     /* when pasta-evaluate --raters calls a rater suspicious */
    double alpha;                  /* probability that anybody honest is, by any of the tests */
    int64_t attention_failed;      /* checks failed, at least, and */
    double attention_share;        /* their share of those shown */
    double position_excess;        /* share of choices beyond an even spread, at least, where a test says uneven */
    double run_share;              /* share of the answers in one run, at least, where a test says long: of answers and ratings */
    int64_t same_rating;           /* ratings that are all the same, at least */
    double fast_seconds;           /* a turn in less is fast */
    double fast_share;             /* of the turns, at least */
    double speed;                  /* robust standard deviations below the others' log-time, at least, and half their time at most */
};

struct pasta_clip_settings {       /* pasta-train-clip */
    int64_t vocab;                 /* byte-pair vocabulary size */
    int64_t context;               /* text positions */
    int64_t patch;                 /* pixels */
    int64_t text_width, text_layers, text_heads;
    int64_t vision_width, vision_layers, vision_heads;
    int64_t projection;            /* D */
    struct pasta_train_settings train;
};

struct pasta_config {
    uint64_t seed;
    int64_t threads;               /* 0 = one for each processor */
    const char *device;            /* cpu | cuda:N */
    struct pasta_world_settings world;
    struct pasta_agent_settings agent;
    struct pasta_collect_settings collect;
    struct pasta_generator_settings generator;
    struct pasta_t2i_settings t2i;
    const char *library;           /* JSONL index of ready images */
    struct pasta_http_settings http;
    struct pasta_study_settings study;
    struct pasta_embed_settings embed;
    struct pasta_user_model_settings user_model;
    struct pasta_simulate_settings simulate;
    struct pasta_value_settings value;
    struct pasta_evaluate_settings evaluate;
    struct pasta_raters_settings raters;
    struct pasta_clip_settings clip;
    struct pasta_arena arena;      /* owns the strings */
};

void pasta_config_init(struct pasta_config *config); /* the defaults */
void pasta_config_release(struct pasta_config *config);
/* Reads a JSON file of nested keys. "//" keys are comments. On error `config` may be partly set. */
pasta_status pasta_config_read(struct pasta_config *config, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
/* Sets one dotted key from text, as --set does. */
pasta_status pasta_config_set(struct pasta_config *config, const char *key, const char *value, struct pasta_err *err) PASTA_MUST_CHECK;
/* Appends the whole configuration as indented JSON that pasta_config_read reads back. */
void pasta_config_print(const struct pasta_config *config, struct pasta_str *out);
/* Appends the table of keys (name, type, range, default, source, meaning) for --help-config. */
void pasta_config_help(struct pasta_str *out);
#endif

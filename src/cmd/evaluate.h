/* evaluate.h: the parts of pasta-evaluate.
 *
 *   evaluate_inputs   the command line and the files it names
 *   evaluate_held_out the answers, their people, and the split
 *   evaluate_users    user models on them  -> arrays of one number an answer
 *   evaluate_looks, _alignment   the images that types are compared on, and which type of one model is which of another
 *   evaluate_agents   agents against fresh raters      -> sessions-AGENT.jsonl, then arrays of one number a turn (with _myopic, _played)
 *   evaluate_raters   the people of a study: their habits, who is suspicious, results with and without (_raters_tables, _raters_arms)
 *   evaluate_curves   metrics.jsonl of training runs
 *   evaluate_tables   arrays -> tables with intervals
 *   evaluate_report   arrays, tables, images -> report.html (with _types, _strips)
 *
 * An array entry is NAN where the answer was not asked or not given. Everything is indexed by item, so nothing depends on threads.
 */
#ifndef PASTA_CMD_EVALUATE_H
#define PASTA_CMD_EVALUATE_H
#include "pasta/base/options.h"
#include "pasta/base/progress.h"
#include "pasta/eval/plot.h"
#include "pasta/eval/rater_rules.h"
#include "pasta/eval/stats.h"
#include "pasta/eval/table.h"
#include "pasta/io/features.h"
#include "pasta/io/id_set.h"
#include "pasta/io/record.h"
#include "pasta/user/user_model.h"
#include "pasta/value/value_model.h"
#include "pasta/world/sketch.h"

/* --- what is given --- */

struct evaluate_named {
    char *name; /* NULL when only DIR was given */
    const char *dir;
};
struct evaluate_fact {
    const char *name, *value;
};
struct evaluate_answers {
    const char *sessions, *preferences, *ratings, *rankings; /* files; NULL: none */
};
/* Up to prompts the command line's; the rest is evaluate_inputs_*'s, in `arena`. */
struct evaluate_inputs {
    struct pasta_strings user_model_flags, agent_flags, myopic_flags, sampling_flags, metric_flags, played, logged, raters;
    struct evaluate_answers answers;
    const char *validation, *features, *image_root, *prompts, *without;
    struct evaluate_named *user_models, *agents, *myopic, *sampling, *metrics;
    int n_user_models, n_agents, n_myopic, n_sampling, n_metrics;
    const char *prompts_path;            /* of the agents' sessions; NULL: no agents play */
    struct { const char *name, *path; } *files; /* whose bytes decide the result */
    struct evaluate_fact *facts;         /* what was run, for the report; free of folders above, so a moved run is the same run */
    int n_files, n_facts;
    struct pasta_arena arena;
};
/* Splits NAME=DIR and refuses what makes no sense together. */
pasta_status evaluate_inputs_check(struct evaluate_inputs *in, struct pasta_err *err) PASTA_MUST_CHECK;
/* Hashes the files. */
pasta_status evaluate_inputs_list(struct evaluate_inputs *in, const struct pasta_config *config, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_inputs_release(struct evaluate_inputs *in);

/* --- user models on held-out answers --- */

/* Which answers count: those of people, or on prompts, or both, that none of the user models was trained on. */
enum evaluate_side { EVALUATE_PEOPLE, EVALUATE_PROMPTS, EVALUATE_SIDES };
struct evaluate_split {
    bool by[EVALUATE_SIDES];
    struct pasta_id_set evaluated[EVALUATE_SIDES], trained[EVALUATE_SIDES]; /* the two sides */
    struct pasta_id_set both[EVALUATE_SIDES]; /* trained on, and among the answers as they were given */
    int64_t answers, left_out;  /* as given: pairs, ratings, rankings, sessions */
    int64_t nameless;           /* evaluated answers without an id of a person, who may have been trained on */
    int unknown;                /* models that do not say what they were trained on */
};

struct evaluate_held_out {
    struct pasta_sessions sessions;
    struct pasta_preferences pairs;
    struct pasta_ratings ratings;
    struct pasta_rankings rankings;
    struct evaluate_split split;
    const struct pasta_features *features;
    int64_t n_people;
    const char **people;        /* [n_people] ids, sorted; an answer without one is a person of its own */
    /* [n_people] under which the person was made: of the own sessions, else of the first session, else the run's */
    uint64_t *seed;
    int32_t *pair_person, *rating_person, *session_person, *ranking_person;
    int64_t n_clusters;         /* people or prompts: what the intervals resample */
    int32_t *pair_cluster, *rating_cluster, *turn_cluster, *ranking_cluster;
    int64_t n_ranked;           /* images of all rankings */
    int64_t *first_ranked;      /* [rankings.n + 1] */
    int64_t n_turns;            /* of all sessions */
    int64_t *first_turn;        /* [sessions.n + 1] where a session's turns begin among them */
    int32_t *turn_person;       /* [n_turns] */
    int32_t *true_type;         /* [n_people], -1 unknown */
    double *turn_chance;        /* [n_turns] 1/L; NAN: no choice */
    double *turn_truth;         /* [n_turns] 1 when the best column by the rater's true utilities was chosen */
    double *turn_versus;        /* [n_turns] enum pasta_versus; NAN: not asked */
    double *rating01;           /* [ratings.n] */
    struct pasta_arena arena;
};

/* What one user model says; each answer is predicted from the same person's answers before it. */
struct evaluate_user {
    const char *name;
    char *own_name; /* the memory of a name made here */
    const char *dir;
    struct pasta_user_model *model;
    double *pair_first;  /* [pairs.n] probability of the first image */
    double *pair_score;  /* [pairs.n] under Pick-a-Pic's rule */
    double threshold[2]; /* for ties, of clusters of even and odd number */
    bool tuned;          /* the threshold comes from validation pairs */
    bool plain;          /* the encoder's cosine, no user model: no probabilities to judge */
    double *rating;      /* [ratings.n] expected rating in [0,1] */
    double *ranked;      /* [n_ranked] expected score of each image of the rankings */
    double *choice;      /* [n_turns] 1 when the most probable column was chosen */
    double *confidence;  /* [n_turns] its probability */
    double *loss;        /* [n_turns] -log probability of the choice */
    double *versus;      /* [n_turns] 1 when the most probable comparison was given */
    double *posterior;   /* [n_people,K] after all answers */
    int32_t *type;       /* [n_people] most probable */
};

/* Reads what is given, leaves out what the models were trained on (evaluate.split) and matches people. `sketch` may be NULL: then no truth.
 * `features` is borrowed. */
pasta_status evaluate_held_out_read(const struct evaluate_answers *answers, const struct evaluate_named *models, int n_models,
                                    const struct pasta_features *features, const struct pasta_sketch *sketch,
                                    const struct pasta_config *config, struct evaluate_held_out *out,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_held_out_release(struct evaluate_held_out *h);
bool evaluate_sketch_person(const char *id, uint32_t *person); /* the number of a sketch rater; false for other ids */
/* Loads the model. */
pasta_status evaluate_user_open(const struct evaluate_named *from, const struct evaluate_held_out *h, struct evaluate_user *out,
                                struct pasta_err *err) PASTA_MUST_CHECK;
/* The encoder's own score as a user model of one type: 100 cos, the scale of CLIP and PickScore. */
void evaluate_user_plain(const struct evaluate_held_out *h, struct evaluate_user *out);
/* Predicts every answer. */
pasta_status evaluate_user_predict(struct evaluate_user *u, const struct evaluate_held_out *h, int threads,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
/* Takes the threshold for ties from the validation pairs alone, after the above. */
pasta_status evaluate_user_tune(struct evaluate_user *u, const struct evaluate_held_out *h, const struct evaluate_held_out *validation,
                                int threads, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_user_release(struct evaluate_user *u);

/* --- types on common ground --- */

struct evaluate_look {
    const char *prompt; /* that the image is scored for: of a session, the initial one */
    const char *text;   /* that it was made from, where that is known: of a session, the column's */
    const char *image;
    uint64_t seed;      /* of the image, where `seeded`: the sketch world may draw it again */
    bool seeded;
};
/* At most `most` of the images of all held-out answers, at equal steps; caller frees *out. */
int64_t evaluate_looks(const struct evaluate_held_out *h, int64_t most, struct evaluate_look **out);
/* What each type scores above the model's mean type under its prior: lift [K]. False where the features lack image or prompt. */
bool evaluate_lift(const struct evaluate_held_out *h, const struct pasta_user_model *m, const struct evaluate_look *look, double *lift);

struct evaluate_alignment {
    const struct evaluate_user *from, *to;
    int *match;         /* [K of from] type of `to`, or -1 */
    double *similarity; /* [K of from] correlation of the two types' lifts, NAN without a match */
    double matched, others; /* mean similarity of the matches, and of all other pairs of types; NAN: there are none */
    int64_t looks;      /* images it was measured on */
};
struct evaluate_alignment evaluate_align(const struct evaluate_held_out *h, const struct evaluate_user *a, const struct evaluate_user *b);
void evaluate_alignment_release(struct evaluate_alignment *alignment);

/* --- agents against fresh raters --- */

struct evaluate_agent {
    const char *name, *dir;               /* dir NULL: random, baseline, oracle, and all that were played before */
    struct pasta_value_model *model;      /* of those given: a value model, or */
    struct evaluate_myopic *myopic;       /* a user model */
    struct pasta_sessions sessions;       /* [raters], in the order of raters */
    double *rating, *utility, *better, *same, *worse; /* [raters,H] */
};
struct evaluate_agents {
    struct pasta_context *context;
    struct pasta_sketch *sketch;
    struct pasta_prompts prompts;
    int64_t raters, horizon;
    int32_t *person;                      /* [raters,H] rater of a turn, 0..raters-1 */
    struct evaluate_agent *agents;        /* random, baseline, those given, oracle */
    int n;
    int n_runs;                           /* earlier evaluations whose sessions these are; 0: they are played here */
    int64_t *run_from;                    /* [n_runs + 1] their raters */
};

/* An agent that follows a user model and learns nothing; `sampling`: from one type drawn from the posterior. Sketch and context are borrowed. */
struct evaluate_myopic;
pasta_status evaluate_myopic_open(const struct pasta_context *context, struct pasta_sketch *sketch, const char *dir, bool sampling,
                                  struct evaluate_myopic **out, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_myopic_free(struct evaluate_myopic *m); /* NULL is legal */
/* The policy's function (agent/policy.h), for raters of this evaluation. */
pasta_status evaluate_myopic_score(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                   const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err) PASTA_MUST_CHECK;

/* Loads the models of the agents. */
pasta_status evaluate_agents_open(struct pasta_context *context, struct pasta_sketch *sketch, const struct evaluate_inputs *in,
                                  struct evaluate_agents *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* The same from the sessions of earlier evaluations, one after the other: raters of different runs are different people. */
pasta_status evaluate_played_open(struct pasta_context *context, struct pasta_sketch *sketch, struct evaluate_inputs *in,
                                  struct evaluate_agents *out, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_agents_number(struct evaluate_agents *a); /* fills person, from raters and horizon */
/* Plays OUT/sessions-AGENT.jsonl for every agent (what is already there is kept) and measures. */
pasta_status evaluate_agents_run(struct evaluate_agents *a, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_agents_release(struct evaluate_agents *a);
bool evaluate_agent_is_given(const struct evaluate_agents *a, int agent); /* not random, baseline or oracle */
int evaluate_look_of(int agent); /* the colour and marker of an agent: random 0, baseline 1, those given from 2 on */
int evaluate_agent_look(const struct evaluate_agents *a, int agent); /* its colour and marker */

/* --- agents on sessions that another one played --- */

enum { EVALUATE_RANDOM, EVALUATE_BASELINE, EVALUATE_LEARNT }; /* agents, in their order: those given come last */
struct evaluate_offline_agent {
    const char *name;
    struct pasta_value_model *model;             /* NULL: random, baseline */
    double *q, *advantage;                       /* [n,H] of the slates that were shown, and less the mean f of all candidates; NULL as above */
    double *fitted, *slates, *items, *doubly;    /* [n] of eval/off_policy.h, as mean ratings of a turn; NAN: there is none */
    double left_slates, left_items;              /* sessions that are left */
};
struct evaluate_offline {
    struct pasta_context *context;
    struct pasta_sessions sessions;              /* [n] */
    int64_t left_out, people;
    int horizon;                                 /* H, of the longest */
    int32_t *person;                             /* [n] */
    double *reward;                              /* [n,H], NAN after the end */
    double length;                               /* mean of the sum of discounts over a session's turns */
    struct evaluate_offline_agent *agents;       /* random, baseline, those given */
    int n;
};
/* Reads the files' sessions into *o, all but its agents. */
pasta_status evaluate_offline_sessions(struct evaluate_offline *o, const struct pasta_strings *files, struct pasta_err *err) PASTA_MUST_CHECK;
/* Says what a reader of the numbers has to know of them; features: of the fit. */
void evaluate_offline_warn(const struct evaluate_offline *o, int64_t features);
/* Reads the sessions and loads the agents. */
pasta_status evaluate_offline_open(struct pasta_context *context, const struct evaluate_inputs *in, struct evaluate_offline *out,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
/* Scores every logged turn with every agent, and estimates. */
pasta_status evaluate_offline_run(struct evaluate_offline *o, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_offline_release(struct evaluate_offline *o);
void evaluate_offline_ratings(const struct evaluate_offline *o, double *values); /* [n] sums of rewards become mean ratings of a turn */

/* --- the people of a study --- */

/* All raters, or those who are left without the suspicious. */
struct evaluate_crowd {
    const char *name, *short_name;
    struct pasta_session *sessions;              /* [n] whose strings the file's are */
    int32_t *arm;                                /* [n] */
    size_t n;
    struct pasta_rater_study *study;
    struct pasta_bootstrap *boot;                /* of its raters */
};
enum { EVALUATE_ALL, EVALUATE_KEPT, EVALUATE_CROWDS };
struct evaluate_raters {
    struct pasta_sessions sessions;              /* of the files, less those left out */
    int64_t left_out;                            /* raters of --without */
    int64_t machines;                            /* sessions of other sources than people */
    struct evaluate_crowd crowds[EVALUATE_CROWDS];
    struct pasta_rater_verdicts *verdicts;       /* of all; NULL: not opened */
    const char **arms;                           /* agents: the baseline, or the first, and the others in the order of the sessions */
    int n_arms;
    int64_t turns, checks;
};
pasta_status evaluate_raters_open(const struct pasta_context *context, const struct evaluate_inputs *in, struct evaluate_raters *out,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_raters_release(struct evaluate_raters *raters);
void evaluate_raters_list(const struct evaluate_raters *raters, struct pasta_str *out); /* ids of the suspicious, a line each */
void evaluate_raters_plan(const struct evaluate_raters *raters, const struct pasta_context *context);
int evaluate_raters_crowds(const struct evaluate_raters *raters); /* to show: all, and those who are left where that is fewer */

/* --- training curves --- */

struct evaluate_curve {
    int run; /* index of --metrics */
    struct pasta_plot_point *points;
    int n;
    size_t capacity;
};
struct evaluate_metric {
    char *name;
    struct evaluate_curve *curves; /* one for each run that has it */
    size_t n, capacity;
};
struct evaluate_metrics {
    struct evaluate_metric *items; /* in the order of first appearance */
    size_t n, capacity;
};
/* Appends the rows of DIR/metrics.jsonl as those of run `run`. */
pasta_status evaluate_metrics_read(struct evaluate_metrics *m, int run, const char *dir, struct pasta_err *err) PASTA_MUST_CHECK;
void evaluate_metrics_release(struct evaluate_metrics *m);

/* --- results --- */

struct evaluate_results {
    const struct pasta_context *context;
    const struct evaluate_held_out *held_out; /* NULL: no user models */
    const struct evaluate_user *users, *plain;
    int n_users;
    struct evaluate_alignment *alignments;    /* of the first user model with more than one type with each later one */
    int n_alignments;
    const struct evaluate_agents *agents;     /* NULL: no agents */
    const struct evaluate_offline *offline;   /* NULL: no logged sessions */
    struct pasta_bootstrap *loggers;          /* of their people */
    const struct evaluate_raters *rated;      /* NULL: no study */
    const struct evaluate_named *metric_runs;
    const struct evaluate_metrics *metrics;
    const struct pasta_sketch *sketch;
    const char *image_root; /* of the held-out answers, NULL: not given */
    struct pasta_bootstrap *people, *raters;  /* of held-out people and of fresh raters, NULL as above */
    struct pasta_bootstrap *clusters;         /* of held-out people or prompts, as evaluate.clusters says */
    struct pasta_table *tables;
    int n_tables;
};
enum { EVALUATE_MAX_TABLES = 24 };
enum { EVALUATE_FIRST_USER = 3 }; /* column of the first user model in the table "user_models", behind those of the other predictors */

enum { EVALUATE_BINS = 10 /* of confidence, of equal width, in calibration errors and plots */ };
/* Confidence in the predicted answer, and whether it was given (pairs: 0.5 for no side), of pairs [pairs.n] or else of choices [n_turns]; NAN
 * where there is none, for ties among them. */
void evaluate_confidence(const struct evaluate_held_out *h, const struct evaluate_user *u, bool pairs, double *confidence, double *correct);

void evaluate_user_tables(struct evaluate_results *r);
void evaluate_alignment_table(struct evaluate_results *r); /* nothing without two models of more than one type */
void evaluate_agent_tables(struct evaluate_results *r);
void evaluate_agents_value_table(struct evaluate_results *r); /* nothing without an agent that is given */
void evaluate_offline_table(struct evaluate_results *r);
void evaluate_offline_value_table(struct evaluate_results *r);
void evaluate_raters_tables(struct evaluate_results *r);
void evaluate_raters_arm_tables(struct evaluate_results *r);
struct pasta_table *evaluate_table_add(struct evaluate_results *r, const char *key, const char *title, const char *note);
char *evaluate_key(const char *name); /* a column key from a name: [a-z0-9_]; caller frees */
void evaluate_tables_make(struct evaluate_results *r); /* fills tables; release with evaluate_tables_release */
void evaluate_tables_print(const struct evaluate_results *r, bool json, struct pasta_str *out); /* all of them, for stdout */
void evaluate_tables_release(struct evaluate_results *r);
const struct pasta_table *evaluate_table(const struct evaluate_results *r, const char *key); /* or NULL */
struct pasta_estimate evaluate_cell(const struct pasta_table *t, size_t row, const char *key); /* NAN where there is none */

/* Appends the page. facts: what was run. */
pasta_status evaluate_report_make(const struct evaluate_results *r, const struct evaluate_fact *facts, int n_facts, struct pasta_str *html,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
#endif

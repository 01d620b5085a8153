/* em_state.h: what a running fit holds; shared by em.c (steps) and its parts, em_*.c. */
#ifndef PASTA_USER_EM_STATE_H
#define PASTA_USER_EM_STATE_H
#include "pasta/tensor/optim.h"
#include "user_data.h"
#include "whitening.h"

enum em_phase { EM_MAIN, EM_FINE };

/* The training examples of one kind, in shuffled epochs. */
struct em_order {
    uint32_t *train, *shuffled; /* [n] */
    size_t n;
    int64_t epoch;              /* the one in `shuffled`; -1: none */
};
/* A batch's observations of one kind and their responsibilities. */
struct em_picks {
    uint32_t *items; /* [n] */
    float *gamma;    /* [K,n] */
    size_t item_capacity, gamma_capacity;
    int n;
};

struct em_towers;

struct pasta_em {
    const struct pasta_user_model_settings *settings;
    const struct pasta_user_data *data;
    uint64_t seed;
    const char *device;
    int n_types;                /* K */
    bool started;               /* the parameters have their starting values, or those of a checkpoint */
    bool clustered;             /* tastes started from clusters of the users */
    bool per_user;              /* a group is a user; else an observation */
    size_t n_groups;            /* G */
    struct user_net online, target;
    struct pasta_optim *optim;  /* of optim_phase; NULL before the first step */
    enum em_phase optim_phase;
    pt image_table, text_table; /* [Ni,D], [Np,D] on the device */
    struct em_towers *towers;   /* NULL: frozen */
    struct whitening whitening; /* of the image table */
    pt taste_basis;             /* [D,D] its matrix on the device */
    double *prior;              /* [K] */
    double *evidence;           /* [G,K] log-likelihood of the group's observations under the target parameters */
    int64_t position;           /* steps done */
    struct em_order order[OBS_KINDS];
    struct em_picks picks[OBS_KINDS];
    int64_t *seen;              /* [G] position + 1 of the last step whose batch held the group */
    struct user_batch batch;
    int64_t reseeded;           /* types started anew so far */
};

int64_t em_phase_steps(const struct pasta_em *em, enum em_phase phase);  /* 0 for a phase without data of its kinds */
enum em_phase em_phase_at(const struct pasta_em *em, int64_t position, int64_t *step); /* *step within the phase */
bool em_phase_has(enum em_phase phase, enum observation_kind kind);
/* Parameters, target and prior from `start`, whose tastes are in whitened coordinates; no steps done. */
pasta_status em_begin(struct pasta_em *em, const struct pasta_user_model *start, struct pasta_err *err) PASTA_MUST_CHECK;
/* A new optimiser for the phase, over the online parameters. */
void em_optim_new(struct pasta_em *em, enum em_phase phase);

/* --- em_types.c --- */
/* As pasta_em_types, from evidence [G,K] under the online parameters. */
pasta_status em_types(const struct pasta_em *em, const double *evidence, struct pasta_em_type *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* --- em_reseed.c --- */
/* After a copy of the target in the first half of a phase: looks for dead and duplicate types and starts them anew, as far as the settings
 * allow it. Says so in *out; where types were started anew, the target has to be copied again. */
pasta_status em_reseed(struct pasta_em *em, enum em_phase phase, int64_t step, struct pasta_em_metrics *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* --- em_start.c --- */
double em_cosine(const struct pasta_user_data *data, int32_t image, int32_t text);

/* --- em_towers.c: the trained encoder --- */
struct em_towers *em_towers_new(const struct pasta_em_towers *given, const struct pasta_user_data *data); /* takes the encoder */
void em_towers_free(struct em_towers *t); /* NULL is legal */
/* PASTA_ERR_INPUT unless the encoder sees in the first images and prompts what the data's features say; nothing to do for frozen towers. */
pasta_status em_towers_check(const struct pasta_em *em, struct pasta_err *err) PASTA_MUST_CHECK;
struct pasta_params *em_towers_params(const struct em_towers *t); /* all of the encoder's; trained are those that want a gradient */
void em_towers_changed(struct em_towers *t); /* by an optimiser's step or a checkpoint */
/* Makes em's feature tables those of the encoder as it is. Nothing to do for frozen towers, or if nothing has changed. */
pasta_status em_towers_refresh(const struct pasta_em *em, struct pasta_err *err) PASTA_MUST_CHECK;
/* Tables of the batch's images and prompts, each once and freshly encoded, as leaves in the caller's scope; the batch's rows become theirs. */
pasta_status em_towers_begin(const struct pasta_em *em, struct user_batch *batch, pt *image_table, pt *text_table,
                             struct pasta_err *err) PASTA_MUST_CHECK;
/* After pt_backward and before the scope closes: takes the leaves' gradients back to the encoder's parameters. */
pasta_status em_towers_backward(const struct pasta_em *em, struct pasta_err *err) PASTA_MUST_CHECK;

/* --- em_evidence.c --- */
size_t em_group(const struct pasta_em *em, enum observation_kind kind, size_t i);
/* Log-likelihood of all observations of the kinds in the phase under `net`, summed by group (or by user): out [G,K] or [users,K]. */
pasta_status em_evidence(const struct pasta_em *em, const struct user_net *net, enum em_phase phase, bool by_user, double *out,
                         struct pasta_err *err) PASTA_MUST_CHECK;
/* log sum_k prior_k exp(loglik_k); gamma [K], the posterior, may be NULL. */
double em_mixture(const double *prior, const double *loglik, int K, double *gamma);
/* gamma [K] of a group under the present prior. */
void em_responsibility(const struct pasta_em *em, size_t group, double *gamma);
/* Mean log-likelihood an observation by evidence [G,K], over training or held-out groups; NAN where there are none. */
double em_mean_loglik(const struct pasta_em *em, const double *evidence, enum em_phase phase, bool held_out);
#endif

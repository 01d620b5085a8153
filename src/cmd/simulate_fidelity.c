#include "simulate_fidelity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/base/threads.h"
#include "pasta/eval/chi_square.h"
#include "pasta/eval/measures.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"
#include "pasta/user/simulated_user.h"
#include "plan.h"
#include "run_stamp.h"
#include "torch_command.h"

enum { BINS = 10, TABLES = 5 };

/* One number an answer, of the real person and expected of a simulated one; NAN where it was not asked or not given. */
struct answers {
    double *real, *simulated;
};

struct fidelity {
    const struct pasta_context *context;
    const char *user_model, *sessions_path, *features_path;
    struct pasta_features *features;
    struct pasta_user_model *model;
    struct evaluate_held_out held_out;
    int64_t n;                       /* turns, [n] below; in the order of held_out */
    struct answers rating, versus[3];
    struct answers column[PASTA_MAX_SLATE]; /* chosen 1 or 0, and the probability; NAN where the slate has no such column */
    int *number;                     /* of the turn in its session, from 0 */
    int max_turns, max_columns;
    struct pasta_bootstrap *boot;    /* of held_out's clusters */
    struct pasta_table tables[TABLES];
    int n_tables;
    struct pasta_estimate calibration, rating_gap, drift_gap, better_gap;
    double chi_square;
};

/* --- one answer ahead --- */

static void compare_turn(struct fidelity *f, int64_t at, const struct pasta_turn *turn, const struct pasta_expected_answer *expected)
{
    for (int l = 0; l < turn->n_columns; l++) {
        f->column[l].real[at] = l == turn->choice;
        f->column[l].simulated[at] = expected->choice[l];
    }
    if (!isnan(turn->rating)) {
        f->rating.real[at] = turn->rating;
        f->rating.simulated[at] = expected->rating;
    }
    for (int v = 0; v < 3 && !isnan(f->held_out.turn_versus[at]); v++) {
        f->versus[v].real[at] = (int)f->held_out.turn_versus[at] == v + PASTA_WORSE;
        f->versus[v].simulated[at] = expected->versus[v];
    }
}

/* loglik [K]: of the person's answers so far; weights [K]: scratch. */
static pasta_status compare_session(struct fidelity *f, int64_t item, double *loglik, double *weights, struct pasta_err *err)
{
    const struct pasta_session *s = &f->held_out.sessions.items[item];
    const struct pasta_user_model *m = f->model;
    size_t k = (size_t)m->n_types;
    double *utilities = pasta_calloc((PASTA_MAX_SLATE + 2) * k, sizeof *utilities);
    double *now = utilities + PASTA_MAX_SLATE * k, *before = now + k;
    pasta_status status = PASTA_OK;
    for (int t = 0; t < s->n_turns && status == PASTA_OK; t++) {
        const struct pasta_turn *turn = &s->turns[t];
        int64_t at = f->held_out.first_turn[item] + t;
        bool asked = !isnan(f->held_out.turn_versus[at]); /* then there is a choice before */
        struct pasta_expected_answer expected;
        f->number[at] = t;
        if (turn->choice < 0 || (status = pasta_user_turn_utilities(m, f->features, s, t, utilities, err)) != PASTA_OK)
            continue;
        memcpy(before, now, k * sizeof *now);
        for (size_t j = 0; j < k; j++)
            now[j] = utilities[j * (size_t)turn->n_columns + (size_t)turn->choice];
        pasta_user_posterior(m, loglik, weights);
        pasta_simulated_user_expect(m, weights, utilities, turn->n_columns, asked ? before : NULL, &expected);
        compare_turn(f, at, turn, &expected);
        pasta_user_choice_loglik(m, utilities, turn->n_columns, turn->choice, loglik);
        if (asked)
            pasta_user_versus_loglik(m, now, before, turn->versus, loglik);
    }
    free(utilities);
    return status;
}

static pasta_status compare_person(void *ctx, int64_t person, int worker, struct pasta_err *err)
{
    struct fidelity *f = ctx;
    size_t k = (size_t)f->model->n_types;
    double *loglik = pasta_calloc(2 * k, sizeof *loglik);
    pasta_status status = PASTA_OK;
    (void)worker;
    for (size_t i = 0; i < f->held_out.sessions.n && status == PASTA_OK; i++)
        if (f->held_out.session_person[i] == person)
            status = compare_session(f, (int64_t)i, loglik, loglik + k, err);
    free(loglik);
    return status;
}

static struct answers answers_new(int64_t n)
{
    struct answers a = {pasta_malloc((size_t)n * sizeof(double)), pasta_malloc((size_t)n * sizeof(double))};
    for (int64_t i = 0; i < n; i++)
        a.real[i] = a.simulated[i] = NAN;
    return a;
}

static void answers_release(struct answers *a)
{
    free(a->real);
    free(a->simulated);
}

static pasta_status compare(struct fidelity *f, struct pasta_err *err)
{
    const struct pasta_sessions *sessions = &f->held_out.sessions;
    f->n = f->held_out.n_turns;
    f->number = pasta_calloc((size_t)f->n, sizeof *f->number);
    f->rating = answers_new(f->n);
    for (int v = 0; v < 3; v++)
        f->versus[v] = answers_new(f->n);
    for (int l = 0; l < PASTA_MAX_SLATE; l++)
        f->column[l] = answers_new(f->n);
    for (size_t i = 0; i < sessions->n; i++) {
        f->max_turns = sessions->items[i].n_turns > f->max_turns ? sessions->items[i].n_turns : f->max_turns;
        for (int t = 0; t < sessions->items[i].n_turns; t++)
            if (sessions->items[i].turns[t].n_columns > f->max_columns)
                f->max_columns = sessions->items[i].turns[t].n_columns;
    }
    return pasta_parallel_for(f->held_out.n_people, f->context->threads, compare_person, f, err);
}

/* --- tables --- */

static struct pasta_table *table_new(struct fidelity *f, const char *key, const char *title, const char *note)
{
    struct pasta_table *t = &f->tables[f->n_tables++];
    pasta_table_init(t, key, title, note);
    t->resampled = f->context->config.evaluate.clusters;
    return t;
}

static void add_sides(struct pasta_table *t, enum pasta_format format, enum pasta_format change, int digits)
{
    pasta_table_column(t, "real", "real", format, digits);
    pasta_table_column(t, "simulated", "simulated", format, digits);
    pasta_table_column(t, "difference", "simulated less real", change, digits);
}

/* Fills the three columns of add_sides; returns the last. */
static struct pasta_estimate put_sides(const struct fidelity *f, struct pasta_table *t, struct answers a, const int32_t *cluster, int64_t n)
{
    struct pasta_estimate difference = pasta_estimate_difference(f->boot, a.simulated, a.real, cluster, n);
    pasta_table_estimate(t, pasta_estimate_mean(f->boot, a.real, cluster, n));
    pasta_table_estimate(t, pasta_estimate_mean(f->boot, a.simulated, cluster, n));
    pasta_table_estimate(t, difference);
    return difference;
}

/* The same of one turn's answers. */
static void put_turn(const struct fidelity *f, struct pasta_table *t, struct answers a, int turn)
{
    struct answers own = answers_new(f->n);
    for (int64_t i = 0; i < f->n; i++)
        if (f->number[i] == turn) {
            own.real[i] = a.real[i];
            own.simulated[i] = a.simulated[i];
        }
    put_sides(f, t, own, f->held_out.turn_cluster, f->n);
    answers_release(&own);
}

static bool any_in_turn(const struct fidelity *f, struct answers a, int turn)
{
    for (int64_t i = 0; i < f->n; i++)
        if (f->number[i] == turn && !isnan(a.real[i]))
            return true;
    return false;
}

static void rating_table(struct fidelity *f)
{
    struct pasta_table *t = table_new(f, "rating", "Mean rating by turn", "A simulated user rates the column it would choose itself.");
    const int64_t sessions = (int64_t)f->held_out.sessions.n;
    struct answers drift = answers_new(sessions);
    int32_t *cluster = pasta_calloc((size_t)sessions, sizeof *cluster);
    pasta_table_column(t, "turn", "turn", PASTA_FORMAT_TEXT, 0);
    add_sides(t, PASTA_FORMAT_NUMBER, PASTA_FORMAT_CHANGE, 2);
    for (int turn = 0; turn < f->max_turns; turn++) {
        char label[16];
        if (!any_in_turn(f, f->rating, turn))
            continue;
        snprintf(label, sizeof label, "%d", turn + 1);
        pasta_table_row(t);
        pasta_table_text(t, label);
        put_turn(f, t, f->rating, turn);
    }
    pasta_table_row(t);
    pasta_table_text(t, "all");
    f->rating_gap = put_sides(f, t, f->rating, f->held_out.turn_cluster, f->n);
    for (int64_t s = 0; s < sessions; s++) {
        int64_t first = -1, last = -1;
        for (int64_t i = f->held_out.first_turn[s]; i < f->held_out.first_turn[s + 1]; i++) {
            cluster[s] = f->held_out.turn_cluster[i];
            if (isnan(f->rating.real[i]))
                continue;
            first = first < 0 ? i : first;
            last = i;
        }
        if (first < last) {
            drift.real[s] = f->rating.real[last] - f->rating.real[first];
            drift.simulated[s] = f->rating.simulated[last] - f->rating.simulated[first];
        }
    }
    pasta_table_row(t);
    pasta_table_text(t, "last less first");
    f->drift_gap = put_sides(f, t, drift, cluster, sessions);
    answers_release(&drift);
    free(cluster);
}

static void versus_table(struct fidelity *f)
{
    struct pasta_table *t = table_new(f, "versus", "Against the turn before", "A simulated user compares the column it would choose itself "
                                      "with the one that the real user chose before.");
    pasta_table_column(t, "turn", "turn", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "answer", "answer", PASTA_FORMAT_TEXT, 0);
    add_sides(t, PASTA_FORMAT_PERCENT, PASTA_FORMAT_CHANGE_PERCENT, 1);
    for (int turn = 1; turn <= f->max_turns; turn++) { /* the last: all */
        char label[16];
        bool all = turn == f->max_turns;
        if (!all && !any_in_turn(f, f->versus[0], turn))
            continue;
        snprintf(label, sizeof label, "%d", turn + 1);
        for (int v = 2; v >= 0; v--) {
            pasta_table_row(t);
            pasta_table_text(t, all ? "all" : label);
            pasta_table_text(t, pasta_versus_names[PASTA_WORSE + v]);
            if (!all)
                put_turn(f, t, f->versus[v], turn);
            else if (v == 2)
                f->better_gap = put_sides(f, t, f->versus[v], f->held_out.turn_cluster, f->n);
            else
                put_sides(f, t, f->versus[v], f->held_out.turn_cluster, f->n);
        }
    }
}

static void position_table(struct fidelity *f)
{
    struct pasta_table *t = table_new(f, "position", "Choices by the place of a column", NULL);
    pasta_table_column(t, "column", "column", PASTA_FORMAT_TEXT, 0);
    add_sides(t, PASTA_FORMAT_PERCENT, PASTA_FORMAT_CHANGE_PERCENT, 1);
    for (int l = 0; l < f->max_columns; l++) {
        char label[16];
        double seen = 0, expected = 0;
        for (int64_t i = 0; i < f->n; i++)
            if (!isnan(f->column[l].real[i])) {
                seen += f->column[l].real[i];
                expected += f->column[l].simulated[i];
            }
        f->chi_square += expected > 0 ? (seen - expected) * (seen - expected) / expected : 0;
        snprintf(label, sizeof label, "%d", l + 1);
        pasta_table_row(t);
        pasta_table_text(t, label);
        put_sides(f, t, f->column[l], f->held_out.turn_cluster, f->n);
    }
    if (f->max_columns > 1)
        t->note = pasta_arena_printf(&t->arena, "Chi-square of the counts against the expected ones: %.2f with %d degrees of freedom, "
                                     "p = %.3g.", f->chi_square, f->max_columns - 1,
                                     pasta_chi_square_above(f->chi_square, f->max_columns - 1));
}

/* Every column of every turn: its probability, and whether it was chosen. */
static void choice_table(struct fidelity *f)
{
    struct pasta_table *t = table_new(f, "choice", "Choices by predicted probability", "Every column of every slate; empty bins are left out.");
    struct answers all = answers_new(f->n * f->max_columns), own;
    int32_t *cluster = pasta_calloc((size_t)(f->n * f->max_columns), sizeof *cluster);
    int64_t n = 0;
    pasta_table_column(t, "probability", "probability", PASTA_FORMAT_TEXT, 0);
    add_sides(t, PASTA_FORMAT_PERCENT, PASTA_FORMAT_CHANGE_PERCENT, 1);
    for (int64_t i = 0; i < f->n; i++)
        for (int l = 0; l < f->max_columns; l++)
            if (!isnan(f->column[l].real[i])) {
                all.real[n] = f->column[l].real[i];
                all.simulated[n] = f->column[l].simulated[i];
                cluster[n++] = f->held_out.turn_cluster[i];
            }
    own = answers_new(n);
    for (int bin = 0; bin < BINS; bin++) {
        char label[32];
        int64_t in = 0;
        for (int64_t i = 0; i < n; i++) {
            int at = (int)(all.simulated[i] * BINS);
            bool here = (at < BINS ? at : BINS - 1) == bin;
            own.real[i] = here ? all.real[i] : NAN;
            own.simulated[i] = here ? all.simulated[i] : NAN;
            in += here;
        }
        if (!in)
            continue;
        snprintf(label, sizeof label, "%.1f to %.1f", (double)bin / BINS, (double)(bin + 1) / BINS);
        pasta_table_row(t);
        pasta_table_text(t, label);
        put_sides(f, t, own, cluster, n);
    }
    f->calibration = pasta_calibration_error(f->boot, all.simulated, all.real, cluster, n, BINS);
    answers_release(&all);
    answers_release(&own);
    free(cluster);
}

static void headline_row(struct pasta_table *t, const char *measure, struct pasta_estimate e)
{
    pasta_table_row(t);
    pasta_table_text(t, measure);
    pasta_table_estimate(t, e);
}

/* Whether it is known that the user model was trained on none of these answers. */
static bool is_held_out(const struct fidelity *f)
{
    const struct evaluate_split *split = &f->held_out.split;
    return !split->unknown && (split->by[EVALUATE_PEOPLE] || split->by[EVALUATE_PROMPTS]);
}

static void make_tables(struct fidelity *f)
{
    const struct evaluate_held_out *h = &f->held_out;
    f->boot = pasta_bootstrap_new(f->context->config.seed, h->n_clusters, f->context->config.evaluate.bootstrap);
    struct pasta_table *t = table_new(f, "fidelity", "Simulated users in place of real ones, one answer ahead", NULL);
    choice_table(f);
    rating_table(f);
    position_table(f);
    versus_table(f);
    t->note = pasta_arena_printf(&t->arena, "%zu sessions of %lld people%s. 0 is what a perfect simulation would have.", h->sessions.n,
                                 (long long)h->n_people, is_held_out(f) ? "" : ", whether trained on or not");
    pasta_table_column(t, "measure", "measure", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "value", "value", PASTA_FORMAT_NUMBER, 3);
    headline_row(t, "choice calibration error, in ten bins", f->calibration);
    headline_row(t, "rating, simulated less real", f->rating_gap);
    headline_row(t, "rating from first to last turn, simulated less real", f->drift_gap);
    headline_row(t, "share of better, simulated less real", f->better_gap);
}

/* --- results --- */

static void put_estimate(struct pasta_str *out, const char *key, struct pasta_estimate e)
{
    const struct { const char *name; double value; } parts[] = {{"value", e.value}, {"lo", e.lo}, {"hi", e.hi}, {"n", (double)e.n}};
    pasta_str_printf(out, ",\"%s\":", key);
    for (int i = 0; i < 4; i++) {
        pasta_str_printf(out, "%s\"%s\":", i ? "," : "{", parts[i].name);
        pasta_json_put_num(out, parts[i].value);
    }
    pasta_str_addc(out, '}');
}

static pasta_status print_json(const struct fidelity *f, struct pasta_str *out, struct pasta_err *err)
{
    const struct evaluate_held_out *h = &f->held_out;
    char *weights = pasta_path_join(f->user_model, "user_model.safetensors"), hex[65];
    const pasta_status status = pasta_sha256_file(weights, hex, err);
    free(weights);
    if (status != PASTA_OK)
        return status;
    pasta_str_printf(out, "{\"schema\":\"pasta.fidelity/1\",\"user_model\":\"%s\",\"headline\":{\"sessions\":%zu,\"people\":%lld,\"turns\":%lld,"
                     "\"held_out\":%s", hex, h->sessions.n, (long long)h->n_people, (long long)f->n, is_held_out(f) ? "true" : "false");
    put_estimate(out, "choice_calibration_error", f->calibration);
    put_estimate(out, "rating", f->rating_gap);
    put_estimate(out, "rating_drift", f->drift_gap);
    put_estimate(out, "better", f->better_gap);
    pasta_str_add(out, ",\"position\":{\"chi_square\":");
    pasta_json_put_num(out, f->chi_square);
    pasta_str_printf(out, ",\"degrees\":%d,\"p\":", f->max_columns - 1);
    pasta_json_put_num(out, f->max_columns > 1 ? pasta_chi_square_above(f->chi_square, f->max_columns - 1) : NAN);
    pasta_str_add(out, "}},\"tables\":[\n");
    for (int i = 0; i < f->n_tables; i++) {
        pasta_str_add(out, i ? "," : "");
        pasta_table_print(&f->tables[i], PASTA_TABLE_JSON, out);
    }
    pasta_str_add(out, "]}\n");
    return PASTA_OK;
}

static void print_tables(const struct fidelity *f, enum pasta_table_style style, struct pasta_str *out)
{
    for (int i = 0; i < f->n_tables; i++) {
        pasta_str_add(out, i ? "\n" : "");
        pasta_table_print(&f->tables[i], style, out);
    }
}

static pasta_status write_file(const struct fidelity *f, const char *name, const struct pasta_str *text, struct pasta_manifest *manifest,
                               struct pasta_err *err)
{
    char *path = pasta_path_join(f->context->out, name);
    pasta_status status = pasta_file_write(path, text->data, text->length, err);
    if (status == PASTA_OK)
        status = pasta_manifest_output(manifest, f->context->out, name, err);
    free(path);
    return status;
}

static pasta_status write_results(const struct fidelity *f, const struct pasta_str *json, struct pasta_err *err)
{
    const struct pasta_context *context = f->context;
    struct pasta_manifest *manifest = pasta_manifest_new(context->command->name, context->argc, context->argv, &context->config);
    struct pasta_str markdown = {0};
    pasta_status status;
    print_tables(f, PASTA_TABLE_MARKDOWN, &markdown);
    torch_manifest(manifest);
    pasta_manifest_count(manifest, "sessions", (int64_t)f->held_out.sessions.n);
    pasta_manifest_count(manifest, "turns", f->n);
    pasta_manifest_split(manifest, "people_compared", &f->held_out.split.evaluated[EVALUATE_PEOPLE]);
    if ((status = pasta_manifest_input(manifest, f->sessions_path, err)) == PASTA_OK &&
        (status = pasta_manifest_input(manifest, f->features_path, err)) == PASTA_OK &&
        (status = pasta_manifest_input(manifest, f->user_model, err)) == PASTA_OK &&
        (status = write_file(f, "fidelity.json", json, manifest, err)) == PASTA_OK &&
        (status = write_file(f, "fidelity.md", &markdown, manifest, err)) == PASTA_OK &&
        (status = pasta_manifest_output(manifest, context->out, "settings.json", err)) == PASTA_OK)
        status = pasta_manifest_write(manifest, context->out, err);
    pasta_manifest_free(manifest);
    pasta_str_release(&markdown);
    return status;
}

static pasta_status prepare_folder(const struct fidelity *f, bool *complete, struct pasta_err *err)
{
    static const char *const owned[] = {"manifest.json", "fidelity.json", "fidelity.md", "settings.json", NULL};
    static const char *const names[] = {"image.safetensors", "text.safetensors", "index.jsonl"};
    const struct pasta_context *context = f->context;
    struct pasta_arena arena = {0};
    struct pasta_stamp_input inputs[6] = {
        {"sessions", f->sessions_path},
        {"user_model", pasta_arena_printf(&arena, "%s/user_model.safetensors", f->user_model)},
        {"user_model_config", pasta_arena_printf(&arena, "%s/config.json", f->user_model)}};
    for (int i = 0; i < 3; i++)
        inputs[3 + i] = (struct pasta_stamp_input){names[i], pasta_arena_printf(&arena, "%s/%s", f->features_path, names[i])};
    pasta_status status = pasta_run_dir(context->out, context->force, context->resume, owned, complete, err);
    if (status == PASTA_OK)
        status = pasta_run_stamp(context, inputs, 6, err);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status report(struct fidelity *f, struct pasta_err *err)
{
    struct pasta_str json = {0}, text = {0};
    bool complete = false;
    pasta_status status = compare(f, err);
    if (status == PASTA_OK)
        status = prepare_folder(f, &complete, err);
    if (status != PASTA_OK)
        return status;
    make_tables(f);
    if ((status = print_json(f, &json, err)) == PASTA_OK && complete)
        pasta_info("'%s' is complete: nothing to do", f->context->out);
    else if (status == PASTA_OK)
        status = write_results(f, &json, err);
    print_tables(f, PASTA_TABLE_TEXT, &text);
    if (status == PASTA_OK)
        fputs(f->context->json ? json.data : text.data, stdout);
    pasta_str_release(&json);
    pasta_str_release(&text);
    return status;
}

static pasta_status plan(const struct fidelity *f)
{
    const struct pasta_plan_row rows[] = {{"user_types", "", f->model->n_types}, {"people", "", (double)f->held_out.n_people},
                                          {"sessions", "", (double)f->held_out.sessions.n}, {"turns", "", (double)f->held_out.n_turns}};
    pasta_plan_print(rows, sizeof rows / sizeof *rows, f->context->json);
    return PASTA_OK;
}

static void release(struct fidelity *f)
{
    for (int v = 0; v < 3; v++)
        answers_release(&f->versus[v]);
    for (int l = 0; l < PASTA_MAX_SLATE; l++)
        answers_release(&f->column[l]);
    answers_release(&f->rating);
    free(f->number);
    for (int i = 0; i < f->n_tables; i++)
        pasta_table_release(&f->tables[i]);
    pasta_bootstrap_free(f->boot);
    evaluate_held_out_release(&f->held_out);
    pasta_user_model_free(f->model);
    pasta_features_close(f->features);
}

pasta_status fidelity_run(struct pasta_context *context, const char *user_model, const char *sessions, const char *features,
                          struct pasta_err *err)
{
    struct fidelity f = {.context = context, .user_model = user_model, .sessions_path = sessions, .features_path = features};
    const struct evaluate_answers answers = {.sessions = sessions};
    const struct evaluate_named named = {.dir = user_model};
    pasta_status status;
    if ((status = pasta_features_open(features, &f.features, err)) == PASTA_OK &&
        (status = pasta_user_model_load(user_model, f.features, &f.model, err)) == PASTA_OK &&
        (status = evaluate_held_out_read(&answers, &named, 1, f.features, NULL, &context->config, &f.held_out, err)) == PASTA_OK)
        status = context->dry_run ? plan(&f) : report(&f, err);
    release(&f);
    return status;
}

/* What must hold of implicit Q-learning and of value models whatever the numbers: expectiles, a problem that dynamic programming solves, packed
 * scoring, resuming, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/value/iql.h"
#include "pasta/value/reward.h"
#include "../../src/value/trainer.h"

/* --- losses ------------------------------------------------------------------------------------------------------- */

static void expectile_half_is_half_the_mean_square(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    float q[100], v[100];
    double sum = 0;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 100; i++) {
        q[i] = (float)pasta_rng_normal(&rng);
        v[i] = (float)pasta_rng_normal(&rng);
        sum += ((double)q[i] - v[i]) * ((double)q[i] - v[i]);
    }
    pt_scope_open();
    assert_float_equal(pt_item(pasta_iql_v_loss(pt_from_f32(q, PT_SHAPE(100)), pt_from_f32(v, PT_SHAPE(100)), 0.5)), sum / 200, 1e-6);
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
}

/* One step of plain gradient descent on the leaves. */
static void descend(pt leaf, double rate)
{
    pt_add_(leaf, pt_grad(leaf), -rate);
    pt_zero_grad(leaf);
}

/* Three turns in a row; in each, slates {0,1} and {1,2} of three candidates, both equally often in the data. With alpha the expectile, the fixed point
 * is Q(t,P) = r(t,P) + gamma V(t+1), V(t) = alpha max + (1 - alpha) min over the two slates. */
static void tabular_problem_matches_dynamic_programming(void **state)
{
    (void)state;
    enum { H = 3, SLATES = 2, N = H * SLATES };
    static const float reward[N] = {0.3f, 0.9f, -0.4f, 0.1f, 1.0f, 0.2f};
    const double gamma = 0.9, alpha = 0.8, polyak = 0.5;
    double want_v[H + 1] = {0}, want_q[N];
    struct pasta_err err = {0};
    for (int t = H - 1; t >= 0; t--) {
        for (int p = 0; p < SLATES; p++)
            want_q[t * SLATES + p] = reward[t * SLATES + p] + gamma * want_v[t + 1];
        want_v[t] = alpha * fmax(want_q[2 * t], want_q[2 * t + 1]) + (1 - alpha) * fmin(want_q[2 * t], want_q[2 * t + 1]);
    }
    float slates[N * H * 3] = {0}, turns[N * H] = {0}, next[N * H] = {0}; /* Q = slates f; V(h) = turns v; V(h') = next v, 0 in the last turn */
    for (int t = 0; t < H; t++)
        for (int p = 0; p < SLATES; p++) {
            const int row = t * SLATES + p;
            slates[row * H * 3 + t * 3 + p] = slates[row * H * 3 + t * 3 + p + 1] = 0.5f;
            turns[row * H + t] = 1;
            if (t + 1 < H)
                next[row * H + t + 1] = 1;
        }
    float q[N], v[H];
    pt_scope_open();
    pt f = pt_zeros(PT_F32, PT_SHAPE(H * 3)), values = pt_zeros(PT_F32, PT_SHAPE(H)), target = pt_zeros(PT_F32, PT_SHAPE(H * 3));
    pt S = pt_from_f32(slates, PT_SHAPE(N, H * 3)), T = pt_from_f32(turns, PT_SHAPE(N, H)), X = pt_from_f32(next, PT_SHAPE(N, H)), r = pt_from_f32(reward, PT_SHAPE(N));
    pt_grad_enable(true);
    pt_requires_grad(f, true);
    pt_requires_grad(values, true);
    for (int step = 0; step < 1500; step++) {
        pt_scope_open();
        pt_backward(pasta_iql_v_loss(pt_matmul(S, target), pt_matmul(T, values), alpha));
        descend(values, 2);
        pt_backward(pasta_iql_q_loss(pt_matmul(S, f), r, pt_matmul(X, values), gamma));
        descend(f, 4);
        pt_lerp_(target, f, polyak);
        assert_int_equal(pt_scope_close(&err), PASTA_OK);
    }
    pt_copy_f32(pt_detach(pt_matmul(S, f)), q);
    pt_copy_f32(pt_detach(values), v);
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    for (int i = 0; i < N; i++)
        assert_float_equal(q[i], want_q[i], 1e-4);
    for (int t = 0; t < H; t++)
        assert_float_equal(v[t], want_v[t], 1e-4);
}

/* --- models ------------------------------------------------------------------------------------------------------- */

static const char *const words[] = {"old wood engraving", "neon", "soft natural light", "calm mood", "vivid colors", "close up", "in a flower meadow", "pale moonlight"};
enum { WORDS = sizeof words / sizeof *words, SESSIONS = 24, TURNS = 3, COLUMNS = 4 };

/* Sessions of random prompts and answers; some turns without rating, choice or comparison. */
static void make_sessions(struct pasta_sessions *s)
{
    struct pasta_rng rng = pasta_rng_at(2, PASTA_RNG_TEST, 0, 0, 0);
    s->items = pasta_calloc(SESSIONS, sizeof *s->items);
    s->n = s->capacity = SESSIONS;
    for (int i = 0; i < SESSIONS; i++) {
        struct pasta_session *session = &s->items[i];
        session->session_id = session->rater_id = pasta_arena_printf(&s->arena, "rater-%d", i);
        session->initial_prompt = i % 2 ? "a cat asleep on a windowsill" : "a fox";
        session->n_turns = 1 + i % TURNS;
        session->turns = pasta_arena_alloc(&s->arena, TURNS * sizeof *session->turns);
        for (int t = 0; t < session->n_turns; t++) {
            struct pasta_turn *turn = &session->turns[t];
            turn->n_columns = COLUMNS - (i + t) % 2;
            turn->columns = pasta_arena_alloc(&s->arena, COLUMNS * sizeof *turn->columns);
            for (int l = 0; l < turn->n_columns; l++)
                turn->columns[l] = (struct pasta_column){.category = (enum pasta_category)l, .prompt = pasta_arena_printf(&s->arena, "%s, %s%s%s",
                    session->initial_prompt, words[pasta_rng_below(&rng, WORDS)], l % 2 ? ", " : "", l % 2 ? words[pasta_rng_below(&rng, WORDS)] : "")};
            turn->choice = i % 5 == 4 ? -1 : (int)pasta_rng_below(&rng, (uint32_t)turn->n_columns);
            turn->rating = i % 3 ? 1 + (double)pasta_rng_below(&rng, 10) : NAN;
            turn->versus = t ? (enum pasta_versus)(1 + pasta_rng_below(&rng, 3)) : PASTA_VERSUS_NONE;
        }
    }
}

static const struct pasta_value_settings base = {.reward = "rating", 
    .model = "", .expectile = 0.7, .discount = 0.9, .polyak = 0.1, .max_tokens_q = 200, .max_tokens_v = 200, .choice_steps = 3, .choice_rate = 3e-3, .choice_weight = 0.1,
    .train = {.steps = 3, .batch = 20, .learning_rate = 1e-3, .cosine_period = 100, .clip_norm = 1, .checkpoint_every = 4, .weight_decay = 1e-2}};

struct folder { char path[64]; };

static struct folder new_folder(void)
{
    struct folder f = {"/tmp/pasta-iql-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    return f;
}

static void remove_folder(const struct folder *f)
{
    char *command = pasta_asprintf("rm -r '%s'", f->path);
    assert_int_equal(system(command), 0);
    free(command);
}

static struct pasta_value_model *train_in(const struct folder *f, const struct pasta_value_settings *settings, const struct pasta_sessions *sessions, int threads, bool resume)
{
    struct pasta_err err = {0};
    struct pasta_value_model *m = NULL;
    struct pasta_value_counts counts;
    bool initialised;
    if (pasta_value_model_new(settings, "cpu", 7, &initialised, &m, &err) != PASTA_OK ||
        pasta_value_train(m, settings, sessions, f->path, 7, threads, resume, &counts, &err) != PASTA_OK || pasta_value_model_save(m, f->path, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_false(initialised);
    assert_int_equal(counts.sessions + counts.held_out, SESSIONS);
    return m;
}

static struct pasta_str weights_of(const struct folder *f, const char *half)
{
    struct pasta_err err = {0};
    struct pasta_str bytes = {0};
    char *path = pasta_asprintf("%s/%s/model.safetensors", f->path, half);
    if (pasta_file_read(path, &bytes, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(path);
    return bytes;
}

static bool same_weights(const struct folder *a, const struct folder *b)
{
    bool same = true;
    static const char *const halves[] = {"f", "v"};
    for (int i = 0; i < 2; i++) {
        struct pasta_str x = weights_of(a, halves[i]), y = weights_of(b, halves[i]);
        same = same && x.length == y.length && memcmp(x.data, y.data, x.length) == 0;
        pasta_str_release(&x);
        pasta_str_release(&y);
    }
    return same;
}

/* The same weights straight on, on two threads, and stopped after step 4 and resumed; other weights from another batch. */
static void check_training(bool shared_trunk)
{
    struct pasta_sessions sessions = {0};
    struct folder straight = new_folder(), threads = new_folder(), stopped = new_folder(), other = new_folder();
    struct pasta_value_settings settings = base, fewer, changed;
    make_sessions(&sessions);
    settings.shared_trunk = shared_trunk;
    pasta_value_model_free(train_in(&straight, &settings, &sessions, 1, false));
    pasta_value_model_free(train_in(&threads, &settings, &sessions, 2, false));
    assert_true(same_weights(&straight, &threads));
    fewer = settings;
    fewer.train.steps = 1;
    pasta_value_model_free(train_in(&stopped, &fewer, &sessions, 1, false));
    assert_false(same_weights(&straight, &stopped));
    pasta_value_model_free(train_in(&stopped, &settings, &sessions, 2, true));
    assert_true(same_weights(&straight, &stopped));
    changed = settings;
    changed.train.batch = 12;
    pasta_value_model_free(train_in(&other, &changed, &sessions, 1, false));
    assert_false(same_weights(&straight, &other));
    remove_folder(&straight);
    remove_folder(&threads);
    remove_folder(&stopped);
    remove_folder(&other);
    pasta_sessions_release(&sessions);
}

static void training_resumes_and_ignores_threads(void **state)
{
    (void)state;
    check_training(false);
}

static void so_with_a_shared_trunk(void **state)
{
    (void)state;
    check_training(true);
}

/* Histories beyond the limit make a row for each transition; training still works, also where the one turn there is follows a prompt that is
 * beyond the limit by itself. */
static void long_sessions_are_cut(void **state)
{
    (void)state;
    struct pasta_sessions sessions = {0};
    struct folder f = new_folder();
    struct pasta_value_settings settings = base;
    struct pasta_str prompt = {0};
    for (int i = 0; i < 8 * WORDS; i++)
        pasta_str_printf(&prompt, "%s ", words[i % WORDS]);
    make_sessions(&sessions);
    for (int i = 0; i < SESSIONS; i++)
        if (sessions.items[i].n_turns == 1)
            sessions.items[i].initial_prompt = prompt.data;
    settings.max_tokens_q = settings.max_tokens_v = 48;
    pasta_value_model_free(train_in(&f, &settings, &sessions, 2, false));
    remove_folder(&f);
    pasta_sessions_release(&sessions);
    pasta_str_release(&prompt);
}

/* The last held-out loss of Q, after one step on the sessions and on `n` more of one person, those from `many` on rated 10 and the others 1. */
static double held_out_loss(const struct pasta_sessions *sessions, const char *person, int n, int many)
{
    struct pasta_err err = {0};
    struct folder f = new_folder();
    struct pasta_sessions more = *sessions;
    struct pasta_turn turns[2] = {sessions->items[0].turns[0], sessions->items[0].turns[0]};
    struct pasta_value_settings settings = base;
    struct pasta_value_model *m = NULL;
    struct pasta_value_counts counts;
    struct pasta_str curves = {0};
    bool initialised;
    more.n += (size_t)n;
    more.items = pasta_calloc(more.n, sizeof *more.items);
    memcpy(more.items, sessions->items, sessions->n * sizeof *more.items);
    turns[0].rating = 1;
    turns[1].rating = 10;
    for (int i = 0; i < n; i++)
        more.items[sessions->n + (size_t)i] = (struct pasta_session){
            .session_id = "more", .rater_id = person, .initial_prompt = "a fox", .n_turns = 1, .turns = &turns[i >= many]};
    settings.choice_steps = 0;
    settings.train.steps = 1;
    assert_int_equal(pasta_value_model_new(&settings, "cpu", 7, &initialised, &m, &err), PASTA_OK);
    assert_int_equal(pasta_value_train(m, &settings, &more, f.path, 7, 2, false, &counts, &err), PASTA_OK);
    assert_int_equal(counts.sessions + counts.held_out, more.n);
    assert_true(counts.held_out >= n);
    char *path = pasta_path_join(f.path, "metrics.jsonl");
    assert_int_equal(pasta_file_read(path, &curves, &err), PASTA_OK);
    const char *value = strstr(curves.data, "\"held_out/loss/q\":");
    assert_non_null(value);
    const double loss = strtod(strchr(value, ':') + 1, NULL);
    pasta_str_release(&curves);
    free(path);
    free(more.items);
    pasta_value_model_free(m);
    remove_folder(&f);
    return loss;
}

/* All held-out sessions are counted, and those measured come from the whole of them, not from their beginning. */
static void held_out_sessions_are_drawn_from_all(void **state)
{
    (void)state;
    struct pasta_sessions sessions = {0};
    make_sessions(&sessions);
    const double first = held_out_loss(&sessions, "rater-33", 200, 200), all = held_out_loss(&sessions, "rater-33", 300, 200);
    assert_true(fabs(first - all) > 1e-3);
    pasta_sessions_release(&sessions);
}

/* Sessions of two turns, the first always rated 1 and the second 10: less their mean, rewards -0.5 and 0.5. So Q and V are 0 before the first turn and
 * 0.5 before the second; at half the discount -0.25 and 0.5. */
static void values_are_returns(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct pasta_err err = {0};
        struct pasta_sessions sessions = {0};
        struct folder f = new_folder();
        struct pasta_value_settings settings = base;
        make_sessions(&sessions);
        for (int i = 0; i < SESSIONS; i++) {
            struct pasta_session *session = &sessions.items[i];
            if (session->n_turns == 1)
                *session = (struct pasta_session){.session_id = session->session_id, .rater_id = session->rater_id, .initial_prompt = sessions.items[2].initial_prompt,
                                                  .turns = sessions.items[2].turns};
            session->n_turns = 2;
            for (int t = 0; t < 2; t++)
                session->turns[t].rating = t ? 10 : 1;
        }
        settings.discount = half ? 0.5 : 1;
        settings.polyak = 0.2;
        settings.train = (struct pasta_train_settings){.steps = 200, .batch = 16, .learning_rate = 1e-2, .cosine_period = 200, .clip_norm = 1, .checkpoint_every = 1000};
        struct pasta_value_model *m = train_in(&f, &settings, &sessions, 2, false);
        for (int t = 0; t < 2; t++) {
            struct pasta_session history = sessions.items[5];
            const struct pasta_turn *turn = &history.turns[t];
            struct pasta_candidate slate[COLUMNS];
            const double want = t ? 0.5 : half ? -0.25 : 0;
            double values[COLUMNS], v, q = 0; /* only the mean over the slate is a return */
            for (int l = 0; l < turn->n_columns; l++)
                slate[l] = (struct pasta_candidate){turn->columns[l].prompt, turn->columns[l].category};
            history.n_turns = t;
            assert_int_equal(pasta_value_model_score(m, &history, slate, turn->n_columns, values, &v, &err), PASTA_OK);
            for (int l = 0; l < turn->n_columns; l++)
                q += values[l] / turn->n_columns;
            assert_float_equal(v, want, 0.15);
            assert_float_equal(q, want, 0.15);
        }
        pasta_value_model_free(m);
        remove_folder(&f);
        pasta_sessions_release(&sessions);
    }
}

/* --- the order of updates ------------------------------------------------------------------------------------------ */

/* Q, by f of `m`, and V of every transition of the sessions, in their order. */
static void values_of(const struct pasta_value_model *m, const struct pasta_sessions *sessions, double *q, double *v)
{
    struct pasta_err err = {0};
    for (size_t i = 0, at = 0; i < sessions->n; i++) {
        struct pasta_session history = sessions->items[i];
        for (int t = 0; t < sessions->items[i].n_turns; t++, at++) {
            const struct pasta_turn *turn = &sessions->items[i].turns[t];
            struct pasta_candidate slate[COLUMNS];
            double f[COLUMNS];
            for (int l = 0; l < turn->n_columns; l++)
                slate[l] = (struct pasta_candidate){turn->columns[l].prompt, turn->columns[l].category};
            history.n_turns = t;
            assert_int_equal(pasta_value_model_score(m, &history, slate, turn->n_columns, f, &v[at], &err), PASTA_OK);
            q[at] = 0;
            for (int l = 0; l < turn->n_columns; l++)
                q[at] += f[l] / turn->n_columns;
        }
    }
}

/* Mean (r + gamma V(h') - Q)^2. */
static double q_loss(const struct pasta_sessions *sessions, double discount, double mean_reward, const double *q, const double *v)
{
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < sessions->n; i++)
        for (int t = 0; t < sessions->items[i].n_turns; t++, n++) {
            const double next = t + 1 < sessions->items[i].n_turns ? v[n + 1] : 0;
            const double u = pasta_turn_reward(&sessions->items[i].turns[t], false) - mean_reward + discount * next - q[n];
            sum += u * u;
        }
    return sum / n;
}

static double v_loss(double expectile, const double *q_target, const double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (q_target[i] < v[i] ? 1 - expectile : expectile) * (q_target[i] - v[i]) * (q_target[i] - v[i]);
    return sum / n;
}

/* V by the target Q, then Q by the new V, then the target: what a step reports is what these give, computed one by one, and no other order does. */
static void a_step_goes_in_the_order_stated(void **state)
{
    (void)state;
    enum { MOST = SESSIONS * TURNS };
    struct pasta_err err = {0};
    struct pasta_sessions sessions = {0};
    struct pasta_value_settings settings = base;
    struct pasta_value_model *m = NULL;
    struct pasta_trainer trainer;
    struct pasta_episodes episodes = {0};
    struct pasta_iql_stats stats;
    const struct pasta_session *all[SESSIONS];
    struct pasta_episode *batch[SESSIONS];
    double q[MOST], v[MOST], q_target[MOST], new_q[MOST], new_v[MOST], unused[MOST];
    bool initialised;
    make_sessions(&sessions);
    settings.choice_weight = 0;
    assert_int_equal(pasta_value_model_new(&settings, "cpu", 7, &initialised, &m, &err), PASTA_OK);
    for (int i = 0; i < SESSIONS; i++)
        all[i] = &sessions.items[i];
    assert_int_equal(pasta_episodes_init(&episodes, m, all, SESSIONS, false, &err), PASTA_OK);
    for (int i = 0; i < SESSIONS; i++)
        batch[i] = &episodes.items[i];
    assert_int_equal(pasta_trainer_init(&trainer, m, &settings, 1, &err), PASTA_OK);
    trainer.mean_reward = 0.4;
    for (int step = 0; step < 3; step++) { /* so that f, its target and V are different things */
        struct pasta_value_model target = *m;
        target.f = trainer.target;
        target.f_head = trainer.target_head;
        values_of(m, &sessions, q, v);
        values_of(&target, &sessions, q_target, unused);
        float *head = pasta_malloc((size_t)pasta_value_model_width(m) * sizeof *head), *moved = pasta_malloc((size_t)pasta_value_model_width(m) * sizeof *moved),
              *own = pasta_malloc((size_t)pasta_value_model_width(m) * sizeof *own);
        pt_copy_f32(trainer.target_head.items[0].tensor, head);
        assert_int_equal(pasta_iql_step(&trainer, (struct pasta_batch){batch, SESSIONS}, 0.1, &stats, &err), PASTA_OK);
        values_of(m, &sessions, new_q, new_v);
        const double by_new_v = q_loss(&sessions, settings.discount, 0.4, q, new_v), by_old_v = q_loss(&sessions, settings.discount, 0.4, q, v);
        assert_true(fabs(stats.loss_q - by_new_v) < 1e-4 * by_new_v);
        assert_true(fabs(by_old_v - by_new_v) > 0.1 * by_new_v);
        const double loss_v = v_loss(settings.expectile, q_target, v, (int)episodes.transitions);
        assert_true(fabs(stats.loss_v - loss_v) < 1e-4 * loss_v);
        if (step > 0)
            assert_true(fabs(v_loss(settings.expectile, q, v, (int)episodes.transitions) - loss_v) > 1e-2 * loss_v);
        pt_copy_f32(trainer.target_head.items[0].tensor, moved);
        pt_scope_open();
        pt_copy_f32(pt_detach(m->f_head.items[0].tensor), own);
        assert_int_equal(pt_scope_close(&err), PASTA_OK);
        for (int64_t k = 0; k < pasta_value_model_width(m); k++)
            assert_true(fabs(moved[k] - (head[k] + settings.polyak * ((double)own[k] - head[k]))) < 1e-6);
        free(head);
        free(moved);
        free(own);
    }
    pasta_trainer_release(&trainer);
    pasta_episodes_release(&episodes);
    pasta_value_model_free(m);
    pasta_sessions_release(&sessions);
}

static void scoring_together_equals_one_by_one(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_sessions sessions = {0};
    struct folder f = new_folder();
    struct pasta_value_model *loaded = NULL;
    make_sessions(&sessions);
    pasta_value_model_free(train_in(&f, &base, &sessions, 1, false));
    assert_int_equal(pasta_value_model_load(f.path, "cpu", &loaded, &err), PASTA_OK);
    struct pasta_candidate candidates[WORDS];
    for (int i = 0; i < WORDS; i++)
        candidates[i] = (struct pasta_candidate){pasta_arena_printf(&sessions.arena, "a cat asleep on a windowsill, %s%s", words[i], i % 3 ? "" : ", in ink, at night"), (enum pasta_category)(i % 5)};
    double together[WORDS], v, v_again, spread = 0;
    const struct pasta_session *session = &sessions.items[5];
    assert_int_equal(session->n_turns, 3);
    assert_int_equal(pasta_value_model_score(loaded, session, candidates, WORDS, together, &v, &err), PASTA_OK);
    for (int i = 0; i < WORDS; i++) {
        double alone;
        assert_int_equal(pasta_value_model_score(loaded, session, &candidates[i], 1, &alone, &v_again, &err), PASTA_OK);
        assert_float_equal(alone, together[i], 1e-5);
        assert_float_equal(v, v_again, 1e-6);
        spread = fmax(spread, fabs(together[i] - together[0]));
    }
    assert_true(spread > 1e-3);
    pasta_value_model_free(loaded);
    remove_folder(&f);
    pasta_sessions_release(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectile_half_is_half_the_mean_square),
        cmocka_unit_test(tabular_problem_matches_dynamic_programming),
        cmocka_unit_test(training_resumes_and_ignores_threads),
        cmocka_unit_test(so_with_a_shared_trunk),
        cmocka_unit_test(long_sessions_are_cut),
        cmocka_unit_test(held_out_sessions_are_drawn_from_all),
        cmocka_unit_test(values_are_returns),
        cmocka_unit_test(a_step_goes_in_the_order_stated),
        cmocka_unit_test(scoring_together_equals_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

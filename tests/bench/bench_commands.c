/* bench_commands.c: whole commands, files and all, beside PyTorch's twins of what they compute, which read and write nothing. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "unit/user_people.h"

extern char **environ;

struct command { char **argv; double memory; /* bytes, of the largest run so far */ };

static pasta_status command_run(void *ctx, double *seconds, struct pasta_err *err)
{
    struct command *c = ctx;
    struct rusage used;
    pid_t pid;
    int state = 0;
    (void)seconds;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawn(&pid, c->argv[0], &actions, NULL, c->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed)
        return pasta_fail(err, PASTA_ERR_FAILED, "%s: cannot start it: %s", c->argv[0], strerror(failed));
    while (wait4(pid, &state, 0, &used) < 0)
        if (errno != EINTR)
            return pasta_fail(err, PASTA_ERR_FAILED, "%s: cannot wait for it", c->argv[0]);
    c->memory = fmax(c->memory, (double)used.ru_maxrss * 1024);
    return WIFEXITED(state) && WEXITSTATUS(state) == 0 ? PASTA_OK : pasta_fail(err, PASTA_ERR_FAILED, "%s: failed", c->argv[0]);
}

/* A binary beside this one. */
static char *beside(struct bench *b, const char *name)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    char *end = strrchr(path, '/');
    return pasta_arena_printf(&b->arena, "%.*s/%s", end ? (int)(end - path) : 0, path, name);
}

/* People of K types with K true tastes, and a user model of adapters of width W that gives scores as large as a trained one's. */
static pasta_status make_model(const struct people *p, int K, int W, const char *dir, struct pasta_err *err)
{
    struct pasta_user_model *m = pasta_user_model_new(K, p->dim, W, PASTA_AGG_MEAN, 3, pasta_features_encoder(p->features));
    struct pasta_rng rng = pasta_rng_at(2, PASTA_RNG_TEST, 0, 0, 0);
    float *const adapters[] = {m->image_in, m->image_out, m->text_in, m->text_out};
    for (int i = 0; i < K * p->dim; i++)
        m->taste[i] = (float)p->taste[i];
    for (int a = 0; a < 4; a++)
        for (int i = 0; i < K * W * p->dim; i++)
            adapters[a][i] = (float)(pasta_rng_normal(&rng) * (a % 2 ? 1e-3 : 1));
    pasta_status status = pasta_mkdirs(dir, err);
    if (status == PASTA_OK)
        status = pasta_user_model_save(m, dir, err);
    pasta_user_model_free(m);
    return status;
}

enum { K = 8 };

/* --- simulated users from cached embeddings --- */

enum { TURNS = 5, COLUMNS = 4, EACH = 4, RECORDED = 100 };

/* Sessions of full size on the images and prompts of `p`. */
static pasta_status write_sessions(struct people *p, const char *path, struct pasta_err *err)
{
    struct pasta_str text = {0};
    for (int i = 0, image = 0; i < RECORDED; i++) {
        struct pasta_session s = {.session_id = people_name(p, "session", i), .rater_id = people_name(p, "person", i), .source = PASTA_SOURCE_HUMAN,
                                  .agent = "baseline", .initial_prompt = people_name(p, "prompt", i), .n_turns = TURNS, .user_type = -1};
        s.turns = pasta_arena_alloc(&p->arena, TURNS * sizeof *s.turns);
        for (int t = 0; t < TURNS; t++) {
            s.turns[t] = (struct pasta_turn){.n_columns = COLUMNS, .choice = 0, .rating = NAN, .seconds = NAN};
            s.turns[t].columns = pasta_arena_alloc(&p->arena, COLUMNS * sizeof *s.turns[t].columns);
            for (int l = 0; l < COLUMNS; l++) {
                struct pasta_column *c = &s.turns[t].columns[l];
                *c = (struct pasta_column){.prompt = s.initial_prompt, .category = PASTA_EXPAND, .candidate = -1, .n_images = EACH};
                c->images = pasta_arena_alloc(&p->arena, EACH * sizeof *c->images);
                for (int m = 0; m < EACH; m++)
                    c->images[m].id = people_name(p, "image", image++);
            }
        }
        pasta_session_print(&s, &text);
    }
    const pasta_status status = pasta_file_write(path, text.data, text.length, err);
    pasta_str_release(&text);
    return status;
}

pasta_status bench_simulate(struct bench *b, struct pasta_err *err)
{
    const int D = b->quick ? 32 : 768, W = b->quick ? 8 : 128, sessions = b->quick ? 20 : 2000;
    struct people people;
    people_make(&people, 3, (struct people_size){.dim = D, .types = K, .people = RECORDED, .pairs = TURNS * COLUMNS * EACH / 2, .strength = 1});
    char *records = pasta_path_join(b->scratch, "replay.jsonl"), *model = pasta_path_join(b->scratch, "simulated-model");
    char *out = pasta_path_join(b->scratch, "simulated"), *number = pasta_asprintf("simulate.sessions=%d", sessions);
    pasta_status status = write_sessions(&people, records, err);
    if (status == PASTA_OK)
        status = make_model(&people, K, W, model, err);
    char *argv[] = {beside(b, "pasta-simulate"), "--quiet", "--force", "--threads", "1", "--replay", records, "--features", people.folder,
                    "--user-model", model, "--set", number, "--out", out, NULL};
    struct command command = {argv, NAN};
    const char *settings = bench_text(b, "\"twin\": \"simulate\", \"types\": %d, \"dim\": %d, \"adapter\": %d, \"sessions\": %d, \"turns\": %d, "
                                         "\"columns\": %d, \"images\": %d", K, D, W, sessions, TURNS, COLUMNS, EACH);
    const struct bench_rival rivals[] = {{1, settings, NULL, ", turn by turn"}, {1, bench_text(b, "\"batch\": 250, %s", settings), NULL, ", 250 sessions at once"}};
    if (status == PASTA_OK)
        status = bench_beside_twins(b, (struct bench_side){command_run, &command, sessions, true, &command.memory},
                                    bench_text(b, "pasta-simulate --replay, K %d, D %d, W %d, 1 thread", K, D, W), "sessions/s", 0, NULL, rivals, 2, err);
    free(records);
    free(model);
    free(out);
    free(number);
    people_free(&people);
    return status;
}

/* --- evaluation of pairs --- */

pasta_status bench_evaluate(struct bench *b, struct pasta_err *err)
{
    const int D = b->quick ? 32 : 768, W = b->quick ? 8 : 128, users = b->quick ? 10 : 1000, resamples = b->quick ? 100 : 10000;
    struct people people;
    people_make(&people, 4, (struct people_size){.dim = D, .types = K, .people = users, .pairs = 14, .strength = 1});
    char *records = pasta_path_join(b->scratch, "pairs.jsonl"), *model = pasta_path_join(b->scratch, "evaluated-model");
    char *named = pasta_asprintf("K8=%s", model), *out = pasta_path_join(b->scratch, "evaluated"), *number = pasta_asprintf("evaluate.bootstrap=%d", resamples);
    struct pasta_str text = {0};
    for (size_t i = 0; i < people.pairs.n; i++)
        pasta_preference_print(&people.pairs.items[i], &text);
    pasta_status status = pasta_file_write(records, text.data, text.length, err);
    pasta_str_release(&text);
    if (status == PASTA_OK)
        status = make_model(&people, K, W, model, err);
    char *argv[] = {beside(b, "pasta-evaluate"), "--quiet", "--force", "--threads", "2", "--user-model", named, "--features", people.folder, "--preferences",
                    records, "--set", number, "--set", "evaluate.split=none", "--out", out, NULL};
    struct command command = {argv, NAN};
    const struct bench_rival rival = {2, bench_text(b, "\"twin\": \"evaluate\", \"types\": %d, \"dim\": %d, \"adapter\": %d, \"users\": %d, \"pairs\": %zu, "
                                                       "\"resamples\": %d", K, D, W, users, people.pairs.n, resamples), NULL, ""};
    if (status == PASTA_OK)
        status = bench_beside_twins(b, (struct bench_side){command_run, &command, (double)people.pairs.n, true, &command.memory},
                                    bench_text(b, "pasta-evaluate, %zu pairs of %d people, %d resamples", people.pairs.n, users, resamples), "pairs/s", 0,
                                    NULL, &rival, 1, err);
    free(records);
    free(model);
    free(named);
    free(out);
    free(number);
    people_free(&people);
    return status;
}

/* study_made.h: designs, slates and answers for tests of src/study, and a study that is driven by them while its journal is written. */
#ifndef STUDY_MADE_H
#define STUDY_MADE_H
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/study/events.h"
#include "../../src/study/steps.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"

enum { MADE_COLUMNS = 4, MADE_IMAGES = 2 };
static char folder[64];

static inline int made_setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-study-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int made_teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static inline const char *path_of(const char *name)
{
    static char paths[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static inline void write_text(const char *name, const char *text, size_t length)
{
    FILE *file = fopen(path_of(name), "w");
    if (!file || fwrite(text, 1, length, file) != length || fclose(file) != 0)
        abort();
}

static inline struct pasta_study_design made_design(int64_t places, uint32_t raters, int sessions_per_rater)
{
    static const char *arms[] = {"baseline", "pasta \"x\""};
    return (struct pasta_study_design){.seed = 7, .n_arms = 2, .arms = arms, .places = places, .raters = raters, .first_rater = 100,
                                       .sessions_per_rater = sessions_per_rater, .horizon = 4, .attention_rate = 0.5, .repeat_rate = 0.5,
                                       .idle_seconds = 60};
}

/* A session without turns, as pasta_rollout_begin makes it. */
static inline struct pasta_session made_session(const struct study *study, uint32_t person, int arm, struct pasta_arena *arena)
{
    return (struct pasta_session){.session_id = pasta_arena_printf(arena, "human-%d-%zu", arm, study->n),
                                  .rater_id = pasta_arena_printf(arena, "human-%06u", person),
                                  .agent = pasta_arena_strdup(arena, study->design.arms[arm]),
                                  .initial_prompt = pasta_arena_strdup(arena, "a cat, drawn \xc3\xa9 \"so\""), .source = PASTA_SOURCE_HUMAN,
                                  .seed = study->design.seed, .user_type = -1};
}

/* The printed slate of the session's next turn. Prompts hold what a rater must not be told. */
static inline char *made_turn(const struct pasta_session *s)
{
    struct pasta_image_ref images[MADE_COLUMNS][MADE_IMAGES];
    struct pasta_column columns[MADE_COLUMNS] = {0};
    char ids[MADE_COLUMNS][MADE_IMAGES][65], prompts[MADE_COLUMNS][64];
    struct pasta_str text = {0};
    for (int l = 0; l < MADE_COLUMNS; l++) {
        snprintf(prompts[l], sizeof prompts[l], "secret prompt %d of turn %d", l, s->n_turns + 1);
        for (int m = 0; m < MADE_IMAGES; m++) {
            snprintf(ids[l][m], sizeof ids[l][m], "%064llx",
                     (unsigned long long)pasta_hash64(s->session_id) * 1000 + (unsigned)(100 * s->n_turns + 10 * l + m));
            images[l][m] = (struct pasta_image_ref){ids[l][m], 4711};
        }
        columns[l] = (struct pasta_column){.prompt = prompts[l], .category = PASTA_STYLE, .candidate = -1, .n_images = MADE_IMAGES,
                                           .images = images[l]};
    }
    pasta_turn_print(&(struct pasta_turn){.n_columns = MADE_COLUMNS, .columns = columns, .choice = -1, .rating = NAN, .seconds = NAN},
                     s->n_turns + 1, &text);
    return pasta_str_take(&text);
}

/* An answer to what is on show, of the stream's choosing. The critique lives in `arena`. */
static inline struct study_answer made_answer(const struct study_session *session, struct pasta_rng *rng, struct pasta_arena *arena)
{
    struct study_answer a = {.step = step_number(&session->record), .choice = (int)pasta_rng_below(rng, MADE_COLUMNS), .rating = NAN,
                             .seconds = pasta_rng_below(rng, 3) ? (double)pasta_rng_below(rng, 10000) / 1000 : NAN};
    if (session->check)
        return a;
    if (pasta_rng_below(rng, 8) == 0)
        a.choice = -1;
    if (a.choice >= 0 && study_asks_versus(session))
        a.versus = (enum pasta_versus)(PASTA_WORSE + pasta_rng_below(rng, 3));
    if (pasta_rng_below(rng, 2))
        a.rating = 1 + (double)pasta_rng_below(rng, 19) / 2;
    if (pasta_rng_below(rng, 2))
        a.critique = pasta_arena_printf(arena, "too \"dark\"\n\tin %u \xf0\x9f\x8c\x99", pasta_rng_below(rng, 100));
    return a;
}

/* A study and its journal, in step with each other. */
struct made {
    struct study *study;
    struct pasta_str journal;
    double now;
};
static inline struct made made_open(const struct pasta_study_design *design)
{
    struct made m = {.study = study_new(design), .now = 1000.25};
    event_open(design, m.now, &m.journal);
    return m;
}

/* NULL: there is no place. */
static inline struct study_session *made_begin(struct made *m, uint32_t rater)
{
    const struct pasta_study_design *design = &m->study->design;
    struct pasta_arena arena = {0};
    int64_t block;
    int arm;
    if (!study_deal(m->study, &m->study->raters[rater], m->now, &arm, &block))
        return NULL;
    const struct pasta_session record = made_session(m->study, design->first_rater + rater, arm, &arena);
    event_start(&record, design->first_rater + rater, design->arms[arm], block, m->now, &m->journal);
    return study_begin(m->study, &record, &arena, design->first_rater + rater, arm, block, m->now);
}

static inline void made_show(struct made *m, struct study_session *session)
{
    struct pasta_str text = {0};
    struct pasta_err err = {0};
    struct pasta_check check;
    const bool is_check = step_next(&m->study->design, &session->record, session->index, &session->arena, &check) == STEP_CHECK;
    char *turn = is_check ? NULL : made_turn(&session->record);
    if (is_check)
        pasta_check_print(&check, &text);
    event_slate(session->record.session_id, is_check, is_check ? text.data : turn, m->now, &m->journal);
    if (event_show(session, is_check, is_check ? text.data : turn, "made", &err) != PASTA_OK)
        abort();
    pasta_str_release(&text);
    free(turn);
}

static inline void made_say(struct made *m, struct study_session *session, const struct study_answer *answer)
{
    event_answer(session->record.session_id, answer, m->now, &m->journal);
    study_answer(m->study, session, answer, m->now);
}

/* Shows what is next, and answers it. */
static inline void made_step(struct made *m, struct study_session *session, struct pasta_rng *rng)
{
    struct pasta_arena arena = {0};
    if (!session->shown)
        made_show(m, session);
    const struct study_answer answer = made_answer(session, rng, &arena);
    if (study_refuse(session, &answer, true))
        abort();
    made_say(m, session, &answer);
    pasta_arena_release(&arena);
}

static inline void made_close(struct made *m)
{
    study_free(m->study);
    pasta_str_release(&m->journal);
}

static inline pasta_status made_read(const char *text, size_t length, struct study **study, int64_t *restarts, struct pasta_err *err)
{
    write_text("journal.jsonl", text, length);
    return study_read(path_of("journal.jsonl"), study, restarts, err);
}
#endif

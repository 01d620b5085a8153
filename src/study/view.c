#include "view.h"

#include <string.h>

#include "pasta/base/json.h"
#include "steps.h"

static void put_sessions(const struct study *study, const struct study_rater *rater, struct pasta_str *out)
{
    int done = 0;
    for (int i = 0; i < rater->n_sessions; i++)
        done += rater->sessions[i]->ended;
    pasta_str_printf(out, ",\"sessions\":{\"done\":%d,\"of\":%d}", done, study->design.sessions_per_rater);
}

static void put_progress(const struct study *study, const struct study_rater *rater, const struct pasta_session *s, bool check,
                         struct pasta_str *out)
{
    const int turn = s->n_turns + !check; /* a check belongs to the turn that it follows */
    pasta_str_printf(out, ",\"step\":%d,\"progress\":{\"turn\":%d,\"of\":%d}", study_steps_before(rater) + step_number(s), turn,
                     study->design.horizon);
}

static void put_images(const struct pasta_column *column, struct pasta_str *out)
{
    for (int i = 0; i < column->n_images; i++) {
        pasta_str_add(out, i ? "," : "[");
        pasta_json_put_str(out, column->images[i].id);
    }
    pasta_str_addc(out, ']');
}

static void put_columns(const struct pasta_column *columns, int n, bool prompts, struct pasta_str *out)
{
    pasta_str_add(out, ",\"columns\":[");
    for (int l = 0; l < n; l++) {
        pasta_str_add(out, l ? ",{\"images\":" : "{\"images\":");
        put_images(&columns[l], out);
        if (prompts)
            pasta_json_field_str(out, "prompt", columns[l].prompt);
        pasta_str_addc(out, '}');
    }
    pasta_str_addc(out, ']');
}

static void put_check(const struct pasta_check *check, bool prompts, struct pasta_str *out)
{
    if (check->kind == PASTA_CHECK_ATTENTION)
        pasta_str_printf(out, ",\"instruction\":\"A check of attention: please choose column %d, whatever you like best.\"",
                         check->expected + 1);
    else
        pasta_str_add(out, ",\"instruction\":null,\"again\":true");
    put_columns(check->columns, check->n_columns, prompts, out);
    pasta_str_add(out, ",\"previous\":null,\"ask\":{\"versus\":false,\"rating\":false,\"critique\":false,\"none\":false}");
}

static const char *word(bool value)
{
    return value ? "true" : "false";
}

static void put_turn(const struct study_session *session, const struct pasta_study_settings *set, struct pasta_str *out)
{
    const struct pasta_session *s = &session->record;
    const bool versus = study_asks_versus(session);
    pasta_str_add(out, ",\"instruction\":null");
    put_columns(s->turns[s->n_turns].columns, s->turns[s->n_turns].n_columns, set->show_prompts, out);
    pasta_str_add(out, ",\"previous\":");
    if (versus) {
        const struct pasta_turn *last = &s->turns[s->n_turns - 1];
        put_images(&last->columns[last->choice], out);
    } else {
        pasta_str_add(out, "null");
    }
    pasta_str_printf(out, ",\"ask\":{\"versus\":%s,\"rating\":%s,\"critique\":%s,\"none\":%s}", word(versus), word(set->rating),
                     word(set->critique), word(set->none));
}

static void put_session(const struct study *study, const struct study_rater *rater, const struct study_session *session,
                        const struct pasta_study_settings *set, struct pasta_str *out)
{
    const struct pasta_session *s = &session->record;
    if (!session->shown) {
        pasta_str_printf(out, "{\"phase\":\"%s\"", session->plan.failures ? "trouble" : "preparing");
        put_progress(study, rater, s, false, out);
        return;
    }
    pasta_str_add(out, "{\"phase\":\"slate\"");
    put_progress(study, rater, s, session->check, out);
    pasta_json_field_str(out, "task", s->initial_prompt);
    if (session->check)
        put_check(&s->checks[s->n_checks], set->show_prompts, out);
    else
        put_turn(session, set, out);
}

void view_state(const struct study *study, const struct study_rater *rater, const struct view_settings *settings, double now,
                struct pasta_str *out)
{
    const struct study_session *session = study_current(rater);
    const bool all = rater->n_sessions == study->design.sessions_per_rater;
    int arm;
    int64_t block;
    if (session) {
        put_session(study, rater, session, settings->study, out);
    } else if (all || (rater->n_sessions && !study_deal(study, rater, now, &arm, &block))) {
        pasta_str_add(out, "{\"phase\":\"done\"");
        pasta_json_field_str(out, "text", *settings->study->completion ? settings->study->completion : NULL);
        put_sessions(study, rater, out);
    } else if (rater->n_sessions) {
        pasta_str_add(out, "{\"phase\":\"between\"");
        put_sessions(study, rater, out);
    } else if (study_deal(study, rater, now, &arm, &block)) {
        pasta_str_add(out, "{\"phase\":\"consent\"");
        pasta_json_field_str(out, "text", settings->consent);
        put_sessions(study, rater, out);
    } else {
        pasta_str_add(out, "{\"phase\":\"closed\"");
    }
    pasta_str_addc(out, '}');
}

bool view_waits(const struct study_rater *rater)
{
    const struct study_session *session = study_current(rater);
    return session && !session->shown;
}

static const struct pasta_image_ref *find_image(const struct pasta_column *column, const char *id)
{
    for (int i = 0; i < column->n_images; i++)
        if (strcmp(column->images[i].id, id) == 0)
            return &column->images[i];
    return NULL;
}

/* Checks show images of turns. */
const struct pasta_column *view_image(const struct study_rater *rater, const char *id, const struct study_session **session,
                                      const struct pasta_image_ref **image)
{
    for (int i = 0; i < rater->n_sessions; i++) {
        const struct study_session *s = rater->sessions[i];
        const int turns = s->record.n_turns + (s->shown && !s->check);
        for (int t = 0; t < turns; t++)
            for (int l = 0; l < s->record.turns[t].n_columns; l++)
                if ((*image = find_image(&s->record.turns[t].columns[l], id)) != NULL) {
                    *session = s;
                    return &s->record.turns[t].columns[l];
                }
    }
    return NULL;
}

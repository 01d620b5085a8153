/* Whole sessions as image strips: the first evaluate.strips raters, not chosen ones, with every agent. */
#include <math.h>
#include <stdlib.h>

#include "evaluate_report.h"

pasta_status evaluate_draw(const struct pasta_sketch *sketch, const char *prompt, uint64_t seed, struct pasta_str *png,
                           struct pasta_err *err)
{
    struct pasta_t2i t2i = pasta_sketch_t2i((struct pasta_sketch *)sketch);
    struct pasta_image image = {0};
    pasta_status status = t2i.draw(t2i.ctx, prompt, seed, &image, err);
    if (status == PASTA_OK)
        status = pasta_png_encode(&image, NULL, 0, png, err);
    pasta_image_release(&image);
    return status;
}

static int versus_sign(enum pasta_versus versus)
{
    switch (versus) {
    case PASTA_WORSE: return -1;
    case PASTA_SAME: return 0;
    case PASTA_BETTER: return 1;
    case PASTA_VERSUS_NONE: break;
    }
    return 2;
}

static pasta_status fill_turn(const struct evaluate_agents *a, const struct pasta_turn *turn, double utility, struct pasta_arena *arena,
                              struct pasta_str *pngs, int *used, struct pasta_strip_turn *out, struct pasta_err *err)
{
    struct pasta_strip_column *columns = pasta_arena_alloc(arena, (size_t)turn->n_columns * sizeof *columns);
    for (int l = 0; l < turn->n_columns; l++) {
        const struct pasta_column *column = &turn->columns[l];
        bool scored = turn->scores && column->candidate >= 0 && column->candidate < turn->n_candidates;
        columns[l] = (struct pasta_strip_column){.prompt = column->prompt, .category = pasta_category_names[column->category],
                                                 .score = scored ? turn->scores[column->candidate] : NAN, .images = pngs + *used,
                                                 .n_images = column->n_images, .chosen = l == turn->choice};
        for (int m = 0; m < column->n_images; m++) {
            pasta_status status = evaluate_draw(a->sketch, column->prompt, column->images[m].seed, &pngs[(*used)++], err);
            if (status != PASTA_OK)
                return status;
        }
    }
    *out = (struct pasta_strip_turn){columns, turn->n_columns, turn->rating, versus_sign(turn->versus), utility};
    return PASTA_OK;
}

static pasta_status put_session(const struct evaluate_agents *a, int agent, int64_t rater, bool open, struct pasta_report *report,
                                struct pasta_err *err)
{
    const struct evaluate_agent *from = &a->agents[agent];
    const struct pasta_session *s = &from->sessions.items[rater];
    struct pasta_arena arena = {0};
    int images = 0, used = 0;
    double sum = 0;
    for (int t = 0; t < s->n_turns; t++)
        for (int l = 0; l < s->turns[t].n_columns; l++)
            images += s->turns[t].columns[l].n_images;
    struct pasta_str *pngs = pasta_calloc((size_t)images + 1, sizeof *pngs);
    struct pasta_strip_turn *turns = pasta_arena_alloc(&arena, (size_t)s->n_turns * sizeof *turns);
    pasta_status status = PASTA_OK;
    for (int t = 0; t < s->n_turns && status == PASTA_OK; t++) {
        status = fill_turn(a, &s->turns[t], from->utility[rater * a->horizon + t], &arena, pngs, &used, &turns[t], err);
        sum += s->turns[t].rating;
    }
    if (status == PASTA_OK) {
        struct pasta_strip strip = {.title = from->name, .turns = turns, .n_turns = s->n_turns, .open = open};
        strip.detail = isnan(sum) ? "" : pasta_arena_printf(&arena, "mean rating %.1f, last %g", sum / s->n_turns,
                                                            s->turns[s->n_turns - 1].rating);
        pasta_report_strip(report, &strip);
    }
    for (int i = 0; i < used; i++)
        pasta_str_release(&pngs[i]);
    free(pngs);
    pasta_arena_release(&arena);
    return status;
}

pasta_status evaluate_report_sessions(const struct evaluate_results *r, struct pasta_report *report, struct pasta_err *err)
{
    const struct evaluate_agents *a = r->agents;
    int64_t strips = r->context->config.evaluate.strips;
    if (!a || strips == 0)
        return PASTA_OK;
    pasta_report_section(report, "sessions", "Whole sessions",
                         "The first raters, not selected ones, with each agent. A row is a turn and a box is a column of the slate, in "
                         "the order in which the rater saw them, with the agent's score beside the category; the rater sees images only, "
                         "never the prompts. The column that the rater chose has a thick frame and a tick.");
    pasta_status status = PASTA_OK;
    for (int64_t rater = 0; rater < strips && rater < a->raters && status == PASTA_OK; rater++) {
        const struct pasta_session *s = &a->agents[0].sessions.items[rater];
        char *title = pasta_asprintf("\xe2\x80\x9c%s\xe2\x80\x9d", s->initial_prompt); /* in typographic quotes */
        uint32_t person;
        const bool known = s->source == PASTA_SOURCE_SKETCH && evaluate_sketch_person(s->rater_id, &person);
        char *text = known ? pasta_asprintf("%s, true type %d", s->rater_id, pasta_sketch_type_of(r->sketch, s->seed, person))
                           : pasta_strdup(s->rater_id);
        pasta_report_subsection(report, title, text);
        int last_given = a->n - 1 > 2 ? a->n - 2 : 1;
        for (int i = 0; i < a->n && status == PASTA_OK; i++)
            status = put_session(a, i, rater, rater == 0 && i == last_given, report, err);
        free(title);
        free(text);
    }
    return status;
}

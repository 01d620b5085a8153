#include "played.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pasta/io/record.h"
#include "webdriver.h"

static const char *const versus_names[] = {[PASTA_WORSE] = "worse", [PASTA_SAME] = "same", [PASTA_BETTER] = "better"};

static const char *text(const char *may_be_none)
{
    return may_be_none ? may_be_none : "(none)";
}

static void same_column(const char *where, const struct played_step *step, const struct pasta_column *columns, int n, int choice)
{
    if (choice < 0 || choice >= n)
        browser_fail("%s: expected a choice, found none", where);
    if (choice != step->column || strcmp(columns[choice].images[0].id, step->image) != 0)
        browser_fail("%s: clicked column %d with image %.8s, recorded column %d with image %.8s", where, step->column, step->image, choice,
                     columns[choice].images[0].id);
}

static void same_turn(const char *where, const struct played_step *step, const struct pasta_turn *turn)
{
    same_column(where, step, turn->columns, turn->n_columns, turn->choice);
    const char *versus = turn->versus == PASTA_VERSUS_NONE ? NULL : versus_names[turn->versus];
    if (strcmp(text(versus), text(step->versus)) != 0)
        browser_fail("%s: clicked %s, recorded %s", where, text(step->versus), text(versus));
    if ((isnan(turn->rating) ? 0 : turn->rating) != step->rating)
        browser_fail("%s: rated %d, recorded %g", where, step->rating, turn->rating);
    if (strcmp(text(turn->critique), text(step->critique)) != 0)
        browser_fail("%s: typed '%s', recorded '%s'", where, text(step->critique), text(turn->critique));
    if (!(turn->seconds >= 0 && turn->seconds < 600))
        browser_fail("%s: expected seconds, found %g", where, turn->seconds);
}

static void same_session(const struct played *game, const struct pasta_session *s)
{
    int turns = 0, checks = 0;
    for (int i = 0; i < game->n; i++) {
        char where[128];
        snprintf(where, sizeof where, "%s, step %d", game->rater, i + 1);
        if (game->steps[i].check ? checks == s->n_checks : turns == s->n_turns)
            browser_fail("%s: answered, but not recorded", where);
        if (game->steps[i].check) {
            const struct pasta_check *check = &s->checks[checks++];
            same_column(where, &game->steps[i], check->columns, check->n_columns, check->choice);
            if (check->after_turn != turns)
                browser_fail("%s: a check after turn %d, recorded after turn %d", where, turns, check->after_turn);
        } else {
            same_turn(where, &game->steps[i], &s->turns[turns++]);
        }
    }
    if (turns != s->n_turns || checks != s->n_checks)
        browser_fail("%s: answered %d turns and %d checks, recorded %d and %d", game->rater, turns, checks, s->n_turns, s->n_checks);
}

void played_check(const char *path, const struct played *games, int n)
{
    struct pasta_sessions sessions = {0};
    struct pasta_err err = {0};
    if (pasta_sessions_read(path, 0, NULL, &sessions, &err) != PASTA_OK)
        browser_fail("%s", err.message);
    if (sessions.n != (size_t)n)
        browser_fail("%s: played %d sessions, recorded %zu", path, n, sessions.n);
    for (int g = 0; g < n; g++) {
        int earlier = 0, found = 0;
        for (int h = 0; h < g; h++)
            earlier += strcmp(games[h].rater, games[g].rater) == 0;
        for (size_t i = 0; i < sessions.n; i++)
            if (strcmp(sessions.items[i].rater_id, games[g].rater) == 0 && found++ == earlier)
                same_session(&games[g], &sessions.items[i]);
        if (found <= earlier)
            browser_fail("%s: expected session %d of %s, found %d", path, earlier + 1, games[g].rater, found);
    }
    pasta_sessions_release(&sessions);
}

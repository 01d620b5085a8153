/* record.h: the data contract's records, in memory and as JSONL lines.
 *
 * `pasta.session/1`, `pasta.preference/1`, `pasta.rating/1`, `pasta.ranking/1`; one record a line. Strings and arrays of a
 * record live in the arena that was given to the reader. Writing is canonical: same record, same bytes.
 *
 *     struct pasta_sessions s = {0};
 *     pasta_sessions_read(path, 0, &s, &err);     // appends; call again to mix files
 *     pasta_sessions_release(&s);
 */
#ifndef PASTA_IO_RECORD_H
#define PASTA_IO_RECORD_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/dims.h"
#include "pasta/base/err.h"
#include "pasta/base/mem.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"

enum pasta_category { PASTA_REPHRASE, PASTA_EXPAND, PASTA_STYLE, PASTA_SUBJECT, PASTA_CREATIVE };
extern const char *const pasta_category_names[PASTA_CATEGORIES];
enum pasta_source { PASTA_SOURCE_HUMAN, PASTA_SOURCE_SKETCH, PASTA_SOURCE_SIMULATED };
enum pasta_versus { PASTA_VERSUS_NONE, PASTA_WORSE, PASTA_SAME, PASTA_BETTER }; /* answer against the turn before */
enum { PASTA_VERSUS = 4 };
extern const char *const pasta_versus_names[PASTA_VERSUS]; /* by the enum; "none" first */
enum pasta_check_kind { PASTA_CHECK_ATTENTION, PASTA_CHECK_REPEAT };

struct pasta_image_ref {
    const char *id;  /* SHA-256 of what made the image; file images/ab/ID.png, ab the first two digits */
    uint64_t seed;   /* below 2^53, so that JSON keeps it */
};
struct pasta_candidate {
    const char *prompt;
    enum pasta_category category;
};
struct pasta_column {            /* one column of a slate */
    const char *prompt;
    enum pasta_category category;
    int candidate;               /* index into the turn's candidates; -1 unknown, or none recorded */
    int n_images;                /* M */
    struct pasta_image_ref *images;
};
struct pasta_turn {
    int n_candidates;            /* C; 0 when not recorded */
    struct pasta_candidate *candidates;
    double *scores;              /* the agent's score of each candidate [C], or NULL */
    int n_columns;               /* L */
    struct pasta_column *columns;
    int choice;                  /* column index, -1: none */
    double rating;               /* 1..10, NAN: none */
    enum pasta_versus versus;    /* NONE in turn 1 and where not asked */
    const char *critique;        /* or NULL */
    double seconds;              /* NAN: not recorded */
};
struct pasta_exploration {       /* how slates were drawn from the turns' scores (agent/slate_law.h) */
    bool recorded;
    double epsilon;              /* probability of a slate at random */
    double temperature;          /* of the Gumbel noise on the scores of the others */
};
struct pasta_check {             /* shown between turns to learn about the rater: no part of the session's course */
    int after_turn;              /* 0..n_turns */
    enum pasta_check_kind kind;
    int n_columns;
    struct pasta_column *columns; /* of a repeat: those of turn repeat_of, in any order; pasta_column_in says which is which */
    int expected;                /* attention: the column that whoever looks chooses; -1: a repeat, which expects the choice of repeat_of */
    int repeat_of;               /* repeat: the number of a turn, 1..after_turn; 0: an attention check */
    int choice;                  /* column index of this slate, -1: none */
    double seconds;              /* NAN: not recorded */
};
struct pasta_session {
    const char *session_id, *rater_id, *agent, *initial_prompt;
    const char *generator;       /* who wrote the candidates, as "openai/gemini-1.5-flash"; NULL: not recorded */
    const char *template_hash;   /* SHA-256 of the prompt template that it was asked with; NULL where there is none */
    struct pasta_exploration exploration;
    enum pasta_source source;
    uint64_t seed;               /* below 2^53 */
    int user_type;               /* -1: unknown */
    double *turn_utility;        /* true utility of the chosen column per turn [n_turns], or NULL: in memory only, never written */
    int n_turns;
    struct pasta_turn *turns;    /* turn number = index + 1 */
    int n_checks;                /* 0 when there were none */
    struct pasta_check *checks;  /* in the order in which they were shown */
};
struct pasta_preference {
    const char *prompt, *image[2], *user_id; /* user_id may be NULL */
    double label;                /* 1: first image preferred, 0: second, 0.5: tie */
};
struct pasta_rating {
    const char *prompt, *image, *user_id;
    double rating, lo, hi;       /* scale [lo, hi] */
};
struct pasta_ranking {
    const char *prompt, *user_id;
    int n;
    const char **images;         /* [n] */
    double *ranks;               /* [n], 1 = best, ties allowed */
};
struct cJSON;                    /* base/json.h */

struct pasta_sessions { struct pasta_arena arena; struct pasta_session *items; size_t n, capacity; };
struct pasta_preferences { struct pasta_arena arena; struct pasta_preference *items; size_t n, capacity; };
struct pasta_ratings { struct pasta_arena arena; struct pasta_rating *items; size_t n, capacity; };
struct pasta_rankings { struct pasta_arena arena; struct pasta_ranking *items; size_t n, capacity; };

/* Read a .jsonl or .jsonl.gz and append. A bad line is `FILE:LINE: field: expected X, found Y`; up to skip_bad such lines of the
 * file are passed over; *skipped (may be NULL) is their number. Blank lines are no records, unknown fields are ignored. A file
 * without a good record, or a damaged gzip stream, is PASTA_ERR_INPUT. On error `out` holds what it held. */
pasta_status pasta_sessions_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_sessions *out,
                                 struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_preferences_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_preferences *out,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_ratings_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_ratings *out,
                                struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_rankings_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_rankings *out,
                                 struct pasta_err *err) PASTA_MUST_CHECK;
/* Parse one line into *out (strings in arena). `where` is "FILE:LINE". */
pasta_status pasta_session_parse(const char *line, size_t length, const char *where, struct pasta_arena *arena, struct pasta_session *out,
                                 struct pasta_err *err) PASTA_MUST_CHECK;
/* As pasta_session_parse for a session that is under way, perhaps without turns yet, and a tree that was parsed already: part of a larger
 * record, to which `where` leads. What is read from the tree is copied. */
pasta_status pasta_session_parse_open(const struct cJSON *object, const char *where, struct pasta_arena *arena, struct pasta_session *out,
                                      struct pasta_err *err) PASTA_MUST_CHECK;
/* One turn, the number-th from 1, as it stands in a session; a turn without an answer says "choice":null. */
pasta_status pasta_turn_parse(const struct cJSON *object, int number, const char *where, struct pasta_arena *arena, struct pasta_turn *out,
                              struct pasta_err *err) PASTA_MUST_CHECK;
/* One check of a session: its after_turn and repeat_of are numbers of the turns of `s`. */
pasta_status pasta_check_parse(const struct cJSON *object, const struct pasta_session *s, const char *where, struct pasta_arena *arena,
                               struct pasta_check *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* The first column of the turn with the same prompt and the same images in the same order; -1: none. */
int pasta_column_in(const struct pasta_turn *turn, const struct pasta_column *column);
/* Append one line with its newline, or the object that stands for a turn or a check in it. Rankings are only read. */
void pasta_session_print(const struct pasta_session *s, struct pasta_str *out);
void pasta_turn_print(const struct pasta_turn *turn, int number, struct pasta_str *out);
void pasta_check_print(const struct pasta_check *check, struct pasta_str *out);
void pasta_preference_print(const struct pasta_preference *p, struct pasta_str *out);
void pasta_rating_print(const struct pasta_rating *r, struct pasta_str *out);
void pasta_sessions_release(struct pasta_sessions *s);
void pasta_preferences_release(struct pasta_preferences *p);
void pasta_ratings_release(struct pasta_ratings *r);
void pasta_rankings_release(struct pasta_rankings *r);

/* Initial prompts: .txt (a line each), .tsv (header with a `Prompt`/`prompt`/`text` column), .jsonl (`text` or `prompt`); .gz of each.
 * Blank lines are passed over; an empty file is PASTA_ERR_INPUT. */
struct pasta_prompts { struct pasta_arena arena; const char **items; size_t n, capacity; };
pasta_status pasta_prompts_read(const char *path, struct pasta_prompts *out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_prompts_release(struct pasta_prompts *p);
/* The same one at a time. `exact`: texts as they are, which .txt lines and JSON's `text` may well be empty or hold newlines (a byte order
 * mark, line ends and .tsv aside), and a name without a known extension is one of .txt. */
struct pasta_prompt_lines {
    struct pasta_lines lines;    /* lines.path and lines.number say where the prompt stands */
    int format, column;
    bool exact;
    struct pasta_str text;
};
pasta_status pasta_prompt_lines_open(struct pasta_prompt_lines *p, const char *path, bool exact, struct pasta_err *err) PASTA_MUST_CHECK;
/* *text is NULL at the end, else valid until the next call. */
pasta_status pasta_prompt_lines_next(struct pasta_prompt_lines *p, const char **text, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_prompt_lines_close(struct pasta_prompt_lines *p); /* legal on a zeroed struct */
#endif

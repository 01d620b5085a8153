/* played.h: what was answered in the browser, to be held against the records. */
#ifndef PASTA_TESTS_PLAYED_H
#define PASTA_TESTS_PLAYED_H
#include <stdbool.h>

struct played_step {
    bool check;              /* of attention, or a slate that came again */
    int column;              /* from 0, as it stood on the page */
    char *image;             /* id of that column's first image */
    const char *versus;      /* "better", "same", "worse"; NULL: not asked */
    int rating;              /* 0: none */
    const char *critique;    /* NULL: none */
};
enum { PLAYED_STEPS = 64 };
struct played {
    char *rater;
    int before;              /* steps of the rater's sessions before this one */
    int n;
    struct played_step steps[PLAYED_STEPS];
};

/* Every session of the file is one of `games`, answer by answer and in order, and the other way round; those of one rater in the order in
 * which they were played. Ends the test where not. */
void played_check(const char *sessions, const struct played *games, int n);
#endif

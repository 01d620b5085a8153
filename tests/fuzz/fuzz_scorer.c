/* fuzz_scorer.c: any line as each of the three that a scorer and who asks it exchange; a question that is accepted is written so that it
 * reads back as itself. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "pasta/io/scorer.h"

static void write_and_read(const struct pasta_score_request *request)
{
    struct pasta_arena arena = {0};
    struct pasta_str once = {0}, twice = {0};
    struct pasta_score_request again;
    struct pasta_err err = {0};
    pasta_score_request_print(request, &once);
    assert(pasta_score_request_parse(once.data, once.length, "written", &arena, &again, &err) == PASTA_OK);
    pasta_score_request_print(&again, &twice);
    assert(strcmp(once.data, twice.data) == 0);
    pasta_str_release(&once);
    pasta_str_release(&twice);
    pasta_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { N = 3 };
    const char *line = (const char *)data;
    struct pasta_arena arena = {0};
    struct pasta_score_request request;
    struct pasta_err err[3] = {0};
    double scores[N];
    const pasta_status status[] = {pasta_score_request_parse(line, size, "asked", &arena, &request, &err[0]),
                                   pasta_scores_parse(line, size, "answer", N, scores, &err[1]),
                                   pasta_scorer_parse(line, size, "first line", &err[2])};
    for (int i = 0; i < 3; i++)
        assert(status[i] == PASTA_OK || ((status[i] == PASTA_ERR_INPUT || (i == 1 && status[i] == PASTA_ERR_FAILED)) && err[i].message[0]));
    if (status[0] == PASTA_OK)
        write_and_read(&request);
    for (int i = 0; i < N && status[1] == PASTA_OK; i++)
        assert(isfinite(scores[i]));
    pasta_arena_release(&arena);
    return 0;
}

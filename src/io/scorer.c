#include "pasta/io/scorer.h"

#include <string.h>

#include "record_slate.h"

static const char *const request_schema = "pasta.score_request/1";
static const char *const scorer_schema = "pasta.scorer/1";

/* --- writing --- */

void pasta_score_request_print(const struct pasta_score_request *request, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"schema\":\"%s\",\"session\":", request_schema);
    pasta_session_print(request->session, out);
    out->data[out->length - 1] = ','; /* its newline */
    pasta_str_printf(out, "\"person\":%u,\"index\":%u", request->person, request->index);
    pasta_candidates_print(request->candidates, request->n, out);
    pasta_str_add(out, "}\n");
}

void pasta_scores_print(const double *scores, int n, struct pasta_str *out)
{
    pasta_str_addc(out, '{');
    pasta_put_numbers(out, "scores", scores, n);
    pasta_str_add(out, "}\n");
}

void pasta_scores_print_error(const char *sentence, struct pasta_str *out)
{
    pasta_str_add(out, "{\"error\":");
    pasta_json_put_str(out, sentence);
    pasta_str_add(out, "}\n");
}

void pasta_scorer_print(const char *name, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"schema\":\"%s\"", scorer_schema);
    pasta_json_field_str(out, "name", name);
    pasta_str_add(out, "}\n");
}

/* --- reading --- */

/* The session says where it stands in the request. */
static const struct pasta_session *parse_session(struct pasta_fields *f, const cJSON *tree)
{
    struct pasta_session *session = pasta_arena_alloc(f->arena, sizeof *session);
    const char *where = pasta_arena_printf(f->arena, "%s: session", f->where);
    f->status = pasta_session_parse_open(cJSON_GetObjectItemCaseSensitive(tree, "session"), where, f->arena, session, f->err);
    return session;
}

pasta_status pasta_score_request_parse(const char *line, size_t length, const char *where, struct pasta_arena *arena,
                                       struct pasta_score_request *out, struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .arena = arena, .err = err};
    cJSON *tree = pasta_fields_begin(&f, line, length, request_schema);
    if (!tree)
        return f.status;
    struct pasta_score_request r = {.session = parse_session(&f, tree)};
    r.person = (uint32_t)pasta_fields_int(&f, NULL, tree, "person", 0, UINT32_MAX);
    r.index = (uint32_t)pasta_fields_int(&f, NULL, tree, "index", 0, UINT32_MAX);
    r.candidates = pasta_candidates_parse(&f, NULL, tree, &r.n);
    cJSON_Delete(tree);
    if (f.status == PASTA_OK)
        *out = r;
    return f.status;
}

pasta_status pasta_scores_parse(const char *line, size_t length, const char *where, int n, double *scores, struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .err = err};
    cJSON *tree = NULL;
    if ((f.status = pasta_json_parse(line, length, where, &tree, err)) != PASTA_OK)
        return f.status;
    if (pasta_fields_object(&f, NULL, tree) && pasta_json_has(tree, "error")) {
        const char *sentence = pasta_fields_text(&f, NULL, tree, "error");
        if (f.status == PASTA_OK)
            f.status = pasta_fail(err, PASTA_ERR_FAILED, "%s", sentence);
    }
    if (f.status == PASTA_OK)
        pasta_fields_numbers(&f, NULL, tree, "scores", n, scores);
    cJSON_Delete(tree);
    return f.status;
}

pasta_status pasta_scorer_parse(const char *line, size_t length, const char *where, struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .err = err};
    cJSON *tree = pasta_fields_begin(&f, line, length, scorer_schema);
    if (tree)
        pasta_fields_text(&f, NULL, tree, "name");
    cJSON_Delete(tree);
    return f.status;
}

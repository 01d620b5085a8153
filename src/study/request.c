#include "request.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "pasta/base/json.h"

/* --- paths --- */

static bool is_image(const char *name, struct request *out)
{
    enum { ID = 64 };
    if (strspn(name, "0123456789abcdef") != ID || strcmp(name + ID, ".png") != 0)
        return false;
    out->name = name;
    out->name_length = ID;
    return true;
}

struct request request_route(const char *path)
{
    static const struct { const char *name; enum route route; bool post; } below[] = {
        {"", ROUTE_PAGE, false}, {"state", ROUTE_STATE, false}, {"start", ROUTE_START, true}, {"draft", ROUTE_DRAFT, true},
        {"answer", ROUTE_ANSWER, true}};
    struct request r = {.route = ROUTE_NONE};

    if (pasta_starts_with(path, "/assets/") && strlen(path) < 64) {
        r.route = ROUTE_ASSET;
        r.name = path + strlen("/assets/");
        r.name_length = strlen(r.name);
        return r;
    }
    if (!pasta_starts_with(path, "/r/"))
        return r;
    r.token = path + strlen("/r/");
    r.token_length = strcspn(r.token, "/");
    const char *rest = r.token + r.token_length;
    if (!*rest)
        r.route = ROUTE_MOVED;
    if (*rest++ != '/')
        return r;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        if (strcmp(rest, below[i].name) == 0) {
            r.route = below[i].route;
            r.post = below[i].post;
        }
    if (pasta_starts_with(rest, "image/") && is_image(rest + strlen("image/"), &r))
        r.route = ROUTE_IMAGE;
    return r;
}

/* --- headers --- */

/* "https://host:port" without its scheme: behind another server that speaks TLS ours does not know it. NULL: no such origin. */
static const char *after_scheme(const char *origin)
{
    const char *at = strstr(origin, "://");
    return at ? at + strlen("://") : NULL;
}

bool request_same_origin(const char *origin, const char *host, const char *site, const char *public_url)
{
    if (site && strcasecmp(site, "same-origin") != 0)
        return false;
    if (!origin) /* browsers send it with every post: this is none */
        return true;
    const char *from = after_scheme(origin), *own = *public_url ? after_scheme(public_url) : NULL;
    if (!from || !*from)
        return false;
    if (host && strcasecmp(from, host) == 0)
        return true;
    const size_t length = own ? strcspn(own, "/") : 0;
    return length > 0 && strlen(from) == length && strncasecmp(from, own, length) == 0;
}

bool request_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    if (!content_type || strncasecmp(content_type, json, sizeof json - 1) != 0)
        return false;
    const char next = content_type[sizeof json - 1];
    return next == '\0' || next == ';' || next == ' ' || next == '\t';
}

/* --- bodies --- */

static cJSON *object_of(const char *body, size_t length, const char **problem)
{
    cJSON *tree = NULL;
    if (pasta_json_parse(body ? body : "", length, "body", &tree, NULL) != PASTA_OK || !cJSON_IsObject(tree)) {
        cJSON_Delete(tree);
        *problem = "expected a JSON object";
        return NULL;
    }
    return tree;
}

bool request_start(const char *body, size_t length, const char **problem)
{
    cJSON *tree = object_of(body, length, problem);
    const bool agreed = tree && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "consent"));
    if (tree && !agreed)
        *problem = "expected consent";
    cJSON_Delete(tree);
    return agreed;
}

/* A number that may be missing or null. */
static bool number(const cJSON *tree, const char *key, double min, double max, double *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, key);
    *out = NAN;
    if (!item || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= min && item->valuedouble <= max))
        return false;
    *out = item->valuedouble;
    return true;
}

static bool versus(const cJSON *tree, enum pasta_versus *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, "versus");
    *out = PASTA_VERSUS_NONE;
    if (!item || cJSON_IsNull(item))
        return true;
    for (int v = PASTA_WORSE; v <= PASTA_BETTER && cJSON_IsString(item); v++)
        if (strcmp(item->valuestring, pasta_versus_names[v]) == 0)
            *out = (enum pasta_versus)v;
    return *out != PASTA_VERSUS_NONE;
}

static bool critique(const cJSON *tree, struct pasta_arena *arena, const char **out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, "critique");
    *out = NULL;
    if (!item || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsString(item) || strlen(item->valuestring) > CRITIQUE_MAX)
        return false;
    const char *text = pasta_trim(pasta_arena_strdup(arena, item->valuestring));
    *out = *text ? text : NULL;
    return true;
}

bool request_answer(const char *body, size_t length, struct pasta_arena *arena, struct study_answer *out, const char **problem)
{
    cJSON *tree = object_of(body, length, problem);
    struct study_answer answer;
    double step = NAN, choice = NAN;

    if (!tree)
        return false;
    *problem = NULL;
    if (!number(tree, "step", 1, 1e9, &step) || isnan(step) || step != floor(step))
        *problem = "expected a step";
    else if (!number(tree, "choice", 0, PASTA_MAX_SLATE - 1, &choice) || (!isnan(choice) && choice != floor(choice)))
        *problem = "expected a column";
    else if (!versus(tree, &answer.versus))
        *problem = "expected better, same or worse";
    else if (!number(tree, "rating", 1, 10, &answer.rating))
        *problem = "expected a rating from 1 to 10";
    else if (!number(tree, "seconds", 0, 1e7, &answer.seconds))
        *problem = "expected seconds";
    else if (!critique(tree, arena, &answer.critique))
        *problem = "expected a shorter text";
    cJSON_Delete(tree);
    if (*problem)
        return false;
    answer.step = (int)step;
    answer.choice = isnan(choice) ? -1 : (int)choice;
    *out = answer;
    return true;
}

/* request.h: what a browser asks for, before anything is done about it. Pure functions of untrusted bytes. */
#ifndef PASTA_SRC_STUDY_REQUEST_H
#define PASTA_SRC_STUDY_REQUEST_H
#include "state.h"

enum route {
    ROUTE_NONE,
    ROUTE_MOVED, /* to the same with a slash */
    ROUTE_PAGE, ROUTE_ASSET, ROUTE_STATE, ROUTE_IMAGE, ROUTE_START, ROUTE_DRAFT, ROUTE_ANSWER,
};
enum {
    REQUEST_BODY_MAX = 16384,     /* bytes */
    CRITIQUE_MAX = 4000,          /* bytes of UTF-8 */
};
struct request {
    enum route route;
    bool post;                    /* the method that the route takes, else GET (or HEAD) */
    const char *token;            /* within the path; not NUL-terminated */
    size_t token_length;
    const char *name;             /* of an asset, or the id of an image, 64 hexadecimal digits; within the path */
    size_t name_length;
};
/* ROUTE_NONE: there is no such place. The path as it was sent, without a query; nothing in it is decoded: none of our paths needs it. */
struct request request_route(const char *path);

/* May a page of origin `origin` (the header, NULL: none was sent) post here? `host`: the Host header, or NULL; `public_url`: where raters
 * find the server, "" where it is their own address. `site`: Sec-Fetch-Site, or NULL. */
bool request_same_origin(const char *origin, const char *host, const char *site, const char *public_url);
bool request_is_json(const char *content_type); /* NULL: no */

/* Bodies. False: *problem is a sentence for the sender. Strings are copied into `arena`. An empty critique is none. */
bool request_start(const char *body, size_t length, const char **problem);
bool request_answer(const char *body, size_t length, struct pasta_arena *arena, struct study_answer *out, const char **problem);
#endif

/* page.h: the rater's page as bytes, compiled in from page.html and what stands beside it.
 *
 *     for (const struct page_asset *a = page_assets; a->name; a++)
 *         if (strcmp(a->name, name) == 0)
 *             return a;
 *
 * page.html is what /r/TOKEN/ serves; every other asset is /assets/NAME. The page refers to them, and to its rater's own paths, by
 * relative addresses alone. It holds with this policy:
 *   default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';
 *   frame-ancestors 'none'
 * The table is made from the files by scripts/embed-assets; a changed file is compiled anew.
 */
#ifndef PASTA_STUDY_PAGE_H
#define PASTA_STUDY_PAGE_H
#include <stddef.h>

struct page_asset {
    const char *name;            /* "page.css" */
    const char *type;            /* Content-Type */
    const unsigned char *bytes;  /* not NUL-terminated */
    size_t length;
};
extern const struct page_asset page_assets[]; /* page.html first; ends with a name of NULL */
#endif

/* library.h: ready images and prompts from a JSONL index, for published data: t2i.kind=library, generator.kind=library.
 *
 *     {"schema":"pasta.library/1","prompt":"a red kite over dunes","images":["kite/0.png","kite/1.png"],
 *      "initial_prompt":"a kite","category":"expand"}
 *
 * `images` are paths relative to the index's folder, which nothing may lead out of. `initial_prompt` and `category`, both or neither, make
 * the prompt a candidate of the sessions that start from that initial prompt. A prompt may have several rows; its images are those of all
 * of them, in the order of the file, each path once.
 */
#ifndef PASTA_SRC_WORLD_LIBRARY_H
#define PASTA_SRC_WORLD_LIBRARY_H
#include "pasta/world/backend.h"

struct library; /* read-only after opening, safe from several threads */
pasta_status library_open(const char *path, struct library **out, struct pasta_err *err) PASTA_MUST_CHECK;
void library_close(struct library *library); /* NULL is legal */
/* PASTA_ERR_INPUT names the first image whose file is not there; images are read when they are drawn. */
pasta_status library_find_files(const struct library *library, struct pasta_err *err) PASTA_MUST_CHECK;
/* Valid until then. Of a session's candidates those that it has not been shown come first; categories and prompts stand in the order of the
 * file. */
struct pasta_generator library_generator(struct library *library);
/* Images of any size; seed s draws image s mod n. */
struct pasta_t2i library_t2i(struct library *library);
#endif

/* metrics.h: training curves, as metrics.jsonl and TensorBoard event files side by side.
 *
 *     pasta_metrics_open(&m, "runs/x", resume_step, &err);   // drops rows beyond resume_step
 *     pasta_metrics_put(m, step, "loss/v", loss);
 *     pasta_metrics_flush(m, &err);
 *
 * metrics.jsonl: {"schema":"pasta.metrics/1","step":S,NAME:value,...} a row; NaN and infinities are null. The event file is
 * `events.out.tfevents.0.pasta` and holds the same rows as floats; its wall times are the steps, so that neither file depends on the
 * clock and a resumed run leaves the bytes of an uninterrupted one.
 */
#ifndef PASTA_IO_METRICS_H
#define PASTA_IO_METRICS_H
#include <stdint.h>
#include "pasta/base/err.h"
struct pasta_metrics;
/* resume_step < 0: a fresh run, existing curves are replaced; otherwise rows with step > resume_step are removed. */
pasta_status pasta_metrics_open(struct pasta_metrics **out, const char *dir, int64_t resume_step, struct pasta_err *err) PASTA_MUST_CHECK;
/* Values of one step are gathered into one row; a new step ends the row before. Steps are >= 0; a name given twice in a row keeps
 * the later value; "step" and "schema" are taken. Nothing is written before flush. */
void pasta_metrics_put(struct pasta_metrics *m, int64_t step, const char *name, double value);
/* Ends the row, writes, and syncs: call it before the checkpoint of the same step is written. */
pasta_status pasta_metrics_flush(struct pasta_metrics *m, struct pasta_err *err) PASTA_MUST_CHECK;
/* flushes, and frees even on error; NULL is legal */
pasta_status pasta_metrics_close(struct pasta_metrics *m, struct pasta_err *err) PASTA_MUST_CHECK;
#endif

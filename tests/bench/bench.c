/* bench.c: what each part's speed is worth, as ratios against twins and floors measured in the same run.
 *
 * usage: bench [--quick] [--json] [--only NAME]     (scripts/bench, `make bench`)
 */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"
#include "pasta/base/json.h"
#include "pasta/base/log.h"
#include "pasta/base/progress.h"
#include "pasta/base/threads.h"
#include "pasta/base/version.h"
#include "pasta/tensor/blas.h"
#include "pasta/tensor/pt.h"

static const char usage[] = "usage: bench [--quick] [--json] [--only NAME]\n"
                            "  --quick   each measurement once, with little work: whether it runs, not how fast it is\n"
                            "  --json    one JSON object instead of the table\n"
                            "  --only    one measurement: products, memory, drawing, encoder, vit, values, gemma, user-model, simulate,\n"
                            "            evaluate, records, bootstrap\n";

/* --- facts --- */

struct facts {
    char cpu[200], blas[200];
    const char *chosen; /* who chose OpenBLAS's kernels */
    int processors;
    double load; /* of the last minute, before the first measurement */
};

static void read_facts(struct facts *f)
{
    char line[300];
    *f = (struct facts){.cpu = "unknown processor", .processors = pasta_cpu_count(), .load = NAN};
    FILE *info = fopen("/proc/cpuinfo", "r");
    while (info && fgets(line, sizeof line, info)) {
        char *colon = strchr(line, ':');
        if (colon && pasta_starts_with(line, "model name")) {
            snprintf(f->cpu, sizeof f->cpu, "%s", pasta_trim(colon + 1));
            break;
        }
    }
    if (info)
        fclose(info);
    snprintf(f->blas, sizeof f->blas, "%s", pasta_blas_describe());
    /* blas.c leaves this guard in a program that it started again */
    f->chosen = getenv("PASTA_BLAS_CHOSEN") ? "pasta" : getenv("OPENBLAS_CORETYPE") ? "OPENBLAS_CORETYPE" : "the library";
    if (getloadavg(&f->load, 1) != 1)
        f->load = NAN;
}

static void print_facts(const struct facts *f)
{
    printf("%s, %d processors; load %.1f before the run%s\n", f->cpu, f->processors, f->load,
           f->load > 0.5 ? ": others were at work, so take the ratios as provisional" : "");
    printf("%s, kernels chosen by %s; libtorch %s; pasta %s (%s)\n\n", f->blas, f->chosen, pt_version(), pasta_version(), pasta_commit());
}

/* --- results --- */

static const char *short_number(double value, char text[32])
{
    const double size = fabs(value);
    snprintf(text, 32, size >= 99.95 ? "%.0f" : size >= 9.995 ? "%.1f" : "%.2f", value);
    if (size < 0.0995)
        snprintf(text, 32, "%.2g", value);
    return text;
}

static const char *spread_text(const struct bench_spread *s, char text[120])
{
    char median[32], lo[32], hi[32];
    snprintf(text, 120, "%s [%s, %s]", short_number(s->median, median), short_number(s->lo, lo), short_number(s->hi, hi));
    return text;
}

static const char *memory_text(double bytes, char text[32])
{
    if (isnan(bytes))
        strcpy(text, "-");
    else
        snprintf(text, 32, "%.0f MB", bytes * 1e-6);
    return text;
}

static void print_table(const struct bench *b)
{
    static const char format[] = "%-54s %-12s %-24s %-38s %-24s %-21s %-7s %-7s %s\n";
    printf(format, "what", "unit", "ours", "against", "theirs", "ratio", "memory", "theirs", "rounds");
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct bench_row *r = &b->rows[i];
        char ours[120], theirs[120], ratio[120], memory[32], their_memory[32], rounds[16];
        snprintf(rounds, sizeof rounds, "%d", r->rounds);
        printf(format, r->label.what, r->label.unit, spread_text(&r->ours, ours), r->label.against, spread_text(&r->theirs, theirs),
               spread_text(&r->ratio, ratio), memory_text(r->memory, memory), memory_text(r->their_memory, their_memory), rounds);
    }
    for (size_t i = 0; i < b->n_skipped; i++)
        printf("skipped: %s\n", b->skipped[i]);
}

static double peak_of_run(void)
{
    struct rusage usage_of = {0};
    getrusage(RUSAGE_SELF, &usage_of);
    return (double)usage_of.ru_maxrss * 1024;
}

static void put_spread(struct pasta_str *out, const char *key, const struct bench_spread *s)
{
    pasta_str_printf(out, ",\"%s\":{\"median\":", key);
    pasta_json_put_num(out, s->median);
    pasta_str_add(out, ",\"min\":");
    pasta_json_put_num(out, s->lo);
    pasta_str_add(out, ",\"max\":");
    pasta_json_put_num(out, s->hi);
    pasta_str_addc(out, '}');
}

static void put_text(struct pasta_str *out, const char *key, const char *text)
{
    pasta_str_printf(out, "\"%s\":", key);
    pasta_json_put_str(out, text);
}

static void print_json(const struct bench *b, const struct facts *f, double seconds)
{
    struct pasta_str out = {0};
    put_text(&out, "cpu", f->cpu);
    pasta_str_printf(&out, ",\"processors\":%d,\"load\":", f->processors);
    pasta_json_put_num(&out, f->load);
    const char *const facts[][2] = {{"blas", f->blas}, {"kernels_chosen_by", f->chosen}, {"libtorch", pt_version()}, {"version", pasta_version()}, {"commit", pasta_commit()}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        pasta_str_addc(&out, ',');
        put_text(&out, facts[i][0], facts[i][1]);
    }
    pasta_str_printf(&out, ",\"quick\":%s,\"seconds\":", b->quick ? "true" : "false");
    pasta_json_put_num(&out, seconds);
    pasta_str_add(&out, ",\"rows\":[");
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct bench_row *r = &b->rows[i];
        pasta_str_add(&out, i ? ",{" : "{");
        put_text(&out, "what", pasta_trim((char *)r->label.what));
        pasta_str_addc(&out, ',');
        put_text(&out, "unit", r->label.unit);
        pasta_str_addc(&out, ',');
        put_text(&out, "against", r->label.against);
        put_spread(&out, "ours", &r->ours);
        put_spread(&out, "theirs", &r->theirs);
        put_spread(&out, "ratio", &r->ratio);
        pasta_str_printf(&out, ",\"rounds\":%d,\"memory_bytes\":", r->rounds);
        pasta_json_put_num(&out, r->memory);
        pasta_str_add(&out, ",\"their_memory_bytes\":");
        pasta_json_put_num(&out, r->their_memory);
        pasta_str_addc(&out, '}');
    }
    pasta_str_add(&out, "],\"skipped\":[");
    for (size_t i = 0; i < b->n_skipped; i++) {
        if (i)
            pasta_str_addc(&out, ',');
        pasta_json_put_str(&out, b->skipped[i]);
    }
    printf("{%s]}\n", out.data);
    pasta_str_release(&out);
}

/* --- the run --- */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

/* All of them, or the one that is named. */
static pasta_status run_all(struct bench *b, const char *only, struct pasta_err *err)
{
    static const struct { const char *name; pasta_status (*run)(struct bench *, struct pasta_err *); } measurements[] = {
        {"products", bench_products}, {"memory", bench_memory}, {"drawing", bench_drawing}, {"encoder", bench_clip}, {"vit", bench_vision_twin},
        {"values", bench_value}, {"gemma", bench_gemma_twin}, {"user-model", bench_user_twin}, {"simulate", bench_simulate},
        {"evaluate", bench_evaluate}, {"records", bench_records}, {"bootstrap", bench_bootstrap}};
    pasta_status status = PASTA_OK;
    bool found = false;
    for (size_t i = 0; i < sizeof measurements / sizeof *measurements && status == PASTA_OK; i++)
        if (!only || strcmp(only, measurements[i].name) == 0) {
            status = measurements[i].run(b, err);
            found = true;
        }
    if (!found)
        return pasta_fail(err, PASTA_ERR_USAGE, "--only: expected a measurement's name (products, memory, drawing, encoder, vit, values, gemma, user-model, "
                                                "simulate, evaluate, records, bootstrap), found \"%s\"", only);
    return status;
}

static void bench_release(struct bench *b)
{
    free(b->rows);
    free(b->skipped);
    pasta_arena_release(&b->arena);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct facts facts;
    struct pasta_err err = {0};
    const char *only = NULL;
    bool json = false;

    pasta_blas_ensure(argv);
    pasta_log_init("bench", PASTA_LOG_INFO);
    if (argc == 2 && strcmp(argv[1], "--serve-products") == 0)
        return bench_sgemm_serve();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            b.quick = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return PASTA_EXIT_OK;
        } else {
            pasta_error("unknown argument \"%s\"", argv[i]);
            return PASTA_EXIT_USAGE;
        }
    }

    const char *tmp = getenv("TMPDIR");
    char *scratch = pasta_asprintf("%s/pasta-bench.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(scratch)) {
        pasta_error("\"%s\": cannot make a folder", scratch);
        free(scratch);
        return PASTA_EXIT_FAILED;
    }
    b.scratch = scratch;
    read_facts(&facts);
    b.processors = facts.processors;
    if (!json) {
        print_facts(&facts);
        fflush(stdout);
    }
    pt_threads(1);
    const double begin = pasta_now();
    const pasta_status status = run_all(&b, only, &err);
    const double seconds = pasta_now() - begin;
    if (status != PASTA_OK) {
        pasta_error("%s", err.message);
    } else if (json) {
        print_json(&b, &facts, seconds);
    } else {
        print_table(&b);
        printf("\nrates: median [least, most] of the rounds, sides in turn; ratio: ours / theirs within a round, above 1: ours is faster\n"
               "time: the processor's for work of one thread, the wall's where two threads are compared\n"
               "memory: what a side's first run took beyond what was in use; the whole run %.0f MB, %.0f s\n", peak_of_run() * 1e-6, seconds);
    }
    nftw(scratch, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(scratch);
    bench_release(&b);
    return (int)pasta_status_exit(status);
}

/* pasta-collect: raters answer, sketch raters (collect_sketch.h) or people (collect_study.h). */
#include <stdlib.h>

#include "arms.h"
#include "collect_sketch.h"
#include "collect_study.h"
#include "common.h"
#include "pasta/base/paths.h"
#include "pasta/study/status.h"
#include "services.h"

static const char *prompts_path, *serve_address;
static bool status_asked, finish_asked;
static struct pasta_strings arm_specs;

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    char *standard = pasta_data_path("prompts/sketch.txt");
    const struct collect_study study = {context, prompts_path ? prompts_path : standard, serve_address, &arm_specs};
    pasta_status status;

    if ((serve_address != NULL) + status_asked + finish_asked > 1) {
        status = pasta_fail(err, PASTA_ERR_USAGE, "--serve, --status and --finish: expected one of them, found more");
    } else if (status_asked) {
        status = collect_study_status(context, err);
    } else if (serve_address) {
        status = collect_study_serve(&study, err);
    } else if (finish_asked) {
        status = collect_study_finish(&study, err);
    } else if (!context->dry_run && pasta_study_is_there(context->out)) {
        status = pasta_fail(err, PASTA_ERR_USAGE, "'%s' holds a study of people: expected --serve, --status or --finish with it, or "
                            "another folder", context->out);
    } else {
        status = collect_sketch(context, study.prompts_path, &arm_specs, err);
    }
    free(standard);
    free(arm_specs.items);
    return status;
}

static const struct pasta_option options[] = {
    {"prompts", PASTA_OPT_STRING, &prompts_path, "FILE", "initial prompts: .txt, .tsv or .jsonl, also .gz (data/prompts/sketch.txt)", NULL},
    {"serve", PASTA_OPT_STRING, &serve_address, "ADDR:PORT", "people answer: serve the rater's page; a port alone is on the loopback interface", NULL},
    {"status", PASTA_OPT_FLAG, &status_asked, NULL, "say how the study in --out is getting on, also while it is served", NULL},
    {"finish", PASTA_OPT_FLAG, &finish_asked, NULL, "end the study in --out with the turns that were answered", NULL},
    ARM_FLAG(&arm_specs),
    EXPLORATION_FLAGS,
    SERVICES_RECORD,
    SERVICES_REPLAY,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-collect",
    .summary = "raters answer: people on a page, or sketch raters; sessions with an agent, single-turn pairs and ratings",
    .examples = "  pasta-collect --config configs/sketch.json --seed 1 --out runs/collect\n"
                "  pasta-collect --prompts my.txt --set collect.sessions=30 --threads 2 --out runs/mine\n"
                "  pasta-collect --config configs/sketch.json --arm mine=runs/pasta --out runs/on-policy\n"
                "  pasta-collect --config configs/openai.json --set generator.model=MODEL --record cassette.jsonl.gz --out runs/lmm\n"
                "  pasta-collect --config configs/paper.json --dry-run\n"
                "  pasta-collect --serve 8080 --set collect.raters=40 --set collect.sessions=40 --set world.image_size=256 --out runs/study\n"
                "  pasta-collect --serve 8080 --set collect.sessions=200 --arm baseline=baseline --arm pasta=runs/pasta --out runs/human-evaluation\n"
                "  pasta-collect --status --out runs/study\n",
    .options = options};

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}

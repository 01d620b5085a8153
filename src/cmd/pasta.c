/* pasta STAGE ...: runs pasta-STAGE from the folder of this executable. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/err.h"
#include "pasta/base/mem.h"
#include "pasta/base/version.h"

static const char *const stages[][2] = {
    {"collect", "raters interact with a baseline agent: sessions, preferences, ratings, images"},
    {"embed", "CLIP features of images and prompts"},
    {"train-user-model", "mini-batch EM over hidden user types"},
    {"simulate", "trajectories of users drawn from the user model"},
    {"train-pasta", "implicit Q-learning of the agent's value functions"},
    {"evaluate", "user models, agents, and the raters of a study; tables and report"},
    {"score", "a trained agent's scores of candidates, for other programs"},
    {"train-clip", "contrastive training of an encoder"},
    {"sketch", "draws what the sketch world makes of prompts"},
    {"info", "what a file or run folder holds; --check validates it"},
};

static void usage(FILE *to)
{
    fputs("usage: pasta STAGE [options]; pasta STAGE --help says more\n\n", to);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        fprintf(to, "  %-18s%s\n", stages[i][0], stages[i][1]);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return PASTA_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return PASTA_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("pasta %s (%s)\n", pasta_version(), pasta_commit());
        return PASTA_EXIT_OK;
    }
    bool known = false;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        known = known || strcmp(argv[1], stages[i][0]) == 0;
    if (!known) {
        fprintf(stderr, "pasta: error: unknown stage '%s'; pasta --help lists them\n", argv[1]);
        return PASTA_EXIT_USAGE;
    }
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *slash = n > 0 ? (exe[n] = '\0', strrchr(exe, '/')) : NULL;
    if (!slash) {
        fprintf(stderr, "pasta: error: cannot tell where this program lies: %s\n", strerror(errno));
        return PASTA_EXIT_FAILED;
    }
    *slash = '\0';
    char *path = pasta_asprintf("%s/pasta-%s", exe, argv[1]);
    argv[1] = path;
    execv(path, argv + 1);
    fprintf(stderr, "pasta: error: cannot run '%s': %s\n", path, strerror(errno));
    free(path);
    return PASTA_EXIT_FAILED;
}

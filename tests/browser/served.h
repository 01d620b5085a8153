/* served.h: the study under test: pasta-collect --serve as a child that is started, killed and started again on the same port. */
#ifndef PASTA_TESTS_SERVED_H
#define PASTA_TESTS_SERVED_H
#include <sys/types.h>

struct served {
    const char *binary;      /* pasta-collect */
    char *const *arguments;  /* of the study, NULL-terminated; --serve, --out and --resume come with it */
    const char *out;
    pid_t pid;               /* 0: not running */
    int said;                /* the end of its stdout: open while it runs, or its last words would kill it */
    int port;                /* 0 before the first start */
};

void served_start(struct served *s);     /* returns when raters can come */
void served_kill(struct served *s);      /* SIGKILL */
int served_wait(struct served *s);       /* until it ends by itself; its exit status */
char *served_link(const struct served *s, int rater, char **name); /* of the rater-th row of links.tsv; both belong to the caller */
#endif

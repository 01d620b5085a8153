/* fuzz_records.c: any bytes as a file of records, plain or gzip, of each kind; a session that is accepted is written so that
 * it reads back as itself. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <string.h>
#include "pasta/io/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    for (int64_t skip_bad = 0; skip_bad <= 1; skip_bad++) {
        struct pasta_err err[4] = {0};
        struct pasta_sessions sessions = {0};
        struct pasta_preferences preferences = {0};
        struct pasta_ratings ratings = {0};
        struct pasta_rankings rankings = {0};
        const pasta_status status[] = {pasta_sessions_read(file.path, skip_bad, NULL, &sessions, &err[0]),
                                       pasta_preferences_read(file.path, skip_bad, NULL, &preferences, &err[1]),
                                       pasta_ratings_read(file.path, skip_bad, NULL, &ratings, &err[2]),
                                       pasta_rankings_read(file.path, skip_bad, NULL, &rankings, &err[3])};
        for (int i = 0; i < 4; i++)
            assert(status[i] == PASTA_OK || (status[i] == PASTA_ERR_INPUT && err[i].message[0]));
        for (size_t i = 0; i < sessions.n; i++)
            fuzz_session_reads_back(&sessions.items[i]);
        pasta_sessions_release(&sessions);
        pasta_preferences_release(&preferences);
        pasta_ratings_release(&ratings);
        pasta_rankings_release(&rankings);
    }
    fuzz_file_close(&file);
    return 0;
}

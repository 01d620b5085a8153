/* log.h: what a person sees on stderr while a binary works.
 *
 * `prog: level: message`, one line each. stdout is for data. Library code does not log, with one
 * exception: progress (progress.h) may be handed to it.
 */
#ifndef PASTA_BASE_LOG_H
#define PASTA_BASE_LOG_H
enum pasta_log_level { PASTA_LOG_ERROR, PASTA_LOG_WARN, PASTA_LOG_INFO, PASTA_LOG_DEBUG }; /* --quiet, neither, --verbose */
void pasta_log_init(const char *prog, enum pasta_log_level level); /* prog is borrowed for good */
void pasta_log_level_set(enum pasta_log_level level);
enum pasta_log_level pasta_log_level_get(void);
void pasta_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void pasta_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void pasta_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void pasta_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif

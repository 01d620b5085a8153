/* version.h: which build this is. */
#ifndef PASTA_BASE_VERSION_H
#define PASTA_BASE_VERSION_H
const char *pasta_version(void); /* "0.1.0" */
const char *pasta_commit(void);  /* "0fa26590a1b2", with "+changes" when the tree was not clean */
#endif

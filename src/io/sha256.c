#include "pasta/io/sha256.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

static void to_hex(const unsigned char digest[32], char hex[65])
{
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
}

void pasta_sha256(const void *bytes, size_t length, char hex[65])
{
    unsigned char digest[32];
    int ok = EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL);
    if (!ok)
        abort(); /* libcrypto without SHA-256 is a broken installation */
    to_hex(digest, hex);
}

pasta_status pasta_sha256_file(const char *path, char hex[65], struct pasta_err *err)
{
    enum { CHUNK = 1 << 18 };
    FILE *file = fopen(path, "rbe");
    if (!file)
        return pasta_fail_errno(err, "cannot open '%s'", path);
    setvbuf(file, NULL, _IONBF, 0);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *buffer = pasta_malloc(CHUNK), digest[32];
    int ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    size_t n;
    while (ok && (n = fread(buffer, 1, CHUNK, file)) > 0)
        ok = EVP_DigestUpdate(context, buffer, n);
    pasta_status status = PASTA_OK;
    if (ferror(file))
        status = pasta_fail_errno(err, "cannot read '%s'", path);
    else if (!ok || !EVP_DigestFinal_ex(context, digest, NULL))
        status = pasta_fail(err, PASTA_ERR_FAILED, "cannot hash '%s': libcrypto refused", path);
    else
        to_hex(digest, hex);
    EVP_MD_CTX_free(context);
    free(buffer);
    fclose(file);
    return status;
}

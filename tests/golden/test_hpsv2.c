/* test_hpsv2.c: HPSv2's preprocessing gives the numbers of PyTorch (data/hpsv2.txt, written by make_hpsv2.py), to 1e-5. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pasta/base/mem.h"
#include "pasta/model/preprocess.h"

enum { SIZE = 6, VALUES = 3 * SIZE * SIZE };

static void test_same_as_pytorch(void **state)
{
    (void)state;
    FILE *list = fopen("tests/golden/data/hpsv2.txt", "r");
    int width, height, images = 0;
    assert_non_null(list);
    const struct pasta_preprocess p = pasta_preprocess_hpsv2(SIZE);
    while (fscanf(list, "%d %d", &width, &height) == 2) {
        const size_t n = 3 * (size_t)width * (size_t)height;
        struct pasta_image image = {width, height, pasta_malloc(n)};
        struct pasta_err err = {0};
        float found[VALUES], most = 0;
        for (size_t i = 0; i < n; i++)
            image.pixels[i] = (uint8_t)(i * 37 + i / 7);
        assert_int_equal(pasta_preprocess_image(&p, &image, SIZE, found, &err), PASTA_OK);
        for (int i = 0; i < VALUES; i++) {
            float expected;
            assert_int_equal(fscanf(list, "%f", &expected), 1);
            most = fmaxf(most, fabsf(found[i] - expected));
        }
        printf("%d x %d: at most %.1e off\n", width, height, most);
        assert_true(most < 1e-5f);
        pasta_image_release(&image);
        images++;
    }
    fclose(list);
    assert_int_equal(images, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

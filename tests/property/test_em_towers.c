/* Trained towers: their gradient is that of one graph over pixels and tokens, nothing moves at a rate of 0, and a resumed run is an
 * uninterrupted one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/base/paths.h"
#include "pasta/tensor/pt.h"
#include "unit/user_people.h"
#include "../../src/user/em_state.h"

enum { DIM = 64, SIDE = 64, EACH = 4, PEOPLE = 6, MOST = 400 };

/* People whose images and prompts the embedded encoder has seen. Their answers have nothing to do with what it saw. */
struct seen { struct people people; struct pasta_clip *clip; struct pasta_features *features; char folder[64]; struct pasta_user_data *data; };

/* Noise, by the id alone. */
static pasta_status draw(void *ctx, const char *id, struct pasta_image *out, struct pasta_err *err)
{
    (void)ctx, (void)err;
    struct pasta_rng rng = pasta_rng_at(pasta_hash64(id), PASTA_RNG_TEST, 1, 0, 0);
    *out = (struct pasta_image){SIDE, SIDE, pasta_malloc(3 * SIDE * SIDE)};
    for (int i = 0; i < 3 * SIDE * SIDE; i++) /* some images darker than others, else all noise looks alike */
        out->pixels[i] = (uint8_t)pasta_rng_below(&rng, 32 + (uint32_t)(pasta_hash64(id) % 220));
    return PASTA_OK;
}

static struct pasta_clip *encoder(void)
{
    struct pasta_err err = {0};
    struct pasta_clip *clip = NULL;
    if (pasta_clip_load("", "cpu", PT_F32, &clip, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return clip;
}

static void see(struct seen *s, int turns)
{
    struct pasta_err err = {0};
    people_make(&s->people, 31, (struct people_size){.dim = DIM, .types = 2, .people = PEOPLE, .pairs = EACH, .ratings = EACH, .turns = turns, .strength = 2});
    s->clip = encoder();
    struct people *p = &s->people;
    assert_in_range(p->n_images, 1, MOST);
    const char *images[MOST], *prompts[MOST];
    for (int i = 0; i < p->n_images; i++) {
        struct pasta_image image;
        images[i] = people_name(p, "image", i);
        assert_int_equal(draw(NULL, images[i], &image, &err), PASTA_OK);
        assert_int_equal(pasta_clip_images(s->clip, &image, 1, false, p->images + (size_t)i * DIM, &err), PASTA_OK);
        pasta_image_release(&image);
    }
    for (int i = 0; i < p->n_prompts; i++)
        prompts[i] = people_name(p, "prompt", i);
    assert_int_equal(pasta_clip_texts(s->clip, prompts, p->n_prompts, false, p->prompts, &err), PASTA_OK);
    strcpy(s->folder, "/tmp/pasta-towers-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    if (pasta_features_write(s->folder, pasta_clip_hash(s->clip), DIM, images, p->images, (size_t)p->n_images, prompts, p->prompts, (size_t)p->n_prompts, &err) != PASTA_OK ||
        pasta_features_open(s->folder, &s->features, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    struct pasta_features *own = p->features;
    p->features = s->features;
    s->data = people_data(p, 0);
    p->features = own;
}

static void forget(struct seen *s)
{
    char *command = pasta_asprintf("rm -r '%s'", s->folder);
    pasta_user_data_free(s->data);
    pasta_features_close(s->features);
    assert_int_equal(system(command), 0);
    free(command);
    pasta_clip_free(s->clip);
    people_free(&s->people);
}

static struct pasta_user_model_settings settings_of(double rate, double towers_rate)
{
    return (struct pasta_user_model_settings){
        .types = 2, .aggregate = "mean", .adapter_width = 3, .start = "random", .temperature_max = 3, .target_every = 3, .prior_momentum = 0.5,
        .responsibilities = "user", .kappa_rating = 1, .kappa_rehearsal = 0.5, .kappa_choice = 1, .kappa_cross_turn = 1, .towers = "trained",
        .towers_rate = towers_rate, .main = {.steps = 5, .batch = 16, .learning_rate = rate}, .fine = {.steps = 4, .batch = 8, .learning_rate = rate}};
}

static struct pasta_em *em_of(const struct pasta_user_model_settings *settings, const struct seen *s, bool trained, int threads)
{
    struct pasta_err err = {0};
    struct pasta_em *em = NULL;
    struct pasta_em_towers towers = {.clip = trained ? encoder() : NULL, .image = draw, .threads = threads};
    if (pasta_em_new(settings, 7, "cpu", s->data, trained ? &towers : NULL, &em, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return em;
}

static struct pasta_em_metrics step(struct pasta_em *em)
{
    struct pasta_err err = {0};
    struct pasta_em_metrics m;
    if (pasta_em_step(em, &m, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return m;
}

/* The batch's loss as one graph: every image of the data through the tower, then the user model's network. Leaves gradients with s->clip. */
static double one_graph(const struct pasta_em *em, const struct seen *s)
{
    struct pasta_err err = {0};
    struct pasta_user_data *data = s->data;
    int64_t n = (int64_t)data->images.n, n_texts = (int64_t)data->texts.n, context = pasta_clip_shape_of(s->clip)->context;
    float *pixels = pasta_malloc((size_t)n * 3 * SIDE * SIDE * sizeof *pixels);
    int64_t *ids = pasta_malloc((size_t)(n_texts * context) * sizeof *ids);
    for (int64_t i = 0; i < n; i++) {
        struct pasta_image image;
        assert_int_equal(draw(NULL, data->images.keys[i], &image, &err), PASTA_OK);
        assert_int_equal(pasta_clip_preprocess(s->clip, &image, pixels + i * 3 * SIDE * SIDE, &err), PASTA_OK);
        pasta_image_release(&image);
    }
    for (int64_t i = 0, length; i < n_texts; i++) {
        int used;
        assert_int_equal(pasta_bpe_encode(pasta_clip_bpe(s->clip), data->texts.keys[i], (int)context, ids + i * context, &used, &err), PASTA_OK);
        for (length = used; length < context; length++)
            ids[i * context + length] = pasta_clip_shape_of(s->clip)->end;
    }
    struct batch_list lists[OBS_KINDS];
    for (int kind = 0; kind < OBS_KINDS; kind++)
        lists[kind] = (struct batch_list){em->picks[kind].items, em->picks[kind].n};
    struct user_batch batch = {0};
    user_batch_fill(&batch, data, lists);
    pt_scope_open();
    pasta_params_requires_grad(pasta_clip_params(s->clip), true);
    pt images = pt_normalize(pasta_clip_image_features(s->clip, pt_borrow(pixels, PT_F32, PT_SHAPE(n, 3, SIDE, SIDE))), 1);
    pt texts = pt_normalize(pasta_clip_text_features(s->clip, pt_borrow(ids, PT_I64, PT_SHAPE(n_texts, context))), 1);
    struct user_nll nll = user_net_nll(&em->online, images, texts, &batch);
    const struct pasta_user_model_settings *k = em->settings;
    double comparisons = 0, rehearsal = nll.choice == NULL ? 1 : k->kappa_rehearsal;
    for (int i = 0; i < batch.n_turns; i++)
        comparisons += batch.has_versus[i];
    const struct { pt nll; enum observation_kind kind; double n, weight; } parts[4] = {
        {nll.pair, OBS_PAIR, batch.n_pairs, rehearsal}, {nll.rating, OBS_RATING, batch.n_ratings, rehearsal * k->kappa_rating},
        {nll.choice, OBS_TURN, batch.n_turns, k->kappa_choice}, {nll.versus, OBS_TURN, comparisons, k->kappa_cross_turn}};
    pt loss = NULL;
    for (int i = 0; i < 4; i++) {
        if (parts[i].nll == NULL)
            continue;
        const struct em_picks *p = &em->picks[parts[i].kind];
        pt part = pt_mul_scalar(pt_sum(pt_mul(pt_from_f32(p->gamma, PT_SHAPE(2, p->n)), parts[i].nll)), parts[i].weight / parts[i].n);
        loss = loss == NULL ? part : pt_add(loss, part);
    }
    pt_backward(loss);
    double value = pt_item(loss);
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s", err.message);
    user_batch_release(&batch);
    free(pixels);
    free(ids);
    return value;
}

static void compare_gradients(bool fine)
{
    struct seen s;
    see(&s, fine ? 3 : 0);
    struct pasta_user_model_settings settings = settings_of(0, 1);
    if (fine)
        settings.main.steps = 0;
    struct pasta_em *em = em_of(&settings, &s, true, 2);
    struct pasta_em_metrics m = step(em);
    double loss = one_graph(em, &s);
    if (!(fabs(loss - m.loss) < 1e-5 * fabs(loss)))
        fail_msg("loss %.9g, of one graph %.9g", m.loss, loss);
    struct pasta_params *params = pasta_clip_params(s.clip);
    double apart = 0, whole = 0;
    int compared = 0;
    pt_scope_open();
    for (int i = 0; i < params->n; i++) {
        char *name = pasta_asprintf("adamw.m.1/%s", params->items[i].name); /* 0.1 g after the first step */
        pt moment = pasta_params_get(pasta_optim_state(em->optim), name), gradient = pt_grad(params->items[i].tensor);
        free(name);
        assert_non_null(moment);
        if (gradient == NULL) {
            assert_string_equal(params->items[i].name, "logit_scale");
            continue;
        }
        apart += pow(pt_item(pt_norm(pt_sub(pt_mul_scalar(moment, 10), gradient))), 2);
        whole += pow(pt_item(pt_norm(gradient)), 2);
        compared++;
    }
    struct pasta_err err = {0};
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    assert_int_equal(compared, params->n - 1);
    assert_true(whole > 0);
    if (!(apart < 1e-8 * whole))
        fail_msg("gradients differ by %g of %g", sqrt(apart), sqrt(whole));
    pasta_em_free(em);
    forget(&s);
}

static void gradients_are_those_of_one_graph(void **state)
{
    (void)state;
    compare_gradients(false);
    compare_gradients(true);
}

/* Towers that do not move are frozen towers: encoding each batch anew gives what the features say. */
static void at_a_rate_of_0_they_are_frozen(void **state)
{
    (void)state;
    struct seen s;
    see(&s, 3);
    struct pasta_user_model_settings settings = settings_of(1e-2, 0), moving = settings_of(1e-2, 0.1);
    struct pasta_em *frozen = em_of(&settings, &s, false, 1), *still = em_of(&settings, &s, true, 2), *trained = em_of(&moving, &s, true, 2);
    double apart = 0, moved = 0;
    for (int i = 0; i < 9; i++) {
        struct pasta_em_metrics a = step(frozen), b = step(still), c = step(trained);
        apart = fmax(apart, fabs(a.loss - b.loss) / fabs(a.loss));
        apart = fmax(apart, a.copied ? fabs(a.train_loglik - b.train_loglik) : 0);
        moved = fmax(moved, fabs(a.loss - c.loss));
    }
    if (!(apart < 1e-4) || !(moved > 1e-2))
        fail_msg("frozen and still differ by %g, trained by %g", apart, moved);
    pasta_em_free(frozen);
    pasta_em_free(still);
    pasta_em_free(trained);
    forget(&s);
}

static void same_params(struct pasta_params *a, struct pasta_params *b)
{
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        size_t bytes = (size_t)pt_numel(a->items[i].tensor) * sizeof(float);
        float *x = pasta_malloc(bytes), *y = pasta_malloc(bytes);
        pt_scope_open();
        pt_copy_f32(a->items[i].tensor, x);
        pt_copy_f32(b->items[i].tensor, y);
        assert_int_equal(pt_scope_close(NULL), PASTA_OK);
        if (memcmp(x, y, bytes) != 0)
            fail_msg("%s differs", a->items[i].name);
        free(x);
        free(y);
    }
}

/* From every step of both phases; reading and encoding on another number of threads. */
static void resumed_is_uninterrupted(void **state)
{
    (void)state;
    struct seen s;
    see(&s, 3);
    struct pasta_user_model_settings settings = settings_of(1e-2, 0.1);
    struct pasta_err err = {0};
    char *path = pasta_path_join(s.folder, "checkpoint.safetensors");
    struct pasta_em *whole = em_of(&settings, &s, true, 2), *parts = em_of(&settings, &s, true, 2);
    for (int i = 0; i < 9; i++) {
        double loss = step(whole).loss;
        assert_true(step(parts).loss == loss);
        assert_int_equal(pasta_em_save(parts, path, &err), PASTA_OK);
        pasta_em_free(parts);
        parts = em_of(&settings, &s, true, i % 2 + 1);
        if (pasta_em_load(parts, path, &err) != PASTA_OK)
            fail_msg("%s", err.message);
    }
    double a[2], b[2];
    assert_int_equal(pasta_em_loglik(whole, &a[0], &a[1], &err), PASTA_OK);
    assert_int_equal(pasta_em_loglik(parts, &b[0], &b[1], &err), PASTA_OK);
    assert_true(a[0] == b[0]);
    same_params(&whole->online.params, &parts->online.params);
    same_params(em_towers_params(whole->towers), em_towers_params(parts->towers));
    free(path);
    pasta_em_free(whole);
    pasta_em_free(parts);
    forget(&s);
}

static void refused(const struct seen *s, const struct pasta_user_model_settings *settings, pasta_status (*image)(void *, const char *, struct pasta_image *, struct pasta_err *),
                    pasta_status status, const char *message)
{
    struct pasta_em_towers towers = {.clip = encoder(), .image = image, .threads = 1};
    struct pasta_em *em = NULL;
    struct pasta_err err = {0};
    assert_int_equal(pasta_em_new(settings, 7, "cpu", s->data, &towers, &em, &err), status);
    if (strstr(err.message, message) == NULL)
        fail_msg("%s", err.message);
}

static pasta_status draw_another(void *ctx, const char *id, struct pasta_image *out, struct pasta_err *err)
{
    pasta_status status = draw(ctx, id, out, err);
    memset(out->pixels, 200, SIDE * SIDE); /* a third of it white */
    return status;
}

/* Pictures that the features were not made of; types that would start anew from them. */
static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct seen s;
    see(&s, 0);
    struct pasta_user_model_settings settings = settings_of(1e-2, 0.1), reseeding = settings;
    reseeding.reseed = 2;
    refused(&s, &settings, draw_another, PASTA_ERR_INPUT, "image 'image 0': expected what the features were made of");
    refused(&s, &reseeding, draw, PASTA_ERR_USAGE, "user_model.reseed: expected 0");
    forget(&s);
}

/* The features are where training starts: another encoder than theirs is refused, and not leaked. */
static void another_encoder_is_refused(void **state)
{
    (void)state;
    struct people people;
    people_make(&people, 31, (struct people_size){.dim = DIM, .types = 2, .people = 2, .pairs = 2, .strength = 2});
    struct pasta_user_data *data = people_data(&people, 0);
    struct pasta_user_model_settings settings = settings_of(1e-2, 0.1);
    struct pasta_em_towers towers = {.clip = encoder(), .image = draw, .threads = 1};
    struct pasta_em *em = NULL;
    struct pasta_err err = {0};
    assert_int_equal(pasta_em_new(&settings, 7, "cpu", data, &towers, &em, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected the encoder of the features"));
    pasta_user_data_free(data);
    people_free(&people);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_those_of_one_graph), cmocka_unit_test(at_a_rate_of_0_they_are_frozen),
                                       cmocka_unit_test(resumed_is_uninterrupted), cmocka_unit_test(what_does_not_fit_is_refused),
                                       cmocka_unit_test(another_encoder_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

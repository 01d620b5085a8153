/* user_model_towers.h: the encoder of a user model whose towers are trained (user_model.towers). */
#ifndef PASTA_CMD_USER_MODEL_TOWERS_H
#define PASTA_CMD_USER_MODEL_TOWERS_H
#include "common.h"
#include "pasta/io/manifest.h"
#include "pasta/user/em.h"

#define USER_MODEL_ENCODER "encoder" /* the folder in a user model's */

bool user_model_trains_towers(const struct pasta_context *context);
/* The encoder embed.model to train, which reads the images below `image_root` (borrowed until the fit is freed; NULL: the present folder). An
 * image of `data` without a file is PASTA_ERR_INPUT. */
pasta_status user_model_towers(const struct pasta_context *context, const struct pasta_user_data *data, const char *image_root,
                               struct pasta_em_towers *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes the trained encoder into the run folder, reads it back, and names it in the model and the manifest. Nothing to do where the towers
 * are frozen. */
pasta_status user_model_encoder_save(const struct pasta_context *context, const struct pasta_em *em, struct pasta_user_model *model,
                                     struct pasta_manifest *manifest, struct pasta_err *err) PASTA_MUST_CHECK;
#endif

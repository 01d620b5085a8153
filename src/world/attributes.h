/* attributes.h: what the sketch world says about an image: ten attributes, each with a small set of named values.
 *
 * A prompt fixes some attributes (struct sketch_reading), an image seed draws the rest (struct sketch_attributes), the
 * renderer paints them and the raters judge them. Subjects are numbered as in drawings.txt; every other value is an enum here, so
 * that the renderer can switch on it, with its name in attributes.c.
 */
#ifndef PASTA_SRC_WORLD_ATTRIBUTES_H
#define PASTA_SRC_WORLD_ATTRIBUTES_H
#include <stdbool.h>
#include <stdint.h>

enum sketch_kind {
    SKETCH_SUBJECT, SKETCH_SECOND, SKETCH_COUNT, SKETCH_COLOUR, /* what is shown */
    SKETCH_STYLE, SKETCH_PALETTE, SKETCH_LIGHTING, SKETCH_COMPOSITION, SKETCH_BACKGROUND, SKETCH_MOOD, /* how */
    SKETCH_KINDS
};
enum { SKETCH_FIRST_OPEN = SKETCH_STYLE }; /* kinds from here on are what raters have tastes about */

enum sketch_group {
    GROUP_ANIMALS, GROUP_FOOD, GROUP_PEOPLE, GROUP_BUILDINGS, GROUP_VEHICLES, GROUP_PLANTS, GROUP_LANDSCAPES, GROUP_ABSTRACT,
    GROUP_OBJECTS, GROUPS
};
enum sketch_count { COUNT_ONE, COUNT_TWO, COUNT_THREE, COUNT_MANY, COUNTS };
enum sketch_colour {
    COLOUR_NATURAL, COLOUR_RED, COLOUR_ORANGE, COLOUR_YELLOW, COLOUR_GREEN, COLOUR_BLUE, COLOUR_VIOLET, COLOUR_PINK, COLOUR_BROWN,
    COLOUR_BLACK, COLOUR_WHITE, COLOUR_GREY, COLOURS
};
enum sketch_style {
    STYLE_FLAT, STYLE_PHOTO, STYLE_INK, STYLE_WATERCOLOR, STYLE_OIL, STYLE_PIXEL, STYLE_STIPPLE, STYLE_MOSAIC, STYLE_NEON,
    STYLE_CHARCOAL, STYLE_COMIC, STYLE_PAPERCUT, STYLE_CRAYON, STYLE_BLUEPRINT, STYLE_WOODCUT, STYLES
};
enum sketch_palette {
    PALETTE_VIVID, PALETTE_WARM, PALETTE_COOL, PALETTE_PASTEL, PALETTE_EARTHY, PALETTE_MONOCHROME, PALETTE_FOREST, PALETTE_SUNSET,
    PALETTE_CANDY, PALETTE_GOLD, PALETTES
};
enum sketch_lighting {
    LIGHT_DAYLIGHT, LIGHT_GOLDEN, LIGHT_MOONLIGHT, LIGHT_SPOTLIGHT, LIGHT_BACKLIT, LIGHT_MISTY, LIGHTS
};
enum sketch_composition {
    COMPOSITION_CENTRED, COMPOSITION_CLOSEUP, COMPOSITION_WIDE, COMPOSITION_LOWANGLE, COMPOSITION_GRID, COMPOSITION_OFFSET,
    COMPOSITION_FRAMED, COMPOSITION_TILTED, COMPOSITIONS
};
enum sketch_background {
    BACKGROUND_PLAIN, BACKGROUND_CITY, BACKGROUND_FOREST, BACKGROUND_MOUNTAINS, BACKGROUND_BEACH, BACKGROUND_DESERT,
    BACKGROUND_SPACE, BACKGROUND_ROOM, BACKGROUND_MEADOW, BACKGROUND_SNOW, BACKGROUND_UNDERWATER, BACKGROUND_PATTERN, BACKGROUNDS
};
enum sketch_mood {
    MOOD_CALM, MOOD_JOYFUL, MOOD_GLOOMY, MOOD_DREAMY, MOOD_DRAMATIC, MOOD_ROMANTIC, MOOD_ENERGETIC, MOODS
};
enum { SKETCH_MAX_SUBJECTS = 256, SKETCH_MAX_VALUES = SKETCH_MAX_SUBJECTS + 1, SKETCH_MAX_LIKELY = 8, SKETCH_NO_SECOND = -1 };

extern const char *const sketch_kind_names[SKETCH_KINDS];
extern const char *const sketch_group_names[GROUPS];
/* Names and number of the values of a kind from COUNT on; NULL and 0 for the subjects, which the lexicon names. */
const char *const *sketch_value_names(enum sketch_kind kind, int *n);
int sketch_value_find(enum sketch_kind kind, const char *name); /* -1: no such value */
int sketch_group_find(const char *name);

/* What is drawn in one image. */
struct sketch_attributes {
    int value[SKETCH_KINDS]; /* SECOND: subject index or SKETCH_NO_SECOND */
    int group;               /* of the subject */
    uint64_t accent;         /* hash of the prompt's unknown words: bends shapes and hues a little */
};

/* What a prompt says about one attribute. */
struct sketch_likely {
    int n;          /* values named; 0: open */
    bool vague;     /* from an abstract word: a distribution, not a statement */
    int value[SKETCH_MAX_LIKELY];
    double weight[SKETCH_MAX_LIKELY];
};
struct sketch_reading {
    struct sketch_likely kind[SKETCH_KINDS];
    int known_subject; /* 1: a subject was recognised by name; 0: by an abstract word; -1: invented from unknown words */
    uint64_t accent;   /* 0: every word is known */
};
#endif

/* attributes.c: the names of attribute values. */
#include "attributes.h"

#include <string.h>

const char *const sketch_kind_names[SKETCH_KINDS] = {"subject", "second", "count", "colour", "style", "palette",
                                                     "lighting", "composition", "background", "mood"};
const char *const sketch_group_names[GROUPS] = {"animals", "food", "people", "buildings", "vehicles",
                                                "plants", "landscapes", "abstract", "objects"};
static const char *const counts[COUNTS] = {"one", "two", "three", "many"};
static const char *const colours[COLOURS] = {"natural", "red", "orange", "yellow", "green", "blue",
                                             "violet", "pink", "brown", "black", "white", "grey"};
static const char *const styles[STYLES] = {"flat", "photo", "ink", "watercolor", "oil", "pixel", "stipple", "mosaic",
                                           "neon", "charcoal", "comic", "papercut", "crayon", "blueprint", "woodcut"};
static const char *const palettes[PALETTES] = {"vivid", "warm", "cool", "pastel", "earthy",
                                               "monochrome", "forest", "sunset", "candy", "gold"};
static const char *const lights[LIGHTS] = {"daylight", "golden", "moonlight", "spotlight", "backlit", "misty"};
static const char *const compositions[COMPOSITIONS] = {"centred", "closeup", "wide", "lowangle",
                                                       "grid", "offset", "framed", "tilted"};
static const char *const backgrounds[BACKGROUNDS] = {"plain", "city", "forest", "mountains", "beach", "desert",
                                                     "space", "room", "meadow", "snow", "underwater", "pattern"};
static const char *const moods[MOODS] = {"calm", "joyful", "gloomy", "dreamy", "dramatic", "romantic", "energetic"};

const char *const *sketch_value_names(enum sketch_kind kind, int *n)
{
    switch (kind) {
    case SKETCH_COUNT: *n = COUNTS; return counts;
    case SKETCH_COLOUR: *n = COLOURS; return colours;
    case SKETCH_STYLE: *n = STYLES; return styles;
    case SKETCH_PALETTE: *n = PALETTES; return palettes;
    case SKETCH_LIGHTING: *n = LIGHTS; return lights;
    case SKETCH_COMPOSITION: *n = COMPOSITIONS; return compositions;
    case SKETCH_BACKGROUND: *n = BACKGROUNDS; return backgrounds;
    case SKETCH_MOOD: *n = MOODS; return moods;
    default: *n = 0; return NULL;
    }
}

static int find(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

int sketch_value_find(enum sketch_kind kind, const char *name)
{
    int n;
    const char *const *names = sketch_value_names(kind, &n);
    return find(names, n, name);
}

int sketch_group_find(const char *name) { return find(sketch_group_names, GROUPS, name); }

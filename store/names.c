#include "store/names.h"

#include <stdio.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/tops.h"

static const char *const moods[] = {
	"amused",  "bold",    "brave",    "bright", "calm",    "careful", "cheerful",
	"clever",  "curious", "daring",   "eager",  "earnest", "elegant", "fair",
	"festive", "frank",   "friendly", "gentle", "gifted",  "glad",    "happy",
	"honest",  "humble",  "jolly",    "keen",   "kind",    "lively",  "loyal",
	"lucid",   "merry",   "modest",   "nimble", "noble",   "patient", "polite",
	"proud",   "quick",   "quiet",    "ready",  "relaxed", "serene",  "sharp",
	"sincere", "steady",  "strong",   "sunny",  "tender",  "vivid",   "warm",
	"wise",    "witty",   "zealous",
};

static const char *const things[] = {
	"acorn",   "anchor",  "apple",   "arrow",  "badger",  "basil",  "beacon",
	"birch",   "breeze",  "bridge",  "brook",  "cedar",   "cherry", "cliff",
	"clover",  "comet",   "coral",   "crane",  "dahlia",  "delta",  "dune",
	"eagle",   "ember",   "falcon",  "fern",   "finch",   "fjord",  "garnet",
	"glacier", "grove",   "harbor",  "hazel",  "heron",   "island", "ivy",
	"jasper",  "juniper", "kestrel", "lagoon", "lark",    "laurel", "lemon",
	"lily",    "linden",  "maple",   "meadow", "meteor",  "moss",   "oak",
	"olive",   "orchid",  "otter",   "pebble", "pine",    "plum",   "quartz",
	"raven",   "reef",    "river",   "robin",  "sparrow", "spruce", "thistle",
	"tulip",   "valley",  "violet",  "willow", "wren",
};

void cps_random_name(const unsigned char random[4], char *out, size_t size)
{
	unsigned int mood = random[0] | random[1] << 8;
	unsigned int thing = random[2] | random[3] << 8;

	snprintf(out, size, "%s_%s", moods[mood % CPS_ARRAY_LEN(moods)],
		 things[thing % CPS_ARRAY_LEN(things)]);
}

bool cps_container_name_ok(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(name);

	return len >= 2 && len <= CPS_TOP_NAME_MAX && strchr(letters, name[0]) &&
	       strspn(name, more) == len;
}

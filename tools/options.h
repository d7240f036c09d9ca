#ifndef CPS_TOOLS_OPTIONS_H
#define CPS_TOOLS_OPTIONS_H

#include "tools/command.h"

/* The words in which commands describe themselves. */

#define ANY (-1) /* number of arguments */

/* A switch, and an option with a value; with a letter or with 0. */
#define SWITCH(name_, letter_, help_)                                                  \
	{                                                                              \
		.name = (name_), .letter = (letter_), .help = (help_)                  \
	}
#define OPTION(name_, letter_, arg_, help_)                                            \
	{                                                                              \
		.name = (name_), .letter = (letter_), .arg = (arg_), .help = (help_)   \
	}
/* One of find's tests: one dash, as find(1) has them. */
#define TEST(name_, arg_, help_)                                                       \
	{                                                                              \
		.name = (name_), .arg = (arg_), .help = (help_), .test = true          \
	}

/* What several commands have. */
#define JSON     SWITCH("json", 0, "print one JSON document")
#define NO_TRUNC SWITCH("no-trunc", 0, "show whole digests and instructions")
#define IDS_ONLY SWITCH("quiet", 'q', "print IDs only")
#define FORMAT                                                                         \
	OPTION("format", 0, "TEMPLATE", "print so, e.g. '{{.ID}}', 'table ...', json")
#define LAYER    OPTION("layer", 0, "N", "one layer as it is, whiteouts shown, from 1")
#define UPTO     OPTION("upto", 0, "N", "only the first N layers")
#define PLATFORM                                                                       \
	OPTION("platform", 0, "OS/ARCH[/V]", "of an image for several; this machine's")

#define ENV                                                                            \
	OPTION("env", 'e', "NAME[=VALUE]", "set a variable, or pass the caller's on")
#define ENV_FILE      OPTION("env-file", 0, "FILE", "variables, one a line")
#define SIGNAL(help_) OPTION("signal", 's', "SIGNAL", help_)

#define TEMPLATE_MORE                                                                  \
	"Of Go's templates these are known: {{.FIELD}}, {{json .FIELD}}, index, len, " \
	"upper, lower, join, print and pipes; \\t and \\n in one are a tab and a "     \
	"newline."

#endif

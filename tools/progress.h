#ifndef CPS_TOOLS_PROGRESS_H
#define CPS_TOOLS_PROGRESS_H

#include "store/progress.h"
#include "tools/command.h"

/** Progress of long work on stderr. On a terminal: a line that is drawn again and again
 *  and vanishes at the end. Elsewhere: plain lines, once the work takes a while.
 *  Nothing with --quiet. */
struct cps_meter {
	const char *verb; /* "load"; borrowed */
	bool silent, terminal;
	bool shown;       /* a line was drawn */
	int64_t begun_ms; /* monotonic */
	int64_t last_ms;  /* of the last line */
	char what[64];    /* of the last line */
};

/** Begin. Returns what the libraries are handed; the meter must outlive it. */
struct cps_progress cps_meter_begin(struct cps_meter *meter, const struct cps_app *app,
				    const char *verb, bool silent);
/** Clear the line, before anything else is printed. */
void cps_meter_end(struct cps_meter *meter);

/** May stderr be coloured? Not without a terminal, nor with NO_COLOR or TERM=dumb. */
bool cps_colour(void);

#endif
